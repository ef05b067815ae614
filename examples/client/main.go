// Client is a mail client at the command line: it sends by SMTP and reads by JMAP and IMAP.
//
//	go run -C examples ./client send -server smtp://127.0.0.1:2525 -to bob@example.com "$PWD/letter.eml"
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/mailbricks/mailbricks/examples/cli"
)

const usage = `client sends and reads mail.

  client send -server smtp://127.0.0.1:5870 -user alice:@password.txt -to bob@example.com -trace letter.eml
  client list -server jmap:http://127.0.0.1:8080 -user alice@example.com:secret
  client search -server imap://127.0.0.1:1143 -user alice@example.com:secret quarterly report
  client get -server jmap:https://mail.example.com -user alice@example.com:@password.txt M17 > letter.eml
  client watch -server imaps://mail.example.com -user alice@example.com:@password.txt -json

smtp, smtps, imap, imaps, jmap:http and jmap:https are the servers there are. IDs are those that list and search print: of
an email in JMAP, the UID in the mailbox in IMAP. Without a FILE, send reads the message from stdin.
`

func main() { cli.Main("client", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "send":
			return send(ctx, args[1:], stdout, stderr)
		case "list", "get", "search", "watch":
			return read(ctx, args[0], args[1:], stdout, stderr)
		}
	}
	fs := cli.Flags("client", usage, stderr)
	if err := cli.Parse(fs, args, -1); err != nil {
		return err
	}
	return cli.Usagef("the first word is send, list, get, search or watch: try client -h")
}

// common are the flags of all commands.
type common struct {
	server, ca string
	users      cli.Users
	plaintext  bool
}

func (c *common) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.server, "server", "", "where to connect, needed")
	fs.Var(&c.users, "user", "NAME:PASSWORD or NAME:@FILE to log in with")
	fs.StringVar(&c.ca, "tls-ca", "", "PEM file of further authorities to trust")
	fs.BoolVar(&c.plaintext, "allow-plaintext-auth", false, "send the password without TLS to other hosts than this one too")
}

// login returns the user's name and password.
func (c *common) login() (name, password string, ok bool) {
	names := c.users.Names()
	if len(names) == 0 {
		return "", "", false
	}
	password, ok = c.users.Password(names[len(names)-1])
	return names[len(names)-1], password, ok
}

// tls returns the configuration of TLS.
func (c *common) tls() (*tls.Config, error) {
	roots, err := cli.CAPool(c.ca)
	return &tls.Config{RootCAs: roots}, err
}

// parseServer takes a URL of one of the schemes apart; a port that is not given is the scheme's.
func parseServer(s string, ports map[string]string) (scheme, addr string, err error) {
	u, err := url.Parse(s)
	var names []string
	for name := range ports {
		names = append(names, name+"://")
	}
	if err != nil || ports[strings.ToLower(u.Scheme)] == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return "", "", cli.Usagef("-server %q is not a URL of %s and HOST:PORT", s, strings.Join(names, ", "))
	}
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme, host + ":" + port, nil
}

// hint says what to do about a certificate that nobody vouches for.
func hint(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w (-tls-ca FILE trusts a further authority)", err)
	}
	return err
}
