package serve_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/imap/pop3"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// One store behind two listeners: a letter comes in by LMTP and is seen by POP3.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store, err := mailstore.OpenMemory(mailstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	users := sasl.NewUsers()
	if err := users.Set("alice", "secret"); err != nil {
		fmt.Println(err)
		return
	}
	if err := store.EnsureAccount(ctx, "alice"); err != nil {
		fmt.Println(err)
		return
	}
	s, err := serve.New(serve.Config{Store: store, Hostname: "mail.example.com", Users: users.Check, AllowPlaintextAuth: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 2)
	listen := func(run func(context.Context, net.Listener) error) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			ended <- err
			return ""
		}
		go func() { ended <- run(ctx, ln) }()
		return ln.Addr().String()
	}
	lmtp, pop := listen(s.LMTP), listen(s.POP3)

	relay := &smtpclient.Client{Addr: lmtp, Config: smtpclient.Config{LMTP: true}}
	defer relay.Close()
	results, err := smtp.Deliver(ctx, relay, smtp.Envelope{From: smtp.Path{Local: "bob", Domain: "example.org"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "alice", Domain: "example.com"}}}}, strings.NewReader("Subject: hello\r\n\r\nHello Alice.\r\n"))
	fmt.Println(results[0].Reply, err)

	c, err := pop3.Dial(ctx, pop, pop3.Options{TLS: pop3.TLSNone, AllowPlaintextAuth: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Login(ctx, "alice", "secret"); err != nil {
		fmt.Println(err)
		return
	}
	messages, _, err := c.Stat(ctx)
	fmt.Println(messages, "message", err)
	c.Close()

	cancel()
	fmt.Println(<-ended, <-ended)
	// Output:
	// 250 2.1.5 Delivered <nil>
	// 1 message <nil>
	// <nil> <nil>
}
