package dsn

import (
	"bytes"
	"errors"
	"net/mail"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRFC8098Example parses the example of RFC 8098 §9.
func TestRFC8098Example(t *testing.T) {
	got, err := ParseMDN(strings.NewReader(crlf(`Date: Wed, 20 Sep 1995 00:19:00 (EDT) -0400
From: Joe Recipient <Joe_Recipient@example.com>
Message-Id: <199509200019.12345@example.com>
Subject: Re: First draft of report
To: Jane Sender <Jane_Sender@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification;
    boundary="RAA14128.773615765/example.com"

--RAA14128.773615765/example.com

The message sent on 1995 Sep 19 at 13:30:00 (EDT) -0400 to Joe
Recipient <Joe_Recipient@example.com> with subject "First draft of
report" has been displayed.

This is no guarantee that the message has been read or understood.

--RAA14128.773615765/example.com
Content-Type: message/disposition-notification

Reporting-UA: joes-pc.cs.example.com; Foomail 97.1
Original-Recipient: rfc822;Joe_Recipient@example.com
Final-Recipient: rfc822;Joe_Recipient@example.com
Original-Message-ID: <199509192301.23456@example.org>
Disposition: manual-action/MDN-sent-manually; displayed

--RAA14128.773615765/example.com
Content-Type: message/rfc822

[original message optionally goes here]

--RAA14128.773615765/example.com--
`)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Text, "has been displayed") || !got.Full || string(got.Original) != "[original message optionally goes here]\r\n" {
		t.Errorf("around it: %q, %q", got.Text, got.Original)
	}
	got.Text, got.Original, got.Full = "", nil, false
	want := &MDN{ReportingUA: "joes-pc.cs.example.com; Foomail 97.1", OriginalRecipient: Address{"rfc822", "Joe_Recipient@example.com"},
		FinalRecipient: Address{"rfc822", "Joe_Recipient@example.com"}, OriginalMessageID: "199509192301.23456@example.org",
		Disposition: Disposition{Action: ManualAction, Sending: SentManually, Type: Displayed}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func receipt() *Receipt {
	return &Receipt{
		MDN: MDN{ReportingUA: "pc.example.com; Foomail 1", Gateway: "gw.example.com", OriginalRecipient: Address{"rfc822", "list@example.net"},
			FinalRecipient: Address{"utf-8", "jörg@example.net"}, OriginalMessageID: "1@example.org",
			Disposition: Disposition{AutomaticAction, SentAutomatically, Processed, []string{"error", "x-y"}},
			Errors:      []string{"it hurts", ""}, Extensions: []Extension{{"X-One", "1"}, {"X-None", ""}}, Text: "Gelesen: schön\n=20\n",
			Original: []byte("Subject: hi\r\n\r\nbödy\r\n"), Full: true},
		To: []*mail.Address{{Name: "Jane, Sender", Address: "jane@example.org"}, {Address: "b@example.org"}}, From: mail.Address{Name: "Jörg", Address: "joerg@example.net"},
		MessageID: "2@example.net", Date: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), Subject: "Gelesen: é", References: []string{"0@example.org", "1@example.org"},
	}
}

// TestMDNRoundTrip holds parse(append(x)) == x, and reads the header with the standard library.
func TestMDNRoundTrip(t *testing.T) {
	r := receipt()
	b, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseMDN(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if !reflect.DeepEqual(*got, r.MDN) {
		t.Errorf("got  %+v\nwant %+v", *got, r.MDN)
	}
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || !reflect.DeepEqual(to, r.To) {
		t.Errorf("To %v, %v", to, err)
	}
	for name, want := range map[string]string{"Auto-Submitted": "auto-replied", "In-Reply-To": "<1@example.org>", "References": "<0@example.org> <1@example.org>", "Disposition-Notification-To": ""} {
		if m.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, m.Header.Get(name), want)
		}
	}
	if _, err := Parse(bytes.NewReader(b)); !errors.Is(err, ErrNotReport) {
		t.Errorf("as a delivery status notification: %v", err)
	}
}

// TestMDNInjection puts line ends wherever a caller has a string: no field comes of them.
func TestMDNInjection(t *testing.T) {
	const evil = "x\r\nBcc: victim@example.com\r\n\r\n--b"
	r := receipt()
	r.Subject, r.MessageID, r.References, r.From.Name = evil, evil, []string{evil}, evil
	r.MDN.ReportingUA, r.MDN.OriginalMessageID, r.MDN.Errors, r.MDN.FinalRecipient.Address, r.MDN.Extensions = evil, evil+"y", []string{evil}, evil, []Extension{{"X", evil}}
	b, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		if bytes.HasPrefix(line, []byte("Bcc")) || bytes.HasPrefix(line, []byte("--b")) {
			t.Errorf("line %q", line)
		}
	}
	for name, spoil := range map[string]func(*Receipt){
		"no To":           func(r *Receipt) { r.To = nil },
		"no From":         func(r *Receipt) { r.From.Address = "" },
		"no Message-ID":   func(r *Receipt) { r.MessageID = "" },
		"its Message-ID":  func(r *Receipt) { r.MessageID = r.MDN.OriginalMessageID },
		"no recipient":    func(r *Receipt) { r.MDN.FinalRecipient = Address{} },
		"no disposition":  func(r *Receipt) { r.MDN.Disposition = Disposition{} },
		"evil modifier":   func(r *Receipt) { r.MDN.Disposition.Modifiers = []string{evil} },
		"evil extension":  func(r *Receipt) { r.MDN.Extensions = []Extension{{"X: y\r\nBcc", ""}} },
		"known extension": func(r *Receipt) { r.MDN.Extensions = []Extension{{"DISPOSITION", ""}} },
	} {
		r := receipt()
		spoil(r)
		if _, err := r.Append(nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestParseMDNErrors holds the grammar of the machine-readable part.
func TestParseMDNErrors(t *testing.T) {
	wrap := func(s string) string {
		return "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n" + s + "\n--b--\n"
	}
	const final, done = "Final-Recipient: rfc822; a@b\n", "Disposition: manual-action/MDN-sent-manually; displayed\n"
	for name, tt := range map[string]struct{ msg, want string }{
		"no disposition":    {wrap(final), "no Final-Recipient or no Disposition"},
		"no recipient":      {wrap(done), "no Final-Recipient or no Disposition"},
		"untyped recipient": {wrap("Final-Recipient: a@b\n" + done), "dsn: line 1: Final-Recipient: malformed"},
		"two recipients":    {wrap(final + final + done), "dsn: line 2: Final-Recipient: the field is there twice"},
		"two dispositions":  {wrap(final + done + done), "dsn: line 3: Disposition: the field is there twice"},
		"unknown type":      {wrap(final + "Disposition: manual-action/MDN-sent-manually; eaten\n"), "unknown disposition type"},
		"no mode":           {wrap(final + "Disposition: displayed\n"), "unknown action mode"},
		"no sending mode":   {wrap(final + "Disposition: manual-action; displayed\n"), "unknown sending mode"},
		"empty modifier":    {wrap(final + "Disposition: manual-action/MDN-sent-manually; displayed/error,,x\n"), "malformed modifier"},
		"many errors":       {wrap(final + done + strings.Repeat("Error: x\n", 101)), "more than 100 fields"},
		"many extensions":   {wrap(final + done + strings.Repeat("X: x\n", 101)), "more than 100 fields"},
		"other report":      {strings.ReplaceAll(wrap(final), "disposition-notification", "delivery-status"), "dsn: not a delivery status or disposition"},
	} {
		if _, err := ParseMDN(strings.NewReader(crlf(tt.msg))); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	for value, want := range map[string]string{
		"Manual-Action(by \\) (hand)) / MDN-Sent-Manually ; (really)DELETED":   "manual-action/mdn-sent-manually; deleted",
		"automatic-action/MDN-sent-automatically;\tdispatched / Error , x-why": "automatic-action/mdn-sent-automatically; dispatched/error,x-why",
	} {
		if d, err := ParseDisposition(value); err != nil || d.String() != want {
			t.Errorf("%q: %v, %v", value, d, err)
		}
	}
}

// FuzzParseMDN: what was read can be written, and is read again as it was.
func FuzzParseMDN(f *testing.F) {
	b, err := receipt().Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/global-disposition-notification\r\n\r\nFinal-Recipient: utf-8; \\x{e9}@x\r\nDisposition: manual-action/MDN-sent-manually (c); displayed/error\r\nOriginal-Message-ID: <a@b> (c)\r\nX: y\r\n z\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMDN(bytes.NewReader(b))
		if err != nil {
			return
		}
		r := receipt()
		r.MDN = *m
		again, err := r.Append(nil)
		if err != nil {
			return // the name of an extension that is none, or the Message-ID of the receipt
		}
		got, err := ParseMDN(bytes.NewReader(again))
		if err != nil {
			t.Fatalf("%v\n%q", err, again)
		}
		if !reflect.DeepEqual(got.Disposition, m.Disposition) || len(got.Errors) != len(m.Errors) || len(got.Extensions) != len(m.Extensions) {
			t.Fatalf("got  %+v\nwant %+v", got, m)
		}
	})
}
