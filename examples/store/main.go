// Store is a mailbox store: package mailstore behind LMTP, IMAP, POP3 and JMAP at the command line.
//
//	go run -C examples ./store -memory -user alice@example.com:secret -lmtp :2424 -imap :1143 -jmap :8080 -allow-plaintext-auth
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/jmap/push"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

const usage = `store keeps mail and serves it: LMTP in; IMAP, POP3 and JMAP out, all over one set of mailboxes.

  store -memory -user alice@example.com:secret -lmtp :2424 -imap :1143 -pop3 :1110 -jmap :8080 -allow-plaintext-auth
  store -data /var/mail/store -user alice:@password.txt -token alice:@token.txt -lmtp :24 \
    -imaps 0.0.0.0:993 -pop3s 0.0.0.0:995 -jmap 0.0.0.0:443 -tls-cert cert.pem -tls-key key.pem
  store -data /var/mail/store -user bob@example.com:@password.txt -lmtp :24 -jmap :8080 -allow-plaintext-auth -contacts /var/spool/contacts

A NAME with a domain receives mail for that address; one without, for that local part at every domain. An address to
listen on without a host is one of 127.0.0.1. LMTP asks nobody who they are: keep it where only relays reach it.
-contacts is the folder of a relay with -policy capability: with it, users decide who may write.
`

func main() { cli.Main("store", run) }

// options are the command line.
type options struct {
	data, db, submit, nats, contacts, hostname, tlsCert, tlsKey, jmapURL string
	lmtp, imap, imaps, pop3, pop3s, jmap                                 string
	memory, plaintext                                                    bool
	users, tokens, submitUser                                            cli.Users
	maxMessage, quota                                                    int64
	maxConnections                                                       int
	pushAllow                                                            cli.Networks
	credentialKey                                                        []byte // by which push subscriptions know passwords
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	log := cli.Logger(stderr)
	var next *smtpclient.Client
	if o.submit != "" {
		next = &smtpclient.Client{Addr: o.smarthost(), Config: smtpclient.Config{Logger: log, Credentials: o.credentials()}}
		defer next.Close()
	}
	store, err := o.open(next, log)
	if err != nil {
		return err
	}
	known, closeContacts, err := o.openContacts(store, log)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer closeContacts()
	pushes, err := o.openPush(ctx, store, log)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	server, err := o.server(ctx, store, known, pushes, next, log)
	if err != nil {
		return errors.Join(err, pushes.Close(), store.Close())
	}
	err = cli.Serve(ctx, stdout,
		cli.Service{Name: "lmtp", Addr: o.lmtp, Serve: server.LMTP},
		cli.Service{Name: "imap", Addr: o.imap, Serve: server.IMAP},
		cli.Service{Name: "imaps", Addr: o.imaps, Serve: server.IMAPS},
		cli.Service{Name: "pop3", Addr: o.pop3, Serve: server.POP3},
		cli.Service{Name: "pop3s", Addr: o.pop3s, Serve: server.POP3S},
		cli.Service{Name: "jmap", Addr: o.jmap, Serve: server.JMAP})
	server.Close()
	return errors.Join(err, pushes.Close(), store.Close())
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := cli.Flags("store", usage, stderr)
	fs.StringVar(&o.data, "data", "", "folder of the database and the messages (default one in ~/.local/state/mailbricks)")
	fs.StringVar(&o.db, "db", "", "database that several stores share: postgres://...")
	fs.BoolVar(&o.memory, "memory", false, "keep everything in memory, lost at the end")
	fs.Var(&o.users, "user", "NAME:PASSWORD or NAME:@FILE, repeatable; NAME gets mail and logs in")
	fs.Var(&o.tokens, "token", "NAME:TOKEN or NAME:@FILE, repeatable; lets NAME in by Bearer and OAUTHBEARER")
	fs.StringVar(&o.lmtp, "lmtp", "", "address for delivery")
	fs.StringVar(&o.imap, "imap", "", "address for IMAP, with STARTTLS")
	fs.StringVar(&o.imaps, "imaps", "", "address for IMAP over TLS")
	fs.StringVar(&o.pop3, "pop3", "", "address for POP3, with STLS")
	fs.StringVar(&o.pop3s, "pop3s", "", "address for POP3 over TLS")
	fs.StringVar(&o.jmap, "jmap", "", "address for JMAP and the webmail page over HTTP, or HTTPS where there is a certificate")
	fs.StringVar(&o.jmapURL, "jmap-url", "", "https://HOST[:PORT]/.well-known/jmap as clients reach -jmap, for IMAP to tell them of it")
	fs.StringVar(&o.submit, "submit", "", "smtp://HOST:PORT that takes mail which users send over JMAP")
	fs.Var(&o.submitUser, "submit-user", "NAME:PASSWORD or NAME:@FILE to log in with at -submit; off loopback it must offer STARTTLS")
	fs.StringVar(&o.contacts, "contacts", "", "folder of capabilities and channels that a relay with -policy capability has, for users to see and change over JMAP")
	fs.Var(&o.pushAllow, "push-allow", "networks where clients may have changes sent although it is private")
	fs.StringVar(&o.tlsCert, "tls-cert", "", "PEM file of the certificate, with its chain")
	fs.StringVar(&o.tlsKey, "tls-key", "", "PEM file of its key")
	fs.BoolVar(&o.plaintext, "allow-plaintext-auth", false, "take passwords and tokens on connections without TLS")
	fs.Int64Var(&o.quota, "quota", 0, "most bytes of messages in an account (default no limit)")
	fs.Int64Var(&o.maxMessage, "max-message", serve.DefaultMaxMessage, "longest message in bytes")
	fs.IntVar(&o.maxConnections, "max-connections", serve.DefaultConnections, "most connections at a time, of all listeners together")
	fs.StringVar(&o.nats, "nats", "", "NATS server that tells other stores of changes")
	fs.StringVar(&o.hostname, "hostname", "", "name of this host in greetings (default that of the system)")
	if err := cli.Parse(fs, args, 0); err != nil {
		return nil, err
	}
	return o, o.check()
}

