package smtpclient_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// both delivers as a batch and one command at a time, each on a connection of its own to a fake.
func both(t *testing.T, ext []string, c smtpclient.Config, e smtp.Envelope, body string, check func(t *testing.T, f *fake, res smtp.Results, err error)) {
	t.Helper()
	for _, batch := range []bool{true, false} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			f := &fake{t: t, ext: ext}
			conn := dial(t, f.start(), c)
			defer conn.Close()
			var h smtp.Handler = conn
			if !batch {
				h = oneByOne{conn}
			}
			res, err := smtp.Deliver(t.Context(), h, e, strings.NewReader(body))
			check(t, f, res, err)
		})
	}
}

// TestParameters: what a server does not offer is left out, or refused where it cannot be.
func TestParameters(t *testing.T) {
	full := smtp.MailParams{Size: 100, Auth: "a@x.test", Return: smtp.ReturnHeaders, EnvelopeID: "x=1", Other: []smtp.Param{{Keyword: "X-OWN", Value: "1"}},
		DeliverBy: smtp.DeliverBy{After: 2 * time.Minute, Mode: smtp.DeliverNotify}, Priority: -3, Prioritized: true}
	rcpt := smtp.RcptParams{Notify: smtp.NotifyFailure, OriginalType: "rfc822", Original: "b@y.test", Other: []smtp.Param{{Keyword: "CAP", Value: "t"}}}
	alice := &sasl.Credentials{Username: "alice", Password: "secret", AllowPlaintext: true}
	for _, tt := range []struct {
		ext        string
		c          smtpclient.Config
		mail, rcpt string
		dsn        bool
	}{
		{"", smtpclient.Config{}, "FROM:<a@x.test>", "TO:<b@y.test>", false},
		{"SIZE", smtpclient.Config{}, "FROM:<a@x.test> SIZE=100", "TO:<b@y.test>", false},
		{"SIZE 100|8BITMIME|PIPELINING", smtpclient.Config{}, "FROM:<a@x.test> SIZE=100 BODY=8BITMIME", "TO:<b@y.test>", false},
		{"DSN", smtpclient.Config{}, "FROM:<a@x.test> RET=HDRS ENVID=x+3D1", "TO:<b@y.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@y.test", true}, // RFC 2852 §4.1.4.2
		{"DSN|DELIVERBY", smtpclient.Config{}, "FROM:<a@x.test> RET=HDRS ENVID=x+3D1 BY=120;N", "TO:<b@y.test> NOTIFY=FAILURE ORCPT=rfc822;b@y.test", true},
		{"MT-PRIORITY MIXER", smtpclient.Config{}, "FROM:<a@x.test> MT-PRIORITY=-3", "TO:<b@y.test>", false},
		{"DELIVERBY|XCAP", smtpclient.Config{}, "FROM:<a@x.test> BY=120;N", "TO:<b@y.test> CAP=t", false},
		{"AUTH PLAIN", smtpclient.Config{}, "FROM:<a@x.test>", "TO:<b@y.test>", false},
		{"AUTH PLAIN|X-OWN", smtpclient.Config{Credentials: alice}, "FROM:<a@x.test> AUTH=a@x.test X-OWN=1", "TO:<b@y.test>", false},
	} {
		e := envelope(t, "a@x.test", "b@y.test")
		e.Params, e.Recipients[0].Params = full, rcpt
		both(t, strings.Split(tt.ext, "|"), tt.c, e, text, func(t *testing.T, f *fake, res smtp.Results, err error) {
			if err != nil || len(f.took()) != 1 {
				t.Fatalf("%s: %v %v", tt.ext, res, err)
			}
			if got := res[0].DeliverByPassed; got != strings.Contains(tt.ext, "DELIVERBY") {
				t.Errorf("%s: deliver-by passed %v", tt.ext, got)
			}
			if l := f.took()[0]; l.mail != tt.mail || l.rcpts[0] != tt.rcpt || res[0].DSNPassed != tt.dsn {
				t.Errorf("%s: %q, %q, DSN passed %v", tt.ext, l.mail, l.rcpts, res[0].DSNPassed)
			}
		})
	}
}

