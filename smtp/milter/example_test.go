package milter_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/milter"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// counter is a Checker that tells in the header how long the body is, and wants nothing to do with one sender.
type counter struct{}

func (counter) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, _ smtp.MailParams) (milter.Transaction, error) {
	if from.Domain == "evil.example" {
		return nil, smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "Not from there")
	}
	return counting{}, nil
}

type counting struct{}

func (counting) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error { return nil }
func (counting) Close() error                                           { return nil }
func (counting) Check(_ context.Context, m *milter.Message) (milter.Changes, error) {
	n, err := io.Copy(io.Discard, m.Body)
	return milter.Changes{Header: []milter.HeaderChange{{Kind: milter.Append, Name: "X-Octets", Value: fmt.Sprint(" ", n)}}}, err
}

// A Server for Postfix (smtpd_milters = inet:127.0.0.1:8891), and a Filter that asks it in front of another Handler.
func Example() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = (&milter.Server{Checker: counter{}}).Serve(ctx, ln) }()

	store := &smtptest.Recorder{}
	h := milter.Filter{Network: "tcp", Address: ln.Addr().String()}.Handler(store)
	bob := []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.com"}}}
	for _, from := range []string{"example.org", "evil.example"} {
		e := smtp.Envelope{Peer: &smtp.Peer{}, From: smtp.Path{Local: "ann", Domain: from}, Recipients: bob}
		if _, err := smtp.Deliver(ctx, h, e, strings.NewReader("Subject: hi\r\n\r\nHello.\r\n")); err != nil {
			fmt.Println(smtp.ReplyOf(err))
		}
	}
	for _, m := range store.Messages() {
		fmt.Print(strings.ReplaceAll(string(m.Body), "\r\n", "\n"))
	}
	// Output:
	// 550 5.7.1 Not from there
	// Subject: hi
	// X-Octets: 8
	//
	// Hello.
}
