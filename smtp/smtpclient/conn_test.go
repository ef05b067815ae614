package smtpclient_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

func path(t testing.TB, s string) smtp.Path {
	t.Helper()
	if s == "" {
		return smtp.Path{}
	}
	p, err := smtp.ParseMailbox(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func envelope(t testing.TB, from string, to ...string) smtp.Envelope {
	e := smtp.Envelope{From: path(t, from)}
	for _, r := range to {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: path(t, r)})
	}
	return e
}

func dial(t testing.TB, addr string, c smtpclient.Config) *smtpclient.Conn {
	t.Helper()
	conn, err := smtpclient.Dial(t.Context(), addr, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const text = "Subject: hi\r\n\r\n.dot\r\n..\r\nlast"

// wholeText is text as it must arrive.
const wholeText = text + "\r\n"

// oneByOne hides that a Handler is a BatchHandler.
type oneByOne struct{ smtp.Handler }

func TestDeliver(t *testing.T) {
	for _, ext := range [][]string{nil, {"PIPELINING", "8BITMIME"}, {"8BITMIME", "SIZE 1000", "DSN"}, {"PIPELINING", "CHUNKING", "8BITMIME"}} {
		for _, lmtp := range []bool{false, true} {
			for _, batch := range []bool{false, true} {
				f := &fake{t: t, ext: append([]string{"ENHANCEDSTATUSCODES"}, ext...), lmtp: lmtp, say: map[string]string{"RCPT TO:<bad": "550 5.1.1 No such user"}}
				conn := dial(t, f.start(), smtpclient.Config{Hostname: "client.test", LMTP: lmtp, Chunking: true})
				var h smtp.Handler = conn
				if !batch {
					h = oneByOne{conn}
				}
				for range 2 {
					res, err := smtp.Deliver(t.Context(), h, envelope(t, "a@x.test", "b@y.test", "bad@y.test", "c@y.test"), strings.NewReader(text))
					if err != nil || len(res) != 3 || res[0].Reply.Code != 250 || res[1].Reply.Code != 550 || res[2].Reply.Code != 250 {
						t.Fatalf("%v %v %v: %v %v", ext, lmtp, batch, res, err)
					}
					if res[0].RemoteMTA != "127.0.0.1" || res[0].DSNPassed != slices.Contains(ext, "DSN") {
						t.Errorf("result %+v", res[0])
					}
				}
				for _, l := range f.took() {
					if l.body != wholeText || !slices.Equal(l.rcpts, []string{"TO:<b@y.test>", "TO:<c@y.test>"}) || !strings.HasPrefix(l.mail, "FROM:<a@x.test>") {
						t.Errorf("%v %v %v: %+q", ext, lmtp, batch, l)
					}
				}
				if len(f.took()) != 2 {
					t.Errorf("%d letters", len(f.took()))
				}
			}
		}
	}
}