// TestRefusedHere: what the server could not take is refused before it is bothered.
func TestRefusedHere(t *testing.T) {
	local := func(s string) smtp.Path { return smtp.Path{Local: s, Domain: "y.test"} }
	within := smtp.DeliverBy{After: 2 * time.Minute, Mode: smtp.DeliverReturn}
	for _, tt := range []struct {
		name, ext string
		from, to  smtp.Path
		p         smtp.MailParams
		body      string
		want      string // reply, or what RCPT said
	}{
		{"too large", "SIZE 50", local("a"), local("b"), smtp.MailParams{Size: 51}, text, "552 5.3.4"},
		{"large enough", "SIZE 51", local("a"), local("b"), smtp.MailParams{Size: 51}, text, "TO:<b@y.test>"},
		{"binary", "CHUNKING", local("a"), local("b"), smtp.MailParams{Body: smtp.BodyBinaryMIME}, text, "554 5.6.3"},
		{"binary without chunks", "BINARYMIME", local("a"), local("b"), smtp.MailParams{Body: smtp.BodyBinaryMIME}, text, "554 5.6.3"},
		{"8 bits", "PIPELINING", local("a"), local("b"), smtp.MailParams{Body: smtp.Body8BitMIME}, "\r\n\xff\r\n", "554 5.6.3"},
		{"8 bits not so", "PIPELINING", local("a"), local("b"), smtp.MailParams{Body: smtp.Body8BitMIME}, text, "TO:<b@y.test>"},
		{"sender", "8BITMIME", local("ä"), local("b"), smtp.MailParams{}, text, "550 5.6.7"},
		{"recipient", "8BITMIME", local("a"), local("ä"), smtp.MailParams{}, text, "553 5.6.7"},
		{"domain only", "8BITMIME", local("a"), smtp.Path{Local: "b", Domain: "bücher.test"}, smtp.MailParams{UTF8: true}, text, "TO:<b@xn--bcher-kva.test>"},
		{"header", "8BITMIME|PIPELINING", local("a"), local("b"), smtp.MailParams{UTF8: true}, "Subject: ä\r\n\r\n", "550 5.6.9"},
		{"header far down", "8BITMIME|PIPELINING", local("a"), local("b"), smtp.MailParams{UTF8: true}, strings.Repeat("X: y\r\n", 20_000) + "Subject: ä\r\n\r\n", "550 5.6.9"},
		{"body only", "8BITMIME|PIPELINING", local("a"), local("b"), smtp.MailParams{UTF8: true}, "Subject: a\r\n\r\nä\r\n", "TO:<b@y.test>"},
		{"control in path", "8BITMIME", local("a"), local("b\r\nRSET"), smtp.MailParams{}, text, "553 5.1.3"},
		{"NUL in path", "8BITMIME", local("a\x00"), local("b"), smtp.MailParams{}, text, "553 5.1.3"},
		{"CRLF in a parameter", "X|SIZE", local("a"), local("b"), smtp.MailParams{Other: []smtp.Param{{Keyword: "X", Value: "1\r\nRSET"}}}, text, "501 5.5.4"},
		{"CRLF in ENVID", "DSN", local("a"), local("b"), smtp.MailParams{EnvelopeID: "x\r\n"}, text, "501 5.5.4"},
		{"return in time", "DELIVERBY", local("a"), local("b"), smtp.MailParams{DeliverBy: within}, text, "TO:<b@y.test>"},
		{"time for it", "DELIVERBY 120", local("a"), local("b"), smtp.MailParams{DeliverBy: within}, text, "TO:<b@y.test>"},
		{"too little time", "DELIVERBY 121", local("a"), local("b"), smtp.MailParams{DeliverBy: within}, text, "554 5.4.7"},
		{"nobody who returns it in time", "SIZE", local("a"), local("b"), smtp.MailParams{DeliverBy: within}, text, "554 5.3.3"},
		{"time is over", "DELIVERBY", local("a"), local("b"), smtp.MailParams{DeliverBy: smtp.DeliverBy{Mode: smtp.DeliverReturn}}, text, "554 5.4.7"},
		{"held", "FUTURERELEASE 60 2026-01-01T00:00:00Z", local("a"), local("b"), smtp.MailParams{Hold: smtp.Hold{For: time.Minute}}, text, "TO:<b@y.test>"},
		{"held for too long", "FUTURERELEASE 59 2026-01-01T00:00:00Z", local("a"), local("b"), smtp.MailParams{Hold: smtp.Hold{For: time.Minute}}, text, "501 5.5.4"},
		{"held until too late", "FUTURERELEASE 60 2026-01-01T00:00:00Z", local("a"), local("b"), smtp.MailParams{Hold: smtp.Hold{Until: time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)}}, text, "501 5.5.4"},
		{"not held", "SIZE", local("a"), local("b"), smtp.MailParams{Hold: smtp.Hold{For: time.Minute}}, text, "554 5.3.3"},
		{"recipient missing", "8BITMIME", local("a"), smtp.Path{}, smtp.MailParams{}, text, "501 5.1.3"},
	} {
		e := smtp.Envelope{From: tt.from, Params: tt.p, Recipients: []smtp.Recipient{{To: tt.to}}}
		both(t, append(strings.Split(tt.ext, "|"), "ENHANCEDSTATUSCODES"), smtpclient.Config{}, e, tt.body, func(t *testing.T, f *fake, res smtp.Results, err error) {
			got := ""
			switch {
			case err != nil:
				got = short(smtp.ReplyOf(err))
			case res[0].Reply.Code != 250:
				got = short(res[0].Reply)
			default:
				got = f.took()[0].rcpts[0]
			}
			if got != tt.want {
				t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
			}
			if strings.HasPrefix(tt.want, "TO") != (len(f.took()) == 1) {
				t.Errorf("%s: took %d", tt.name, len(f.took()))
			}
			if slices.Contains(f.heard(), "RSET") {
				t.Errorf("%s: heard %q", tt.name, f.heard())
			}
		})
	}
}

