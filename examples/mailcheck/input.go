package main

import (
	"bufio"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/resolver"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/cli"
)

// dnsFlags adds -zone and -resolver; what it returns opens what they say, after Parse.
func dnsFlags(fs *flag.FlagSet) func() (auth.SecureResolver, error) {
	zone := fs.String("zone", "", "ask this RFC 1035 master file; a name that is not in it does not exist")
	server := fs.String("resolver", "", "ask this DNS resolver, HOST:PORT; without it and -zone those of the system")
	return func() (auth.SecureResolver, error) {
		switch {
		case *zone != "" && *server != "":
			return nil, cli.Usagef("-zone and -resolver exclude each other")
		case *zone != "":
			return dnstest.ParseFile(*zone)
		case *server != "":
			host, port, err := net.SplitHostPort(*server)
			if err != nil || host == "" || port == "" {
				return nil, cli.Usagef("-resolver %q is not HOST:PORT", *server)
			}
			// What a resolver on this machine says it has validated is believed (RFC 6840 §5.8).
			ip, err := netip.ParseAddr(host)
			return resolver.New(&resolver.Servers{Addrs: []string{*server}}, resolver.Options{TrustAD: err == nil && ip.IsLoopback()}), nil
		}
		servers, err := resolver.System()
		if err != nil {
			return nil, cli.Usagef("no DNS resolver is known (%w): give -resolver HOST:PORT or -zone FILE", err)
		}
		return resolver.New(servers, resolver.Options{}), nil
	}
}

func jsonFlag(fs *flag.FlagSet) *bool { return fs.Bool("json", false, "print one JSON document") }

// connectionFlags adds -ip, -helo and -from.
func connectionFlags(fs *flag.FlagSet) func() (auth.Connection, error) {
	ip := fs.String("ip", "", "address of the host that sent the message; without it there is no SPF")
	helo := fs.String("helo", "", "name that the host said in EHLO")
	from := fs.String("from", "", "address of MAIL FROM; without it SPF looks at -helo")
	return func() (auth.Connection, error) {
		c := auth.Connection{HELO: *helo, MailFrom: strings.TrimSuffix(strings.TrimPrefix(*from, "<"), ">")}
		if *ip == "" {
			return c, nil
		}
		var err error
		if c.IP, err = netip.ParseAddr(*ip); err != nil {
			return c, cli.Usagef("-ip %q is not an IP address", *ip)
		}
		return c, nil
	}
}

// parseFile parses flags and the one operand FILE.
func parseFile(fs *flag.FlagSet, args []string) error {
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return cli.Usagef("%s takes one file: a message", fs.Name())
	}
	return nil
}

// A messageFile is a message as it travels: with CRLF at the end of each line, the last one too.
type messageFile struct {
	io.Reader
	io.Closer
}

func openMessage(name string) (*messageFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &messageFile{&ended{r: dkim.NewCRLFReader(bufio.NewReader(f))}, f}, nil
}

// ended adds CRLF to a message whose last line has none, as SMTP does.
type ended struct {
	r    io.Reader
	last byte
	more []byte
	err  error
}

func (e *ended) Read(p []byte) (int, error) {
	for e.err == nil {
		n, err := e.r.Read(p)
		if n > 0 {
			e.last = p[n-1]
		}
		if err != nil {
			if e.err = err; err == io.EOF && e.last != 0 && e.last != '\n' {
				e.more = []byte("\r\n")
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	if len(e.more) > 0 {
		n := copy(p, e.more)
		e.more = e.more[n:]
		return n, nil
	}
	return 0, e.err
}
