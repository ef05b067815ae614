package mail_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func arrival(from string, fields ...string) *mail.Arrival {
	return &mail.Arrival{From: from, Header: []byte(strings.Join(append(fields, ""), "\r\n") + "\r\nbody"), At: noon,
		As: mail.Address{Name: "Alice", Email: "alice@example.com"}, Own: []string{"al@example.com"}}
}

// TestNoAnswer is the table of RFC 3834 §2: what is not answered, and what is.
func TestNoAnswer(t *testing.T) {
	const to, bob = "To: Alice <ALICE@example.com>", "bob@example.org"
	for name, tt := range map[string]struct {
		a    *mail.Arrival
		want mail.NoAnswer // "": answered
	}{
		"a letter":                    {arrival(bob, to), ""},
		"to another own address":      {arrival(bob, "To: x@example.net", "Cc: y@example.net, al@example.com"), ""},
		"in a group":                  {arrival(bob, "To: us: x@example.net, alice@example.com;"), ""},
		"blind copy":                  {arrival(bob, "Bcc: alice@example.com"), ""},
		"resent":                      {arrival(bob, "To: x@example.net", "Resent-Bcc: alice@example.com"), ""},
		"submitted by hand":           {arrival(bob, to, "Auto-Submitted: (really) No (yes); x=y"), ""},
		"precedence first-class":      {arrival(bob, to, "Precedence: first-class"), ""},
		"a person named request":      {arrival("request@example.org", to), ""},
		"null path":                   {arrival("", to), mail.NullPath},
		"no address":                  {arrival("bob", to), mail.NullPath},
		"no domain":                   {arrival("bob@", to), mail.NullPath},
		"two lines":                   {arrival("bob@example.org\r\nBcc: x@example.net", to), mail.NullPath},
		"bracket":                     {arrival("bob@example.org>, <x@example.net", to), mail.NullPath},
		"own":                         {arrival("Alice@Example.Com", to), mail.OwnMail},
		"other own":                   {arrival("al@example.com", to), mail.OwnMail},
		"owner":                       {arrival("owner-list@example.org", to), mail.FromProgram},
		"owner behind":                {arrival("list-owner@example.org", to), mail.FromProgram},
		"request":                     {arrival("List-Request@example.org", to), mail.FromProgram},
		"daemon":                      {arrival("MAILER-DAEMON@example.org", to), mail.FromProgram},
		"bounces":                     {arrival("bounces+alice=example.com@example.org", to), mail.FromProgram},
		"noreply":                     {arrival("NoReply@example.org", to), mail.FromProgram},
		"answer":                      {arrival(bob, to, "Auto-Submitted: auto-replied"), mail.Automatic},
		"generated, folded, comments": {arrival(bob, to, "auto-submitted:\r\n (no) Auto-Generated ; owner-email=x"), mail.Automatic},
		"extension":                   {arrival(bob, to, "Auto-Submitted: auto-notified"), mail.Automatic},
		"twice":                       {arrival(bob, to, "Auto-Submitted: no", "Auto-Submitted: auto-replied"), mail.Automatic},
		"empty":                       {arrival(bob, to, "Auto-Submitted:"), mail.Automatic},
		"notification":                {arrival(bob, to, "Content-Type: Multipart/Report; report-type=delivery-status; boundary=b"), mail.Automatic},
		"suppressed":                  {arrival(bob, to, "X-Auto-Response-Suppress: OOF, AutoReply"), mail.Automatic},
		"list":                        {arrival(bob, to, "List-Id: <x.example.org>"), mail.FromList},
		"any field of lists":          {arrival(bob, to, "LIST-UNSUBSCRIBE: <mailto:x@example.org>"), mail.FromList},
		"bulk":                        {arrival(bob, to, "Precedence: Bulk"), mail.Bulk},
		"precedence list":             {arrival(bob, to, "Precedence: list"), mail.Bulk},
		"junk":                        {arrival(bob, to, "Precedence: junk"), mail.Bulk},
		"not named":                   {arrival(bob, "To: undisclosed-recipients:;"), mail.NotAddressed},
		"named in a comment only":     {arrival(bob, "To: x@example.net (alice@example.com)", "Subject: alice@example.com"), mail.NotAddressed},
		"no header":                   {arrival(bob), mail.NotAddressed},
		"field in the body":           {arrival(bob, "Subject: x", "", to), mail.NotAddressed},
	} {
		_, err := (&mail.VacationResponse{IsEnabled: true}).Answer(tt.a)
		if reason, _ := errors.AsType[mail.NoAnswer](err); reason != tt.want || err != nil && reason == "" {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	date := func(d time.Duration) *jmap.UTCDate { return &jmap.UTCDate{Time: noon.Add(d)} }
	for i, tt := range []struct {
		v      mail.VacationResponse
		active bool
	}{
		{mail.VacationResponse{}, false},
		{mail.VacationResponse{FromDate: date(-1)}, false},
		{mail.VacationResponse{IsEnabled: true, FromDate: date(0), ToDate: date(1)}, true},
		{mail.VacationResponse{IsEnabled: true, FromDate: date(1)}, false},
		{mail.VacationResponse{IsEnabled: true, ToDate: date(0)}, false},
	} {
		if _, err := tt.v.Answer(arrival(bob, to)); (err == nil) != tt.active || !tt.active && !errors.Is(err, mail.NotActive) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestAnswer reads answers: who to, what about, which bodies; and that nothing of a hostile message becomes a field.
func TestAnswer(t *testing.T) {
	text, page, subject := "Back on Monday.", "<p>Back on <b>Monday</b>.</p>", "Away: \u00e9\r\nBcc: victim@example.net"
	for name, tt := range map[string]struct {
		v      mail.VacationResponse
		fields []string
		want   []string
	}{
		"nothing set":    {mail.VacationResponse{}, []string{"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Message-ID: <1@example.org>", "References: <0@example.org>"}, []string{"Auto: Gr\u00fc\u00dfe", "Your message to alice@example.com has arrived.", "[0@example.org 1@example.org]"}},
		"text":           {mail.VacationResponse{TextBody: &text}, []string{"In-Reply-To: <0@example.org>", "Message-ID: <1@example.org>"}, []string{"Auto: your message", text, "[0@example.org 1@example.org]"}},
		"HTML alone":     {mail.VacationResponse{HTMLBody: &page}, nil, []string{"Auto: your message", "Back on Monday.", page, "[]"}},
		"both":           {mail.VacationResponse{HTMLBody: &page, TextBody: &text}, nil, []string{text, page}},
		"evil subject":   {mail.VacationResponse{}, []string{"Subject: =?utf-8?Q?x=0D=0ABcc:_victim@example.net=0D=0A=0D=0Abody?="}, []string{"Auto: x"}},
		"user's subject": {mail.VacationResponse{Subject: &subject}, nil, []string{"Away: \u00e9"}},
		"long subject":   {mail.VacationResponse{}, []string{"Subject: " + strings.Repeat("\u00e9", 5000)}, []string{"Auto: \u00e9", "…"}},
		"evil ids":       {mail.VacationResponse{}, []string{"Message-ID: <a b\x01@c>", "References: <x\xff@y> <1@example.org>"}, nil},
		"many ids":       {mail.VacationResponse{}, []string{"Message-ID: <1@example.org>", "References: <0@x> " + strings.Repeat("<9@example.org> ", 1000)}, []string{"[0@x 9@example.org"}},
	} {
		tt.v.IsEnabled = true
		out, err := tt.v.Answer(arrival("bob@example.org", append(tt.fields, "To: alice@example.com")...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := mail.Parse(out, "")
		s := p.Summary()
		said := []string{*s.Subject, fmt.Sprint(s.References)}
		for _, parts := range [][]mail.BodyPart{p.TextBody, p.HTMLBody} {
			said = append(said, p.Value(&parts[0], 0).Value)
		}
		got := strings.Join(said, "\n")
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", name, want, got)
			}
		}
		fields := map[string]string{}
		for _, f := range p.Header() {
			fields[strings.ToLower(f.Name)] = strings.TrimSpace(f.Value)
		}
		if fields["auto-submitted"] != "auto-replied" || s.From[0] != (mail.Address{Name: "Alice", Email: "alice@example.com"}) || len(s.To) != 1 || s.To[0].Email != "bob@example.org" ||
			fields["bcc"] != "" || !s.SentAt.Equal(noon) || len(s.MessageID) != 1 {
			t.Errorf("%s: %s", name, out)
		}
		if len(s.References) > 20 || len(s.References) > 0 && s.InReplyTo[0] != s.References[len(s.References)-1] {
			t.Errorf("%s: In-Reply-To %v, References %v", name, s.InReplyTo, s.References)
		}
		for line := range bytes.SplitSeq(out, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
				t.Errorf("%s: line %q", name, line)
			}
		}
		// Two who are both away do not go on for ever.
		if _, err := tt.v.Answer(&mail.Arrival{From: "alice@example.com", Header: out, At: noon, As: mail.Address{Email: "bob@example.org"}}); !errors.Is(err, mail.Automatic) {
			t.Errorf("%s: an answer to an answer: %v", name, err)
		}
	}
}

// FuzzAnswer: whatever arrives, an answer is a message that is not answered.
func FuzzAnswer(f *testing.F) {
	f.Add("bob@example.org", []byte("To: alice@example.com\r\nSubject: =?utf-8?Q?=0D=0AX:?=\r\nMessage-ID: <1@b> <2@c>\r\n\r\n"))
	f.Add("\"b o\"@[127.0.0.1]", []byte("Resent-Cc: a: alice@example.com;\r\nReferences: <a\x7f@b>\r\n\r\n"))
	f.Fuzz(func(t *testing.T, from string, header []byte) {
		a := arrival(from)
		a.Header = header
		out, err := (&mail.VacationResponse{IsEnabled: true}).Answer(a)
		if err != nil {
			return
		}
		a = &mail.Arrival{From: "alice@example.com", Header: out, At: noon, As: mail.Address{Email: from}}
		if _, err := (&mail.VacationResponse{IsEnabled: true}).Answer(a); !errors.Is(err, mail.Automatic) && !errors.Is(err, mail.OwnMail) {
			t.Fatalf("%v\n%s", err, out)
		}
		if s := mail.Summarize(out); len(s.To) != 1 || s.To[0].Email != from || len(s.Cc)+len(s.Bcc) > 0 {
			t.Fatalf("to %v, want %q", s.To, from)
		}
	})
}
