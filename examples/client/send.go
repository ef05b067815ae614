package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/mail"
	"os"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// maxLetter is the longest message that is sent.
const maxLetter = 256 << 20

func send(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("client send", usage, stderr)
	var c common
	c.flags(fs)
	from := fs.String("from", "", "envelope sender (default the address in From)")
	var to cli.List
	fs.Var(&to, "to", "envelope recipient, repeatable (default the addresses in To and Cc)")
	trace := fs.Bool("trace", false, "print the dialogue")
	hello := fs.String("hello", "", "name to say in EHLO (default the address of the connection)")
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if strings.HasPrefix(c.server, "https://") {
		return cli.NotBuilt("-server https://")
	}
	scheme, addr, err := parseServer(c.server, map[string]string{"smtp": "25", "smtps": "465"})
	if err != nil {
		return err
	}
	letter, err := readLetter(fs.Arg(0))
	if err != nil {
		return err
	}
	e, err := envelope(letter, *from, to)
	if err != nil {
		return err
	}
	conf, err := c.smtp(scheme, addr)
	if err != nil {
		return err
	}
	conf.Hostname = *hello
	if *trace {
		conf.Trace = tracer(stdout)
	}
	conn, err := smtpclient.Dial(ctx, addr, conf)
	if err != nil {
		return hint(err)
	}
	defer conn.Close()
	results, err := conn.Deliver(ctx, e, bytes.NewReader(letter))
	if err != nil {
		return err
	}
	refused := 0
	for i, r := range results {
		if !*trace {
			fmt.Fprintf(stdout, "%s: %s\n", printable(e.Recipients[i].To.Address()), printable(r.Reply.String()))
		}
		if !r.Reply.OK() {
			refused++
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d recipients refused: %s", refused, len(results), printable(firstRefusal(results)))
	}
	return nil
}

func firstRefusal(results smtp.Results) string {
	for _, r := range results {
		if !r.Reply.OK() {
			return r.Reply.String()
		}
	}
	return ""
}

// smtp returns how to speak to the server. A certificate is checked where there is a password or -tls-ca; on this machine
// a password goes without TLS too.
func (c *common) smtp(scheme, addr string) (conf smtpclient.Config, err error) {
	if conf.TLSConfig, err = c.tls(); err != nil {
		return conf, err
	}
	if name, password, ok := c.login(); ok {
		conf.Credentials = &sasl.Credentials{Username: name, Password: password, AllowPlaintext: c.plaintext || cli.Loopback(addr)}
	}
	switch {
	case scheme == "smtps":
		conf.TLS = smtpclient.Implicit
	case c.ca != "":
		conf.TLS = smtpclient.Required
	}
	return conf, nil
}

// readLetter reads a message, with the line ends that mail has.
func readLetter(file string) ([]byte, error) {
	var in io.Reader = os.Stdin
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(dkim.NewCRLFReader(in), maxLetter+1))
	if err == nil && len(b) > maxLetter {
		err = fmt.Errorf("the message is longer than %d bytes", maxLetter)
	}
	return b, err
}

// envelope makes the envelope, from the header where it is not given.
func envelope(letter []byte, from string, to []string) (e smtp.Envelope, err error) {
	header := mail.Header{}
	if m, err := mail.ReadMessage(bytes.NewReader(letter)); err == nil {
		header = m.Header
	}
	if from == "" {
		list, err := header.AddressList("From")
		if err != nil || len(list) != 1 {
			return e, cli.Usagef("the message names no single author: give -from ADDRESS")
		}
		from = list[0].Address
	}
	if from != "<>" {
		if e.From, err = smtp.ParseMailbox(from); err != nil {
			return e, cli.Usagef("-from %q is not an address", from)
		}
	}
	if len(to) == 0 {
		for _, name := range []string{"To", "Cc"} {
			list, _ := header.AddressList(name) // what is not there or malformed names nobody
			for _, a := range list {
				to = append(to, a.Address)
			}
		}
		if len(to) == 0 {
			return e, cli.Usagef("the message names no recipient: give -to ADDRESS")
		}
	}
	for _, a := range to {
		p, err := smtp.ParseMailbox(a)
		if err != nil {
			return e, cli.Usagef("-to %q is not an address", a)
		}
		e.Recipients = append(e.Recipients, smtp.Recipient{To: p})
	}
	e.Params.UTF8 = needsUTF8(letter, e)
	if bytes.ContainsFunc(letter, func(r rune) bool { return r >= 0x80 }) {
		e.Params.Body = smtp.Body8BitMIME
	}
	e.Params.Size = int64(len(letter))
	return e, nil
}

// needsUTF8 reports whether the header section or an address is beyond ASCII (RFC 6531 §3.1).
func needsUTF8(letter []byte, e smtp.Envelope) bool {
	header, _, _ := bytes.Cut(letter, []byte("\r\n\r\n"))
	utf8 := e.From.NeedsUTF8() || bytes.ContainsFunc(header, func(r rune) bool { return r >= 0x80 })
	for _, rc := range e.Recipients {
		utf8 = utf8 || rc.To.NeedsUTF8()
	}
	return utf8
}

// tracer prints the lines of a dialogue with the time since its start.
func tracer(w io.Writer) func(smtpclient.TraceEvent) {
	start := time.Now()
	sent, received, plain := "", "", ""
	if cli.Colour(w) {
		sent, received, plain = "\x1b[36m", "\x1b[32m", "\x1b[0m"
	}
	return func(ev smtpclient.TraceEvent) {
		mark, colour := "<-", received
		if ev.Sent {
			mark, colour = "->", sent
		}
		fmt.Fprintf(w, "%s%s %s%s  [+%.1f ms]\n", colour, mark, printable(ev.Line), plain, float64(ev.Time.Sub(start).Microseconds())/1000)
	}
}

// printable shows text of others on one line, without what would steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}
