package dsn

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
)

func full() *Message {
	date := time.Date(2026, 11, 24, 8, 0, 0, 0, time.FixedZone("", 3600))
	return &Message{
		Report: Report{
			ReportingMTA: "mx.example.com",
			EnvelopeID:   "QQ314159",
			ReceivedFrom: "client.example.com",
			Arrival:      date.Add(-time.Hour),
			Recipients: []Recipient{
				{
					Original:    Address{"rfc822", "postbox@example.org"},
					Final:       Address{"rfc822", "bob@example.net"},
					Action:      Failed,
					Status:      smtp.EnhancedCode{5, 1, 1},
					RemoteMTA:   "mx.example.net",
					Diagnostic:  smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user"),
					LastAttempt: date,
				},
				{
					Final:      Address{"utf-8", "jörg+a=b@exämple.net"},
					Action:     Delayed,
					Status:     smtp.EnhancedCode{4, 4, 1},
					RetryUntil: date.Add(5 * 24 * time.Hour),
				},
			},
			Text:     "What happened.\n",
			Original: []byte("From: a@example.com\r\nSubject: hi\r\n\r\n--=_body\r\n\r\ntext\r\n"),
			Full:     true,
		},
		To:        smtp.Path{Local: "alice", Domain: "example.com"},
		MessageID: "1.dsn@mx.example.com",
		InReplyTo: "orig@example.com",
		Date:      date,
	}
}

func build(t *testing.T, m *Message) []byte {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if rest := bytes.ReplaceAll(b, []byte("\r\n"), nil); bytes.ContainsAny(rest, "\r\n") {
		t.Errorf("bare CR or LF in %q", b)
	}
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		if len(line) > 998 {
			t.Errorf("line of %d bytes", len(line))
		}
	}
	return b
}

// TestRoundTrip holds parse(append(x)) == x, in the plain and the SMTPUTF8 form.
func TestRoundTrip(t *testing.T) {
	for _, utf8 := range []bool{false, true} {
		m := full()
		m.UTF8 = utf8
		b := build(t, m)
		got, err := Parse(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		want := m.Report
		if !got.Arrival.Equal(want.Arrival) || !got.Recipients[0].LastAttempt.Equal(want.Recipients[0].LastAttempt) ||
			!got.Recipients[1].RetryUntil.Equal(want.Recipients[1].RetryUntil) {
			t.Errorf("times: %+v", got)
		}
		got.Arrival, got.Recipients[0].LastAttempt, got.Recipients[1].RetryUntil = want.Arrival, want.Recipients[0].LastAttempt, want.Recipients[1].RetryUntil
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("utf8 %v:\ngot  %+v\nwant %+v", utf8, *got, want)
		}
		if ascii := !bytes.ContainsFunc(b, func(r rune) bool { return r > 127 }); ascii == utf8 {
			t.Errorf("utf8 %v, all ASCII %v", utf8, ascii)
		}
	}
}

