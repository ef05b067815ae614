package smtpclient_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestHandler holds a Client to the rules of smtp.Handler, in front of servers that offer this and that.
func TestHandler(t *testing.T) {
	refused := path(t, "nobody@y.test")
	for _, tt := range []struct {
		name    string
		mode    smtpserver.Mode
		without []string
		c       smtpclient.Config
	}{
		{"SMTP", smtpserver.SMTP, nil, smtpclient.Config{}},
		{"BDAT", smtpserver.SMTP, nil, smtpclient.Config{Chunking: true}},
		{"no extensions", smtpserver.SMTP, []string{"PIPELINING", "SIZE", "DSN", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES"}, smtpclient.Config{}},
		{"LMTP", smtpserver.LMTP, nil, smtpclient.Config{LMTP: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rec *smtptest.Recorder
			smtptest.TestHandler(t, smtptest.HandlerTest{
				New: func(t *testing.T) smtp.Handler {
					rec = &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
						if to.Equal(refused) {
							return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
						}
						return nil
					}}
					addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Mode: tt.mode, Without: tt.without}, false)
					client := &smtpclient.Client{Addr: addr, Config: tt.c}
					t.Cleanup(func() { client.Close() })
					return client
				},
				From: path(t, "a@x.test"), To: []smtp.Path{path(t, "b@y.test"), path(t, "c@y.test")}, Refused: refused,
				Taken: func(t *testing.T, _ smtp.Handler) [][]byte {
					var out [][]byte
					for _, m := range rec.Messages() {
						out = append(out, m.Body)
					}
					return out
				},
			})
		})
	}
}

// TestPlugged puts a Client behind a server, as a relay without a queue: what the next hop says reaches the sender, at
// the command that it answers, and what the sender breaks off never reaches the next hop.
func TestPlugged(t *testing.T) {
	const hello = "> 220 hop\n< EHLO *\n> 250-hop\n> 250 8BITMIME\n"
	const mail, rcpt, data, quit = "< MAIL FROM:<a@x.test> *\n> 250 ok\n", "< RCPT TO:<b@y.test>\n> 250 ok\n", "< DATA\n> 354 go\n", "< QUIT\n> 221 bye\n"
	for _, tt := range []struct {
		name string
		hop  smtptest.Script
		say  []string // command, code
	}{
		{"taken", hello + mail + rcpt + data + "<< \"Received: from s.test\"\n< data\n> 250 2.0.0 kept as 7\n" + quit,
			[]string{"MAIL FROM:<a@x.test>", "250", "RCPT TO:<b@y.test>", "250", "DATA", "354", "Hello\r\n.", "250 2.0.0 kept as 7"}},
		{"MAIL refused", hello + "< MAIL *\n> 550 5.7.1 not you\n" + quit, []string{"MAIL FROM:<a@x.test>", "550 5.7.1 not you"}},
		{"RCPT refused", hello + mail + "< RCPT *\n> 450 4.2.0 later\n" + quit, []string{"MAIL FROM:<a@x.test>", "250", "RCPT TO:<b@y.test>", "450 4.2.0 later"}},
		{"DATA refused", hello + mail + rcpt + "< DATA\n> 452 4.3.1 full\n" + quit,
			[]string{"MAIL FROM:<a@x.test>", "250", "RCPT TO:<b@y.test>", "250", "DATA", "452 4.3.1 full"}},
		{"refused at the end", hello + mail + rcpt + data + "< data\n> 554 5.7.1 virus\n" + quit,
			[]string{"MAIL FROM:<a@x.test>", "250", "RCPT TO:<b@y.test>", "250", "DATA", "354", "Hello\r\n.", "554 5.7.1 virus"}},
		{"bare LF", hello + mail + rcpt + data + "= hang\n",
			[]string{"MAIL FROM:<a@x.test>", "250", "RCPT TO:<b@y.test>", "250", "DATA", "354", "Hello\n.\r\nMAIL FROM:<evil@x.test>\r\n.", "550 5.6.11"}},
		{"sender lost", hello + mail + rcpt + data + "= hang\n", []string{"MAIL FROM:<a@x.test>", "250", "RCPT TO:<b@y.test>", "250", "DATA", "354", "Hello", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := &smtpclient.Client{Addr: smtptest.NewScriptServer(t, nil, false, tt.hop).Addr, Pool: &smtpclient.Pool{MaxIdle: -1}}
			t.Cleanup(func() { client.Pool.Close() })
			addr := smtptest.NewServer(t, &smtpserver.Server{Handler: client}, false)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := smtp.NewReplyReader(c)
			say := func(line, want string) {
				t.Helper()
				if line != "" {
					if _, err := io.WriteString(c, line+"\r\n"); err != nil {
						t.Fatal(err)
					}
				}
				if want == "" {
					return
				}
				if reply, err := r.Read(); err != nil || !strings.HasPrefix(reply.String(), want) {
					t.Fatalf("%s: %v, %v; want %s", line, reply, err, want)
				}
			}
			say("", "220")
			say("EHLO s.test", "250")
			for i := 0; i < len(tt.say); i += 2 {
				say(tt.say[i], tt.say[i+1])
			}
		})
	}
}