func TestUTF8Offered(t *testing.T) {
	e := envelope(t, "a@x.test", "b@bücher.test", "ä@bücher.test")
	both(t, []string{"SMTPUTF8", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"}, smtpclient.Config{}, e, text, func(t *testing.T, f *fake, res smtp.Results, err error) {
		if err != nil {
			t.Fatal(err)
		}
		l := f.took()[0]
		if strings.HasSuffix(t.Name(), "true") {
			// The batch knows what the second recipient needs.
			if l.mail != "FROM:<a@x.test> BODY=8BITMIME SMTPUTF8" || !slices.Equal(l.rcpts, []string{"TO:<b@bücher.test>", "TO:<ä@bücher.test>"}) {
				t.Errorf("%q", l)
			}
		} else if l.mail != "FROM:<a@x.test> BODY=8BITMIME" || !slices.Equal(l.rcpts, []string{"TO:<b@xn--bcher-kva.test>"}) || short(res[1].Reply) != "553 5.6.7" {
			t.Errorf("%q %v", l, res)
		}
	})
}

// TestLimits is RFC 9422.
func TestLimits(t *testing.T) {
	f := &fake{t: t, ext: []string{"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "LIMITS MAILMAX=2 RCPTMAX=3 OTHER=x"}}
	client := &smtpclient.Client{Addr: f.start()}
	defer client.Close()
	for range 5 {
		res, err := client.Deliver(t.Context(), envelope(t, "a@x.test", "1@y.test", "2@y.test", "3@y.test", "4@y.test"), strings.NewReader(text))
		if err != nil || res[2].Reply.Code != 250 || short(res[3].Reply) != "452 4.5.3" {
			t.Fatal(res, err)
		}
	}
	if f.connections() != 3 || len(f.took()) != 5 {
		t.Errorf("%d connections, %d messages", f.connections(), len(f.took()))
	}
}

// TestManyRecipients: more commands than go into one group, and with replies of every kind among them.
func TestManyRecipients(t *testing.T) {
	for _, ext := range []string{"8BITMIME", "8BITMIME PIPELINING", "PIPELINING"} {
		f := &fake{t: t, ext: append(strings.Fields(ext), "ENHANCEDSTATUSCODES"), say: map[string]string{"RCPT TO:<7": "550 5.1.1 no"}}
		conn := dial(t, f.start(), smtpclient.Config{})
		e := envelope(t, "a@x.test")
		want := 0
		for i := range 1000 {
			e.Recipients = append(e.Recipients, smtp.Recipient{To: smtp.Path{Local: fmt.Sprint(i), Domain: strings.Repeat("long.", 20) + "test"}})
			if !strings.HasPrefix(fmt.Sprint(i), "7") {
				want++
			}
		}
		res, err := conn.Deliver(t.Context(), e, strings.NewReader(text))
		if err != nil || len(f.took()) != 1 || len(f.took()[0].rcpts) != want {
			t.Fatalf("%s: %v", ext, err)
		}
		for i, r := range res {
			if (r.Reply.Code == 550) != strings.HasPrefix(fmt.Sprint(i), "7") || r.RemoteMTA == "" {
				t.Fatalf("%s: recipient %d: %+v", ext, i, r)
			}
		}
	}
}

// TestChunks sends binary messages and long ones by BDAT.
func TestChunks(t *testing.T) {
	binary := make([]byte, 300_000)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	copy(binary, "\r\n")
	rec := &smtptest.Recorder{}
	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, NoReceived: true, Extensions: []smtpserver.Extension{smtpserver.BinaryMIME()}}, false)
	lines := "\r\n" + strings.Repeat(".line\r\n", 50_000)
	for _, tt := range []struct {
		body string
		want string
		p    smtp.MailParams
		c    smtpclient.Config
	}{
		{string(binary), string(binary), smtp.MailParams{Body: smtp.BodyBinaryMIME}, smtpclient.Config{}},
		{"a\nb\r\x00", "a\nb\r\x00", smtp.MailParams{Body: smtp.BodyBinaryMIME}, smtpclient.Config{}},
		{"", "", smtp.MailParams{Body: smtp.BodyBinaryMIME}, smtpclient.Config{}},
		{lines, lines, smtp.MailParams{}, smtpclient.Config{Chunking: true}},
		{lines[:64<<10+3], lines[:64<<10+3] + "\r\n", smtp.MailParams{}, smtpclient.Config{Chunking: true}},
		{"a\nb\rc", "a\r\nb\r\nc\r\n", smtp.MailParams{}, smtpclient.Config{Chunking: true, Normalize: true}},
		{"a\n.\nb\r.\x00c", "a\r\n.\r\nb\r\n.c\r\n", smtp.MailParams{}, smtpclient.Config{Normalize: true}},
		{"", "", smtp.MailParams{}, smtpclient.Config{}},
	} {
		for _, batch := range []bool{true, false} {
			rec.Reset()
			conn := dial(t, addr, tt.c)
			e := envelope(t, "a@x.test", "b@y.test")
			e.Params = tt.p
			var h smtp.Handler = conn
			if !batch {
				h = oneByOne{conn}
			}
			res, err := smtp.Deliver(t.Context(), h, e, io.MultiReader(strings.NewReader(tt.body)))
			if err != nil || res[0].Reply.Code != 250 || len(rec.Messages()) != 1 || !bytes.Equal(rec.Messages()[0].Body, []byte(tt.want)) {
				t.Fatalf("%.20q: %v, %v", tt.body, res, err)
			}
			conn.Close()
		}
	}
}

