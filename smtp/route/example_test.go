package route_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"strings"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A relay's way out: the mail goes to the host that the DNS names. Here the DNS is a zone in memory, and the host a
// server on loopback, which a Router only dials if it is told to.
func ExampleRouter() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	mailbox := &smtptest.Recorder{}
	mx := &smtpserver.Server{Handler: mailbox, Hostname: "mx.example.com"}
	served := make(chan error)
	go func() { served <- mx.Serve(ctx, ln) }()

	zone := dnstest.New()
	zone.MustAdd(`
		example.com.    IN MX 10 mx.example.com.
		mx.example.com. IN A 127.0.0.1
		nomail.example. IN MX 0 .`)
	router := &route.Router{
		Resolver: zone, // nil asks the DNS
		Client:   smtpclient.Config{Hostname: "relay.example.org"},
		Port:     ln.Addr().(*net.TCPAddr).Port,
		Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}
	defer router.Close()

	results, err := smtp.Deliver(ctx, router, smtp.Envelope{
		From: smtp.Path{Local: "alice", Domain: "example.org"},
		Recipients: []smtp.Recipient{
			{To: smtp.Path{Local: "bob", Domain: "example.com"}},
			{To: smtp.Path{Local: "carol", Domain: "nomail.example"}},
		},
	}, strings.NewReader("Subject: hi\r\n\r\nHello\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Printf("%s (%s)\n", r.Reply, r.RemoteMTA)
	}
	fmt.Println("messages at example.com:", len(mailbox.Messages()))
	cancel()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 250 2.0.0 Taken (mx.example.com)
	// 556 5.1.10 Domain nomail.example takes no mail ()
	// messages at example.com: 1
}
