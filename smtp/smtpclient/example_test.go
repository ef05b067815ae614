package smtpclient_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// serve starts a server on loopback for the examples, and returns its address and what ends it.
func serve(s *smtpserver.Server) (addr string, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ln) }()
	return ln.Addr().String(), func() {
		cancel()
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
}

// Compose a message and send it. To a server of one's provider it would be
//
//	smtpclient.Dial(ctx, "mail.example.org:465", smtpclient.Config{TLS: smtpclient.Implicit,
//		Credentials: &sasl.Credentials{Username: "alice", Password: "..."}})
func ExampleDial() {
	mailbox := &smtptest.Recorder{}
	addr, stop := serve(&smtpserver.Server{Handler: mailbox, NoReceived: true})
	defer stop()

	var h mail.Header
	h.SetAddressList("From", []*mail.Address{{Name: "Alice", Address: "alice@example.org"}})
	h.SetAddressList("To", []*mail.Address{{Address: "bob@example.com"}})
	h.SetSubject("Grüße")
	h.SetDate(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	h.Set("Message-ID", "<1@example.org>")
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	h.Set("Content-Transfer-Encoding", "8bit")
	var message bytes.Buffer
	w, err := mail.CreateSingleInlineWriter(&message, h)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(w, "Schöne Grüße!\r\n")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	conn, err := smtpclient.Dial(ctx, addr, smtpclient.Config{Hostname: "laptop.example.org"})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	results, err := conn.Deliver(ctx, smtp.Envelope{
		From:       smtp.Path{Local: "alice", Domain: "example.org"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.com"}}},
	}, &message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(results[0].Reply)
	_, body, _ := strings.Cut(string(mailbox.Messages()[0].Body), "\r\n\r\n")
	fmt.Println(body)
	// Output:
	// 250 2.0.0 Taken
	// Schöne Grüße!
}

// Deliver to a mailbox store over LMTP. A Client is an smtp.Handler: it could stand behind an smtpserver.Server, a
// filter or a queue as it is.
func ExampleClient_lmtp() {
	quota := &smtptest.Recorder{OnData: func(m *smtptest.Message) (smtp.Results, error) {
		out := smtp.SameResult(len(m.Recipients), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Stored"))
		out[1].Reply = smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "Mailbox full")
		return out, nil
	}}
	addr, stop := serve(&smtpserver.Server{Handler: quota, Mode: smtpserver.LMTP})
	defer stop()

	store := &smtpclient.Client{Addr: addr, Config: smtpclient.Config{LMTP: true}}
	defer store.Close()
	e := smtp.Envelope{From: smtp.Path{Local: "alice", Domain: "example.org"}}
	for _, name := range []string{"bob", "carol"} {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: smtp.Path{Local: name, Domain: "example.com"}})
	}
	results, err := smtp.Deliver(context.Background(), store, e, strings.NewReader("Subject: hi\r\n\r\nHello\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range results {
		fmt.Println(e.Recipients[i].To, r.Reply)
	}
	// Output:
	// <bob@example.com> 250 2.0.0 Stored
	// <carol@example.com> 452 4.2.2 Mailbox full
}

// Watch the dialogue, in which what AUTH says is hidden.
func ExampleConfig_trace() {
	addr, stop := serve(&smtpserver.Server{Handler: &smtptest.Recorder{}, Hostname: "mx.example.com"})
	defer stop()
	started := false
	client := &smtpclient.Client{Addr: addr, Config: smtpclient.Config{Trace: func(e smtpclient.TraceEvent) {
		started = started || strings.HasPrefix(e.Line, "MAIL")
		if started {
			fmt.Println(map[bool]string{true: "->", false: "<-"}[e.Sent], e.Line)
		}
	}}}
	defer client.Close()
	_, err := client.Deliver(context.Background(), smtp.Envelope{
		From:       smtp.Path{Local: "alice", Domain: "example.org"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.com"}}},
	}, strings.NewReader("Subject: hi\r\n\r\nHello\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// -> MAIL FROM:<alice@example.org> BODY=8BITMIME
	// -> RCPT TO:<bob@example.com>
	// -> DATA
	// <- 250 2.1.0 Sender ok
	// <- 250 2.1.5 Recipient ok
	// <- 354 Go ahead
	// -> (25 octets)
	// <- 250 2.0.0 Taken
	// -> QUIT
	// <- 221 2.0.0 mx.example.com Bye
}
