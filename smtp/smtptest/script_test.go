package smtptest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func TestScript(t *testing.T) {
	server, client := smtptest.TLS(t)
	s := smtptest.NewScriptServer(t, server, false, `
		# a greeting in one write
		> 220-mx
		| 220 ESMTP [127.0.0.1]/x
		< EHLO *
		>> "250-half"
		>> " a line\r\n250 STARTTLS\r\n"
		<< "STARTTLS\r\n"
		> 220 go
		= tls
		< DATA [?]/*
		> 354 go
		< data
		> 250 ok
		< bytes 3
		= close
	`)
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(text string) { _, _ = io.WriteString(c, text) }
	r := bufio.NewReader(c)
	want := func(text string) {
		t.Helper()
		b := make([]byte, len(text))
		if _, err := io.ReadFull(r, b); err != nil || string(b) != text {
			t.Fatalf("%q %v, want %q", b, err, text)
		}
	}
	want("220-mx\r\n220 ESMTP [127.0.0.1]/x\r\n")
	say("EHLO c\r\n")
	want("250-half a line\r\n250 STARTTLS\r\n")
	say("STARTTLS\r\n")
	want("220 go\r\n")
	c = tls.Client(c, client)
	r = bufio.NewReader(c)
	say("DATA [x]/y\r\n")
	want("354 go\r\n")
	say("a\r\n..\r\n\r\n.\r\n")
	want("250 ok\r\n")
	say("abc")
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestScriptErrors(t *testing.T) {
	for _, tt := range []struct{ script, say, want string }{
		{"< EHLO x", "EHLO y\r\n", `smtptest: script line 1, "< EHLO x": got "EHLO y": something else came`},
		{"\n< EHLO x", "EHLO x\n", `smtptest: script line 2, "< EHLO x": got "EHLO x\n": something else came`},
		{"= eof", "x", `smtptest: script line 1, "= eof": got "x": something else came`},
		{"= dance", "", `smtptest: script line 1, "= dance": unknown step`},
		{"<< \"ab\"", "ac", `smtptest: script line 1, "<< \"ab\"": got "ac": something else came`},
		{"= tls", "", `smtptest: script line 1, "= tls": no TLS configuration`},
	} {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.WriteString(ours, tt.say) }()
		err := smtptest.Script(tt.script).Play(t.Context(), theirs, nil)
		var step *smtptest.StepError
		if !errors.As(err, &step) || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.script, err, tt.want)
		}
		_ = ours.Close()
	}
}

func ExampleScript() {
	ours, theirs := net.Pipe()
	done := make(chan error)
	go func() {
		done <- smtptest.Script("> 220 mx.example.com ESMTP\n< QUIT\n> 221 bye").Play(context.Background(), theirs, nil)
	}()
	r := bufio.NewReader(ours)
	greeting, _ := r.ReadString('\n')
	fmt.Fprint(ours, "QUIT\r\n")
	bye, _ := r.ReadString('\n')
	fmt.Printf("%q %q %v\n", greeting, bye, <-done)
	// Output: "220 mx.example.com ESMTP\r\n" "221 bye\r\n" <nil>
}