// check says what to change about the command line.
func (o *options) check() error {
	kinds := 0
	for _, given := range []bool{o.data != "", o.db != "", o.memory} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return cli.Usagef("-data, -db and -memory exclude each other")
	case o.db != "":
		return cli.NotBuilt("-db")
	case o.nats != "":
		return cli.NotBuilt("-nats")
	case o.submit != "" && o.smarthost() == "":
		return cli.Usagef("-submit takes smtp://HOST:PORT")
	case len(o.submitUser.Names()) > 1, len(o.submitUser.Names()) == 1 && o.submit == "":
		return cli.Usagef("-submit-user is one, of -submit smtp://HOST:PORT")
	case o.jmapURL != "" && !isHTTPS(o.jmapURL):
		return cli.Usagef("-jmap-url takes https://HOST[:PORT]/PATH")
	case o.lmtp+o.imap+o.imaps+o.pop3+o.pop3s+o.jmap == "":
		return cli.Usagef("nothing to listen on: give -lmtp, -imap, -imaps, -pop3, -pop3s or -jmap with an address")
	case o.imaps+o.pop3s != "" && o.tlsCert == "":
		return cli.Usagef("-imaps and -pop3s need -tls-cert and -tls-key")
	case o.quota < 0:
		return cli.Usagef("-quota is at least 0")
	case o.maxMessage < 1 || o.maxConnections < 1:
		return cli.Usagef("-max-message and -max-connections are at least 1")
	}
	return nil
}

// server makes the accounts of all users, and the server of the store.
func (o *options) server(ctx context.Context, store *mailstore.Store, known contact.Backend, pushes *push.WebPush, next *smtpclient.Client, log *slog.Logger) (*serve.Server, error) {
	passwords := sasl.NewUsers()
	for _, name := range o.users.Names() {
		password, _ := o.users.Password(name)
		if err := passwords.Set(name, password); err != nil {
			return nil, cli.Usagef("-user %s: %w", name, err)
		}
	}
	tokens := make(map[string]string)
	for _, name := range o.tokens.Names() {
		tokens[name], _ = o.tokens.Password(name)
	}
	for _, name := range append(o.users.Names(), o.tokens.Names()...) {
		if err := store.EnsureAccount(ctx, name); err != nil {
			return nil, err
		}
	}
	tls, err := cli.ServerTLS(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, err
	}
	if o.hostname == "" {
		o.hostname, _ = os.Hostname()
		if _, err := smtp.ParseHello(o.hostname); err != nil { // not every system's name can be told
			o.hostname = "localhost"
		}
	}
	c := serve.Config{Store: store, Contacts: known, Push: pushes, CredentialKey: o.credentialKey, Hostname: o.hostname, Users: passwords.Check, Tokens: serve.TokenSet(tokens), TLS: tls,
		JMAPURL: o.jmapURL, AllowPlaintextAuth: o.plaintext, MaxConnections: o.maxConnections, MaxMessage: o.maxMessage, Logger: log}
	if next != nil {
		c.Submit = next
		c.SubmitExtensions = func(ctx context.Context) (map[string][]string, error) { return extensions(ctx, next) }
	}
	return serve.New(c)
}
