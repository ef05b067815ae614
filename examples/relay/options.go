package main

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp"
)

// options are the command line.
type options struct {
	hostname, mx, submission, deliver, queue, resolver, smarthost string
	tlsCert, tlsKey, tlsCA, policy, contacts, admin, adminToken   string

	local         cli.Fields
	users         cli.Users
	dkim          cli.List
	retry         cli.Durations
	expire        cli.Duration
	connect       mailrelay.Connects
	port          int
	maxSize       int64
	maxRecipients int

	maxConns, maxPerNetwork, minRate int
	proxy, xclient                   cli.Networks
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := cli.Flags("relay", usage, stderr)
	fs.StringVar(&o.hostname, "hostname", "", "name of this host, needed")
	fs.StringVar(&o.mx, "mx", "", "address for mail from other hosts")
	fs.StringVar(&o.submission, "submission", "", "address for mail from users")
	fs.Var(&o.local, "local", "domains whose mail goes to -deliver, separated by commas")
	fs.StringVar(&o.deliver, "deliver", "", "store of the local domains, lmtp://HOST:PORT")
	fs.Var(&o.users, "user", "NAME:PASSWORD or NAME:@FILE of a user of -submission, repeatable")
	fs.StringVar(&o.queue, "queue", "", "storage of the queue: dir:PATH, sqlite:PATH, postgres://..., nats://... (default a folder in ~/.local/state/mailbricks)")
	fs.StringVar(&o.resolver, "resolver", "", "DNS: HOST:PORT of a server, or zone:FILE (default the servers of the system)")
	fs.StringVar(&o.smarthost, "smarthost", "", "HOST:PORT that takes all outgoing mail (default the MX of each domain)")
	fs.IntVar(&o.port, "port", 25, "port of other hosts")
	fs.StringVar(&o.tlsCert, "tls-cert", "", "PEM file of the certificate for STARTTLS, with its chain")
	fs.StringVar(&o.tlsKey, "tls-key", "", "PEM file of its key")
	fs.StringVar(&o.tlsCA, "tls-ca", "", "PEM file of further authorities to trust")
	fs.Var(&o.dkim, "dkim", "DOMAIN:SELECTOR:KEYFILE to sign the mail of users with, repeatable")
	fs.StringVar(&o.policy, "policy", "verify", "about mail from other hosts: open, verify or capability")
	fs.StringVar(&o.contacts, "contacts", "", "folder of capabilities, channels and stamps, with -policy capability (default as for -queue); DIR/grants is what grant -store takes")
	fs.Var(&o.retry, "retry", "waits between attempts, such as 1s,5s,30s; the last repeats (default 5m to 4h)")
	fs.Var(&o.expire, "expire", "how long a message is tried (default 5d)")
	fs.Int64Var(&o.maxSize, "max-size", mailrelay.DefaultMaxSize, "longest message in bytes")
	fs.IntVar(&o.maxRecipients, "max-recipients", 100, "most recipients of a message")
	fs.IntVar(&o.maxConns, "max-connections", 1000, "most connections at a time of a listener")
	fs.IntVar(&o.maxPerNetwork, "max-connections-per-network", 100, "most connections at a time of one IPv4 address or IPv6 /64; without a limit on loopback")
	fs.IntVar(&o.minRate, "min-rate", 1000, "least octets a second that a message comes in")
	fs.Var(&o.proxy, "proxy", "networks whose connections begin with a PROXY header, such as 10.0.0.0/24, separated by commas")
	fs.Var(&o.xclient, "xclient", "networks whose word is taken by XCLIENT for who a client is, separated by commas")
	fs.Var(&o.connect, "connect", "HOST:PORT=ADDR:PORT: connect to ADDR:PORT in place of HOST:PORT, repeatable")
	fs.StringVar(&o.admin, "admin", "", "address of GET /queue, POST /queue/retry and GET /metrics")
	fs.StringVar(&o.adminToken, "admin-token", "", "token that -admin demands, or @FILE")
	if err := cli.Parse(fs, args, 0); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o, o.complete()
}

