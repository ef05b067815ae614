package smtptest_test

import (
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func TestRecorder(t *testing.T) {
	smtptest.TestHandler(t, smtptest.HandlerTest{
		New:     func(*testing.T) smtp.Handler { return smtptest.CorpusHandler() },
		From:    smtp.Path{Local: "a", Domain: "test.example"},
		To:      []smtp.Path{{Local: "b", Domain: "test.example"}, {Local: "c", Domain: "test.example"}},
		Refused: smtp.Path{Local: "refused", Domain: "test.example"},
		Taken: func(_ *testing.T, h smtp.Handler) [][]byte {
			var out [][]byte
			for _, m := range h.(*smtptest.Recorder).Messages() {
				out = append(out, m.Body)
			}
			return out
		},
	})
}

// TestCorpusSees has servers that do wrong: the corpus must say so.
func TestCorpusSees(t *testing.T) {
	find := func(name string) smtptest.Case {
		for _, c := range smtptest.Corpus() {
			if c.Name == name {
				return c
			}
		}
		t.Fatalf("no case %q", name)
		return smtptest.Case{}
	}
	const dialogue = "> 220 mx\n< EHLO *\n> 250 mx\n< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n< Subject: x\n"
	for _, tt := range []struct{ name, script, want string }{
		{"end of data LF.LF", dialogue + `<< "\r\none\n.\n"` + "\n> 250 taken\n= hang", "250 taken, want 550 5.6.11"},
		{"bare LF", dialogue + `<< "\r\na\nb\r\n.\r\n"` + "\n> 250 taken\n= hang", "250 taken, want 550 5.6.11"},
		{"nested MAIL", "> 220 mx\n< EHLO *\n> 250 mx\n< MAIL *\n> 250 ok\n< MAIL *\n> 250 ok\n= hang", "250 ok, want 503 5.5.1"},
		{"HTTP", "> 220 mx\n< POST *\n> 421 bye\n> 250 and still here\n= hang", "want the end of the connection"},
		{"RCPT first", "> 554 no", "greeting: 554 no, want 220"},
	} {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = smtptest.Script(tt.script).Play(t.Context(), theirs, nil)
		}()
		if err := find(tt.name).Play(ours, 0); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		<-done
	}
	c := find("8-bit body")
	for _, m := range []*smtptest.Message{
		{From: smtp.Path{Local: "a", Domain: "test.example"}, Body: []byte("other")},
		{From: smtp.Path{Local: "a", Domain: "test.example"}, Recipients: []smtp.Recipient{{To: smtp.Path{Local: "b", Domain: "test.example"}}}, Body: []byte("other")},
	} {
		if c.Check([]*smtptest.Message{m}) == nil || c.Check(nil) == nil {
			t.Errorf("%+v is taken for the right message", m)
		}
	}
}
