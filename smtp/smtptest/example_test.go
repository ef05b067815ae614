package smtptest_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func ExampleRecorder() {
	rec := &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
		if to.Local == "carol" {
			return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
		}
		return nil
	}}
	e := smtp.Envelope{From: smtp.Path{Local: "ann", Domain: "example.org"}}
	for _, name := range []string{"bob", "carol"} {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: smtp.Path{Local: name, Domain: "example.com"}})
	}
	res, err := smtp.Deliver(context.Background(), rec, e, strings.NewReader("Subject: hi\r\n\r\n"))
	for i, r := range res {
		fmt.Println(e.Recipients[i].To, r.Reply)
	}
	fmt.Printf("%d message, %q, %v\n", len(rec.Messages()), rec.Messages()[0].Body, err)
	// Output:
	// <bob@example.com> 250 2.0.0 Taken
	// <carol@example.com> 550 5.1.1 No such user
	// 1 message, "Subject: hi\r\n\r\n", <nil>
}

// One case of the corpus, played to a server.
func ExampleCorpus() {
	for _, c := range smtptest.Corpus() {
		if c.Name != "nested MAIL" {
			continue
		}
		rec := smtptest.CorpusHandler()
		client, server := net.Pipe()
		go func() { _ = (&smtpserver.Server{Handler: rec}).ServeConn(context.Background(), server) }()
		fmt.Printf("%q\n%v\n", c.Steps[0].Input, c.Steps[0].Replies)
		fmt.Println(c.Play(client, 0), c.Check(rec.Messages()))
	}
	// Output:
	// "EHLO client.test\r\nMAIL FROM:<a@test.example>\r\nMAIL FROM:<a@test.example>\r\n"
	// [250 250 503 5.5.1]
	// <nil> <nil>
}
