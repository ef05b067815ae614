package serve

import (
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

// RFC 8621 §7: parameters come without xtext and go out with it; ENVID is the submission's id; nothing can be smuggled in.
func TestEnvelopeParameters(t *testing.T) {
	p := func(pairs ...string) map[string]*string {
		out := make(map[string]*string)
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = &pairs[i+1]
		}
		return out
	}
	flags := p("BY", "120;R", "RET", "hdrs", "ENVID", "mine+", "SIZE", "1", "BODY", "BINARYMIME", "MT-PRIORITY", "-3", "CAP", "token")
	flags["REQUIRETLS"], flags["SMTPUTF8"] = nil, nil
	e, err := envelope(&mail.Submission{ID: "S1", From: "alice@example.com", Size: 77, MailParameters: flags, To: []string{"bob@example.org", "carol@example.org"},
		RcptParameters: []map[string]*string{p("NOTIFY", "SUCCESS,DELAY", "ORCPT", "rfc822;Bob+x=1@example.org"), nil}})
	if err != nil {
		t.Fatal(err)
	}
	m, r := e.Params, e.Recipients[0].Params
	if m.EnvelopeID != "S1" || m.Size != 77 || m.UTF8 || m.Body != "" || m.Return != smtp.ReturnHeaders || m.DeliverBy.After != 2*time.Minute || m.Priority != -3 || !m.RequireTLS ||
		len(m.Other) != 1 || m.Other[0] != (smtp.Param{Keyword: "CAP", Value: "token"}) {
		t.Errorf("%+v", m)
	}
	if r.Notify != smtp.NotifySuccess|smtp.NotifyDelay || r.OriginalType != "rfc822" || r.Original != "Bob+x=1@example.org" || e.Recipients[1].Params.Notify != 0 {
		t.Errorf("%+v", e.Recipients)
	}
	for _, bad := range []struct{ mail, rcpt map[string]*string }{
		{p("BY", "soon"), nil}, {p("RET", "ALL"), nil}, {p("X", "a b"), nil}, {p("X", "a\r\nRCPT TO:<eve@example.com>"), nil}, {p("X Y", "1"), nil}, {p("X=1 Y", "1"), nil}, {p("X", ""), nil},
		{nil, p("NOTIFY", "ALWAYS")}, {nil, p("ORCPT", "bob@example.org")}, {nil, p("NOTIFY", "NEVER ORCPT=rfc822;x")},
	} {
		_, err := envelope(&mail.Submission{From: "alice@example.com", To: []string{"bob@example.org"}, MailParameters: bad.mail, RcptParameters: []map[string]*string{bad.rcpt}})
		if e, ok := err.(*jmap.SetError); !ok || e.Type != jmap.SetInvalidProperties {
			t.Errorf("%v %v: %v", bad.mail, bad.rcpt, err)
		}
	}
}