// TestShape reads the message with the standard library: the structure of RFC 6522 §3 and the marks of RFC 3834.
func TestShape(t *testing.T) {
	for _, tt := range []struct {
		utf8, full bool
		types      []string
	}{
		{false, false, []string{"text/plain", "message/delivery-status", "text/rfc822-headers"}},
		{false, true, []string{"text/plain", "message/delivery-status", "message/rfc822"}},
		{true, false, []string{"text/plain", "message/global-delivery-status", "message/global-headers"}},
		{true, true, []string{"text/plain", "message/global-delivery-status", "message/global"}},
	} {
		m := full()
		m.UTF8, m.Report.Full = tt.utf8, tt.full
		msg, err := mail.ReadMessage(bytes.NewReader(build(t, m)))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Auto-Submitted": "auto-replied", "To": "<alice@example.com>", "Mime-Version": "1.0",
			"From": "Mail Delivery System <mailer-daemon@mx.example.com>", "Message-Id": "<1.dsn@mx.example.com>",
			"In-Reply-To": "<orig@example.com>", "Subject": "Undelivered mail returned to sender",
		} {
			if got := msg.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
		if err != nil || params["report-type"] != "delivery-status" {
			t.Fatal(params, err)
		}
		var types []string
		mr := multipart.NewReader(msg.Body, params["boundary"])
		for {
			p, err := mr.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
			types = append(types, kind)
			b, _ := io.ReadAll(p)
			if len(types) == 3 {
				want := "From: a@example.com\r\nSubject: hi\r\n"
				if tt.full {
					want = string(m.Report.Original)
				}
				if string(b) != want {
					t.Errorf("returned %q", b)
				}
			}
		}
		if !reflect.DeepEqual(types, tt.types) {
			t.Errorf("parts %v", types)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	m := full()
	m.To = smtp.Path{}
	if _, err := m.Append(nil); !errors.Is(err, ErrNullReversePath) {
		t.Errorf("null reverse-path: %v", err)
	}
	for name, spoil := range map[string]func(*Message){
		"recipients":   func(m *Message) { m.Report.Recipients = nil },
		"ReportingMTA": func(m *Message) { m.Report.ReportingMTA = "" },
		"MessageID":    func(m *Message) { m.MessageID = "" },
	} {
		m := full()
		spoil(m)
		if _, err := m.Append(nil); err == nil {
			t.Errorf("without %s", name)
		}
	}
}

// TestInjection gives hostile text in every field that comes from outside: it must not make a field, a part or a line
// of its own.
func TestInjection(t *testing.T) {
	evil := "x\r\nEvil: 1\r\n\r\n--B\nEvil: 2\x00\xff" + strings.Repeat("y", 5000)
	m := full()
	m.Report.EnvelopeID, m.Report.ReceivedFrom, m.Report.Text = evil, evil, ""
	rc := &m.Report.Recipients[0]
	rc.Original.Address, rc.Final.Address, rc.RemoteMTA = evil, evil, evil
	rc.Diagnostic = smtp.NewReply(550, smtp.EnhancedCode{}, evil)
	m.InReplyTo = evil
	b := build(t, m)
	header, _, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	if bytes.Contains(header, []byte("\nEvil")) {
		t.Errorf("%s", header)
	}
	got, err := Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Recipients) != 2 || bytes.Contains(b, []byte("\r\nEvil")) {
		t.Errorf("%d recipients", len(got.Recipients))
	}
}

func TestStatusCode(t *testing.T) {
	for _, tt := range []struct {
		r    Recipient
		want string
	}{
		{Recipient{Action: Failed}, "5.0.0"},
		{Recipient{Action: Delayed}, "4.0.0"},
		{Recipient{Action: Relayed}, "2.0.0"},
		{Recipient{Action: Failed, Status: smtp.EnhancedCode{4, 4, 7}}, "4.4.7"},
		{Recipient{Action: Failed, Diagnostic: smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "")}, "5.7.1"},
		{Recipient{Action: Failed, Diagnostic: smtp.NewReply(450, smtp.EnhancedCode{}, "")}, "4.0.0"},
		{Recipient{Action: Delayed, Diagnostic: smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "")}, "4.0.0"},
		{Recipient{Action: Relayed, Diagnostic: smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "")}, "2.1.5"},
	} {
		if got := tt.r.status().String(); got != tt.want {
			t.Errorf("%+v: %s", tt.r, got)
		}
	}
}

