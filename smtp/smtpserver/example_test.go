package smtpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// A printer is a Handler that prints the subjects of messages.
type printer struct{}

func (printer) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	for _, q := range p.Other {
		fmt.Printf("parameter %s=%s\n", q.Keyword, q.Value)
	}
	return &printing{from: from}, nil
}

type printing struct {
	from smtp.Path
	to   []smtp.Path
}

func (p *printing) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	if !strings.EqualFold(to.Domain, "example.com") {
		return smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "Not here")
	}
	p.to = append(p.to, to)
	return nil
}

func (p *printing) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	for l := range strings.Lines(string(b)) {
		if subject, ok := strings.CutPrefix(l, "Subject: "); ok {
			fmt.Printf("%s to %s: %s\n", p.from, p.to, strings.TrimSpace(subject))
		}
	}
	return smtp.SameResult(len(p.to), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Printed")), nil
}

func (p *printing) Close() error { return nil }

// converse shows a dialogue with a server: the lines of the client, and the last line of each reply.
func converse(s *smtpserver.Server, lines ...string) {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeConn(context.Background(), server)
	}()
	r := smtp.NewReplyReader(bufio.NewReader(client))
	_, err := r.Read() // the greeting
	for _, l := range lines {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Fprint(client, l+"\r\n")
		var reply smtp.Reply
		if reply, err = r.Read(); err == nil {
			fmt.Println("S:", reply)
		}
	}
	_ = client.Close()
	<-done
}

func ExampleServer() {
	s := &smtpserver.Server{Handler: printer{}, Hostname: "mx.example.com"}
	converse(s,
		"HELO client.example.org",
		"MAIL FROM:<ann@example.org>",
		"RCPT TO:<bob@example.net>",
		"RCPT TO:<bob@example.com>",
		"DATA",
		"Subject: hello\r\n\r\nHello Bob.\r\n.",
		"QUIT",
	)
	// Output:
	// S: 250 mx.example.com
	// S: 250 2.1.0 Sender ok
	// S: 550 5.7.1 Not here
	// S: 250 2.1.5 Recipient ok
	// S: 354 Go ahead
	// <ann@example.org> to [<bob@example.com>]: hello
	// S: 250 2.0.0 Printed
	// S: 221 2.0.0 mx.example.com Bye
}

// An extension from outside: a parameter and a verb of our own.
func ExampleExtension() {
	s := &smtpserver.Server{Handler: printer{}, Hostname: "mx.example.com", Extensions: []smtpserver.Extension{{
		Keyword:    "XTIME",
		Argument:   func(peer *smtp.Peer) (string, bool) { return "120", true },
		MailParams: []string{"XBEFORE"},
		Line:       17,
		Verbs: map[string]func(context.Context, *smtp.Peer, string) (smtp.Reply, error){
			"XTIME": func(_ context.Context, peer *smtp.Peer, args string) (smtp.Reply, error) {
				return smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Soon, "+peer.Hello), nil
			},
		},
	}}}
	converse(s,
		"EHLO client.example.org",
		"MAIL FROM:<ann@example.org> XBEHIND=3",
		"MAIL FROM:<ann@example.org> XBEFORE=120",
		"XTIME",
	)
	// Output:
	// S: 250 mx.example.com PIPELINING SIZE 104857600 8BITMIME SMTPUTF8 ENHANCEDSTATUSCODES CHUNKING DSN LIMITS RCPTMAX=1000 XTIME 120
	// S: 555 5.5.4 Parameter XBEHIND is not offered
	// parameter XBEFORE=120
	// S: 250 2.1.0 Sender ok
	// S: 250 2.0.0 Soon, client.example.org
}

// A known is a policy in front of another Handler: it takes mail from some domains only.
type known struct {
	smtp.Handler
	domains map[string]bool
}

func (k known) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if !k.domains[strings.ToLower(from.Domain)] {
		return nil, smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "Nothing from "+from.Domain)
	}
	return k.Handler.Mail(ctx, peer, from, p)
}

// A policy is a Handler around a Handler.
func ExampleServer_policy() {
	s := &smtpserver.Server{Handler: known{printer{}, map[string]bool{"example.org": true}}, Hostname: "mx.example.com"}
	converse(s,
		"HELO client.example.org",
		"MAIL FROM:<eve@example.net>",
		"MAIL FROM:<ann@example.org>",
	)
	// Output:
	// S: 250 mx.example.com
	// S: 550 5.7.1 Nothing from example.net
	// S: 250 2.1.0 Sender ok
}
