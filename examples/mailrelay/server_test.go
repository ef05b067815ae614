package mailrelay_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	netsmtp "net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// serve runs a server on loopback until the test ends.
func serve(t *testing.T, s *smtpserver.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// TestServers: a stranger and a user, over TCP and TLS.
func TestServers(t *testing.T) {
	server, client := smtptest.TLS(t)
	users := sasl.NewUsers()
	if err := users.Set("carol", "secret"); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *mailrelay.Config) {
		c.TLS, c.Authenticator, c.MaxRecipients, c.MaxSize = server, sasl.New(sasl.Plain(users.Check)), 3, 10_000
		c.Policy = mailrelay.Open // 127.0.0.1 does not send for a.example
	})
	mx, submission := serve(t, r.MXServer()), serve(t, r.SubmissionServer())

	text := letter("alice@a.example", "bob@b.example")
	if err := netsmtp.SendMail(mx, nil, "alice@a.example", []string{"bob@b.example"}, []byte(text)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("net/smtp trusts our certificate: %v", err) // it insists on STARTTLS where it is offered
	}
	dial := func(addr string) *netsmtp.Client {
		t.Helper()
		c, err := netsmtp.Dial(addr)
		if err == nil {
			err = c.StartTLS(&tls.Config{RootCAs: client.RootCAs, ServerName: "127.0.0.1"})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial(mx)
	if ok, _ := c.Extension("AUTH"); ok {
		t.Error("AUTH is offered at MX")
	}
	if ok, _ := c.Extension("FUTURERELEASE"); ok {
		t.Error("FUTURERELEASE is offered at MX (RFC 4865 §4.2)")
	}
	if err := sendTo(c, "alice@a.example", text, "eve@c.example"); fmt.Sprint(err) != `550 "5.7.1 Relaying denied"` {
		t.Error(err)
	}
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := sendTo(c, "alice@a.example", text, "bob@b.example"); err != nil {
		t.Fatal(err)
	}
	got := <-r.store.got
	if !strings.HasSuffix(got.body, text) || !strings.Contains(got.body, "Received: from localhost ([127.0.0.1])") || !strings.Contains(got.body, "with UTF8SMTPS ") {
		t.Errorf("%q", got.body)
	}
	if err := sendTo(c, "alice@a.example", text+strings.Repeat("0123456789abcde\r\n", 1000), "bob@b.example"); err == nil || err.(*textproto.Error).Code != 552 {
		t.Error(err)
	}

	c = dial(submission)
	if err := sendTo(c, "carol@b.example", text, "alice@a.example"); err == nil || err.(*textproto.Error).Code != 530 {
		t.Error(err)
	}
	if err := c.Auth(netsmtp.PlainAuth("", "carol", "secret", "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DELIVERBY", "FUTURERELEASE", "MT-PRIORITY"} {
		if ok, _ := c.Extension(name); !ok {
			t.Errorf("%s is not offered to users", name)
		}
	}
	bare := "From: carol@b.example\r\n\r\nHello.\r\n"
	if err := sendTo(c, "carol@b.example", bare, "alice@a.example"); err != nil {
		t.Fatal(err)
	}
	got = <-r.world.got
	for _, want := range []string{"DKIM-Signature:", "Message-ID:", "Date:", "with UTF8SMTPSA "} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s in %q", want, got.body)
		}
	}
	if err := sendTo(c, "carol@b.example", bare, "a@a.example", "b@a.example", "c@a.example", "d@a.example"); err == nil || err.(*textproto.Error).Code != 452 {
		t.Error(err)
	}
}

func sendTo(c *netsmtp.Client, from, text string, to ...string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}