func TestWanted(t *testing.T) {
	all := []Action{Failed, Delayed, Delivered, Relayed}
	for notify, want := range map[smtp.DSNNotify][]Action{
		0:                                       {Failed, Delayed},
		smtp.NotifyNever:                        nil,
		smtp.NotifyFailure:                      {Failed},
		smtp.NotifyDelay:                        {Delayed},
		smtp.NotifySuccess:                      {Delivered, Relayed},
		smtp.NotifySuccess | smtp.NotifyFailure: {Failed, Delivered, Relayed},
	} {
		var got []Action
		for _, a := range all {
			if a.Wanted(notify) {
				got = append(got, a)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %v", notify, got)
		}
	}
}

// TestMalformed gives each kind of malformed input the error it gets.
func TestMalformed(t *testing.T) {
	wrap := func(status string) string {
		return "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: message/delivery-status\n\n" + status + "\n--b--\n"
	}
	const good = "Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.0.0\n"
	if _, err := Parse(strings.NewReader(crlf(wrap(good)))); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ msg, want string }{
		"empty":             {"", "dsn: not a delivery"},
		"plain":             {"Subject: x\n\nhello\n", "dsn: not a delivery"},
		"other report":      {"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b--\n", "dsn: not a delivery"},
		"no status part":    {"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\ntext\n--b--\n", "dsn: not a delivery"},
		"no recipient":      {wrap("Reporting-MTA: dns; a\n"), "dsn: line 1: no recipient"},
		"no action":         {wrap("Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; a@b\n"), "dsn: line 3: recipient without"},
		"no final":          {wrap("Reporting-MTA: dns; a\n\nAction: failed\n"), "dsn: line 3: recipient without"},
		"unknown action":    {wrap("Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; a@b\nAction: exploded\n"), "dsn: line 4: Action: malformed"},
		"untyped recipient": {wrap("Reporting-MTA: dns; a\n\nFinal-Recipient: a@b\nAction: failed\n"), "dsn: line 3: Final-Recipient: malformed"},
		"bad status":        {wrap("Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; a@b\nAction: failed\nStatus: 6.0.0\n"), "dsn: line 5: Status: malformed"},
		"no colon":          {wrap("hello world\n"), "dsn: line 1: line is no field"},
		"fold first":        {wrap(" folded\n"), "dsn: line 1: folded line"},
		"endless":           {wrap("Reporting-MTA: " + strings.Repeat("x", MaxStatus) + "\n"), "dsn: more than"},
		"many recipients": {wrap("Reporting-MTA: dns; a\n" + strings.Repeat("\nFinal-Recipient: rfc822; a@b\nAction: failed\n", MaxRecipients+1)),
			"more than 10000 recipients"},
		"huge header": {"X: " + strings.Repeat("x", MaxHeader) + "\n\n", "dsn: "},
		"many parts":  {"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n" + strings.Repeat("\n--b\n\nx", 30) + "\n--b--\n", "dsn: more than 20 parts"},
	} {
		_, err := Parse(strings.NewReader(crlf(tt.msg)))
		_, typed := errors.AsType[*ParseError](err)
		if err == nil || !strings.Contains(err.Error(), tt.want) || typed == errors.Is(err, ErrNotReport) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestSuite parses the notifications among the messages of a public MIME suite.
func TestSuite(t *testing.T) {
	dir := suites.Dir(t, "mime/cpython-email")
	for _, tt := range []struct {
		name, final string
		n           int
		action      Action
		status      smtp.EnhancedCode
	}{
		{"msg_16.txt", "jangel1@cougar.noc.ucla.edu", 1, Failed, smtp.EnhancedCode{5, 0, 0}},
		{"msg_43.txt", "xxxxxxx@dot.ca.gov", 25, Failed, smtp.EnhancedCode{5, 7, 1}},
	} {
		b, err := os.ReadFile(filepath.Join(dir, tt.name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(b, []byte("From ")) { // mbox
			_, b, _ = bytes.Cut(b, []byte("\n"))
		}
		got, err := Parse(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if rc := got.Recipients[0]; len(got.Recipients) != tt.n || rc.Final.Address != tt.final || rc.Action != tt.action || rc.Status != tt.status {
			t.Errorf("%s: %d recipients, first %+v", tt.name, len(got.Recipients), rc)
		}
	}
}

func FuzzParse(f *testing.F) {
	m := full()
	b, err := m.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	m.UTF8 = true
	b, _ = m.Append(nil)
	f.Add(b)
	f.Add([]byte("Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nA: b\r\n c\r\n\r\nFinal-Recipient: utf-8; \\x{e9}@x\r\nAction: failed (c)\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		m := Message{Report: *r, To: smtp.Path{Local: "a"}, MessageID: "x", UTF8: true}
		m.Report.ReportingMTA = "dns.example"
		again, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		r2, err := Parse(bytes.NewReader(again))
		if err != nil {
			t.Fatalf("%v\n%q", err, again)
		}
		if len(r2.Recipients) != len(r.Recipients) {
			t.Fatalf("%d recipients, then %d\n%q", len(r.Recipients), len(r2.Recipients), again)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	m := full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Append(nil); err != nil {
			b.Fatal(err)
		}
	}
}
