package smtpserver_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func TestXClient(t *testing.T) {
	rec := &smtptest.Recorder{}
	s := &smtpserver.Server{Handler: rec, Hostname: "mx.example.com", XClient: loopback(), Without: []string{"SIZE", "DSN", "LIMITS"}}
	c, err := net.Dial("tcp", smtptest.NewServer(t, s, false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d := newDialogue(t, c)
	d.play(`
		S: 220 mx.example.com ESMTP
		C: EHLO filter.example.com
		S: 250-mx.example.com
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-ENHANCEDSTATUSCODES
		S: 250-CHUNKING
		S: 250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT
		C: XCLIENT
		S: 501 5.5.4 *
		C: XCLIENT ADDR=192.0.2.300
		S: 501 5.5.4 *
		C: XCLIENT ADDR=2001:db8::1
		S: 501 5.5.4 *
		C: XCLIENT ADDR=192.0.2.1 PORT=70000
		S: 501 5.5.4 *
		C: XCLIENT ADDR=192.0.2.1 PROTO=HTTP
		S: 501 5.5.4 *
		C: XCLIENT COLOUR=red
		S: 501 5.5.4 *
		C: XCLIENT LOGIN=a+0D+0Ab
		S: 501 5.5.4 *
		C: XCLIENT LOGIN=a+4
		S: 501 5.5.4 *
		C: MAIL FROM:<a@test.example>
		S: 250 2.1.0 Sender ok
		C: XCLIENT ADDR=192.0.2.1
		S: 503 5.5.1 *
		C: RSET
		S: 250 2.0.0 *
		C: XCLIENT NAME=client.example.org ADDR=192.0.2.1 PORT=4711 DESTADDR=IPv6:2001:db8::25 DESTPORT=26 LOGIN=ann+2Bx
		S: 220 mx.example.com ESMTP
		C: MAIL FROM:<a@test.example>
		S: 503 5.5.1 EHLO first
		C: EHLO client.example.org
		S: 250-mx.example.com
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-ENHANCEDSTATUSCODES
		S: 250-CHUNKING
		S: 250 XCLIENT *
		C: MAIL FROM:<a@test.example>
		S: 250 2.1.0 Sender ok
		C: RCPT TO:<b@test.example>
		S: 250 2.1.5 Recipient ok
		C> BDAT 4 LAST
		C: x:
		S: 250 2.0.0 *
	`)
	d.play(`
		C: XCLIENT NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL] PORT=[UNAVAILABLE] LOGIN=[UNAVAILABLE] HELO=other.example PROTO=smtp
		S: 220 mx.example.com ESMTP
		C: MAIL FROM:<a@test.example>
		S: 250 2.1.0 Sender ok
		C: RCPT TO:<b@test.example>
		S: 250 2.1.5 Recipient ok
		C: DATA
		S: 354 Go ahead
		C: .
		S: 250 2.0.0 *
		C: QUIT
		S: 221 2.0.0 *
	`)
	got := rec.Messages()
	if len(got) != 2 {
		t.Fatalf("%d messages", len(got))
	}
	if p := got[0].Peer; p.RemoteAddr.String() != "192.0.2.1:4711" || p.LocalAddr.String() != "[2001:db8::25]:26" || p.Identity != "ann+x" || p.Hello != "client.example.org" || p.Protocol != "ESMTPA" {
		t.Errorf("%+v", p)
	}
	if p := got[1].Peer; p.IP().IsValid() || p.Identity != "" || p.Hello != "other.example" || p.Protocol != "SMTP" {
		t.Errorf("%+v", p)
	}
}

// TestXClientUntrusted: to all others it is not offered, and refused without a word about why.
func TestXClientUntrusted(t *testing.T) {
	for _, networks := range [][]netip.Prefix{nil, {netip.MustParsePrefix("192.0.2.0/24")}} {
		rec := &smtptest.Recorder{}
		c, err := net.Dial("tcp", smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "mx", XClient: networks, Without: few}, false))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		d := newDialogue(t, c)
		d.play("S: 220 mx ESMTP\nC: EHLO c\nS: 250-mx")
		for more := true; more; {
			l := d.line()
			if more = l[3] == '-'; l[4:] == "XCLIENT" || len(l) > 12 && l[4:12] == "XCLIENT " {
				t.Errorf("offered: %s", l)
			}
		}
		if networks == nil {
			d.play("C: XCLIENT ADDR=192.0.2.1\nS: 500 5.5.2 *")
		} else {
			d.play("C: XCLIENT ADDR=192.0.2.1\nS: 550 5.7.0 *")
		}
		d.play("C: MAIL FROM:<a@test.example>\nS: 250 *\nC: RCPT TO:<b@test.example>\nS: 250 *\nC: DATA\nS: 354 *\nC: .\nS: 250 *")
		if got := rec.Messages(); len(got) != 1 || !got[0].Peer.IP().IsLoopback() {
			t.Errorf("%+v", got)
		}
	}
}

func TestSwaksXClient(t *testing.T) {
	swaks := suites.Program(t, "swaks", "swaks")
	rec := &smtptest.Recorder{}
	host, port, _ := net.SplitHostPort(smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "localhost", XClient: loopback()}, false))
	run(t, swaks, "--server", host, "--port", port, "--helo", "client.test", "--from", "a@test.example", "--to", "b@test.example",
		"--xclient-addr", "192.0.2.7", "--xclient-port", "4711", "--xclient-name", "client.example.org", "--xclient-login", "ann")
	got := rec.Messages()
	if len(got) != 1 || got[0].Peer.RemoteAddr.String() != "192.0.2.7:4711" || got[0].Peer.Identity != "ann" || got[0].Peer.Hello != "client.test" {
		t.Fatalf("%+v", got)
	}
}