// check says what to change about the command line.
func (o *options) check() error {
	scheme, _, _ := strings.Cut(o.queue, ":")
	switch {
	case o.hostname == "":
		return cli.Usagef("-hostname NAME is needed")
	case o.mx == "" && o.submission == "":
		return cli.Usagef("nothing to listen on: give -mx ADDR or -submission ADDR")
	case len(o.local) > 0 && o.deliver == "":
		return cli.Usagef("-local needs -deliver lmtp://HOST:PORT")
	case o.submission != "" && o.tlsCert == "" && !cli.Loopback(o.submission):
		return cli.Usagef("-submission off loopback needs -tls-cert and -tls-key, since passwords come over it")
	case o.admin != "" && o.adminToken == "" && !cli.Loopback(o.admin):
		return cli.Usagef("-admin off loopback needs -admin-token")
	case scheme == "sqlite" || scheme == "postgres" || scheme == "nats":
		return cli.NotBuilt("-queue " + scheme)
	case o.queue != "" && (scheme != "dir" || o.queue == "dir:"):
		return cli.Usagef("-queue %q is not dir:PATH", o.queue)
	case o.policy != "open" && o.policy != "verify" && o.policy != "capability":
		return cli.Usagef("-policy %q is not open, verify or capability", o.policy)
	case o.port < 1 || o.port > 65535:
		return cli.Usagef("-port %d is not a port", o.port)
	case o.maxSize < 1 || o.maxRecipients < 1:
		return cli.Usagef("-max-size and -max-recipients are at least 1")
	case o.maxConns < 1 || o.maxPerNetwork < 1 || o.minRate < 1:
		return cli.Usagef("-max-connections, -max-connections-per-network and -min-rate are at least 1")
	}
	if _, err := smtp.ParseHello(o.hostname); err != nil {
		return cli.Usagef("-hostname %q is not a host name", o.hostname)
	}
	for _, d := range o.local {
		if _, err := smtp.ParseMailbox("postmaster@" + d); err != nil {
			return cli.Usagef("-local %q is not a domain", d)
		}
	}
	if _, _, err := net.SplitHostPort(o.smarthost); o.smarthost != "" && err != nil {
		return cli.Usagef("-smarthost %q is not HOST:PORT", o.smarthost)
	}
	return nil
}

// complete fills in what follows from the rest.
func (o *options) complete() (err error) {
	if o.deliver != "" {
		if o.deliver, err = lmtpAddr(o.deliver); err != nil {
			return err
		}
	}
	if file, ok := strings.CutPrefix(o.adminToken, "@"); ok {
		var u cli.Users
		if err := u.Set("admin:@" + file); err != nil {
			return cli.Usagef("-admin-token: %w", err)
		}
		o.adminToken, _ = u.Password("admin")
	}
	if o.queue != "" && (o.contacts != "" || o.policy != "capability") {
		return nil
	}
	state, err := cli.StateDir("relay", o.hostname)
	if err != nil {
		return cli.Usagef("no folder for what is to be kept: give -queue dir:PATH, and -contacts PATH with -policy capability (%w)", err)
	}
	if o.queue == "" {
		o.queue = "dir:" + filepath.Join(state, "queue")
	}
	if o.contacts == "" {
		o.contacts = filepath.Join(state, "contacts")
	}
	return nil
}

// onThisMachine reports whether this relay serves this machine alone, so that MX hosts may be here too.
func (o *options) onThisMachine() bool {
	return strings.HasPrefix(o.resolver, "zone:") || (o.mx == "" || cli.Loopback(o.mx)) && (o.submission == "" || cli.Loopback(o.submission))
}

// lmtpAddr returns the HOST:PORT of lmtp://HOST:PORT.
func lmtpAddr(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "lmtp" || u.Port() == "" || u.Hostname() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
		return "", cli.Usagef("-deliver %q is not lmtp://HOST:PORT", s)
	}
	return u.Host, nil
}