// TestChunkRefused: a chunk in the middle is refused.
func TestChunkRefused(t *testing.T) {
	for _, ext := range []string{"CHUNKING 8BITMIME", "CHUNKING 8BITMIME PIPELINING"} {
		f := &fake{t: t, ext: append(strings.Fields(ext), "ENHANCEDSTATUSCODES"), say: map[string]string{"BDAT": "552 5.3.4 too much"}}
		conn := dial(t, f.start(), smtpclient.Config{Chunking: true})
		res, err := conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), strings.NewReader(strings.Repeat("line\r\n", 200_000)))
		if err == nil || short(smtp.ReplyOf(err)) != "552 5.3.4" || smtp.ResultOf(err).RemoteMTA == "" {
			t.Errorf("%s: %v, %v", ext, res, err)
		}
	}
}

// TestDeliverByLMTP: where mail ends nobody needs to be told until when.
func TestDeliverByLMTP(t *testing.T) {
	f := &fake{t: t, lmtp: true}
	conn := dial(t, f.start(), smtpclient.Config{LMTP: true})
	defer conn.Close()
	e := envelope(t, "a@x.test", "b@y.test")
	e.Params.DeliverBy = smtp.DeliverBy{After: time.Minute, Mode: smtp.DeliverReturn}
	res, err := smtp.Deliver(t.Context(), conn, e, strings.NewReader(text))
	if err != nil || !res[0].DeliverByPassed || len(f.took()) != 1 || strings.Contains(f.took()[0].mail, "BY=") {
		t.Errorf("%+v, %v, %+v", res, err, f.took())
	}
}
