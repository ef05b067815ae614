package record

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

func envelope() *imap.Envelope {
	a := func(n, m, h string) []imap.Address { return []imap.Address{{Name: n, Mailbox: m, Host: h}} }
	return &imap.Envelope{
		Date: "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", Subject: "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", MessageID: "<1@example.com>",
		InReplyTo: "<0@example.com>", From: a("Terry Gray", "gray", "example.com"), Sender: a("", "s", "example.com"),
		ReplyTo: a("", "r", "example.com"), Cc: a("", "c", "example.com"), Bcc: a("", "b", "example.com"),
		To: []imap.Address{{Mailbox: "friends"}, {Mailbox: "alice", Host: "example.org"}, {}},
	}
}

func structure() *imap.BodyStructure {
	text := imap.BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT", Size: 3028, Lines: 92,
		Params: []imap.BodyParam{{Name: "CHARSET", Value: "US-ASCII"}}, Language: []string{"en", "de"}}
	return &imap.BodyStructure{Type: "MULTIPART", Subtype: "MIXED", Params: []imap.BodyParam{{Name: "BOUNDARY", Value: "x"}},
		Parts: []imap.BodyStructure{text, {
			Type: "MESSAGE", Subtype: "RFC822", Encoding: "BASE64", Size: 1 << 40, Lines: 7, ID: "<id>", Description: "a letter",
			MD5: "Q2hlY2s=", Disposition: "attachment", DispParams: []imap.BodyParam{{Name: "FILENAME", Value: "a b.eml"}},
			Location: "https://example.com/", Envelope: envelope(), Message: &text,
		}}}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	for _, e := range []*imap.Envelope{{}, envelope()} {
		b := AppendEnvelope(nil, e)
		got, err := ParseEnvelope(b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, e)
		}
		damage(t, b, func(b []byte) error { _, err := ParseEnvelope(b); return err })
	}
}

func TestStructureRoundTrip(t *testing.T) {
	for _, s := range []*imap.BodyStructure{{}, structure()} {
		b := AppendStructure(nil, s)
		got, err := ParseStructure(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, s)
		}
		damage(t, b, func(b []byte) error { _, err := ParseStructure(b); return err })
	}
}

// damage cuts and lengthens a record at every place: none of it may be read.
func damage(t *testing.T, b []byte, parse func([]byte) error) {
	t.Helper()
	for i := range b {
		if err := parse(b[:i]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d of %d: %v", i, len(b), err)
		}
	}
	if err := parse(append(bytes.Clone(b), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("one octet more: %v", err)
	}
}

func TestStructureDepth(t *testing.T) {
	deep := &imap.BodyStructure{}
	for range maxDepth + 1 {
		deep = &imap.BodyStructure{Type: "MULTIPART", Parts: []imap.BodyStructure{*deep}}
	}
	if _, err := ParseStructure(AppendStructure(nil, deep)); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(AppendEnvelope(nil, envelope()))
	f.Add(AppendStructure(nil, structure()))
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEnvelope(b); err == nil {
			again, err := ParseEnvelope(AppendEnvelope(nil, e))
			if err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("%x: %v", b, err)
			}
		}
		if s, err := ParseStructure(b); err == nil && s.Size >= 0 && s.Lines >= 0 {
			if _, err := ParseStructure(AppendStructure(nil, s)); err != nil {
				t.Errorf("%x: %v", b, err)
			}
		}
	})
}

func BenchmarkParseEnvelope(b *testing.B) {
	rec := AppendEnvelope(nil, envelope())
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEnvelope(rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseStructure(b *testing.B) {
	rec := AppendStructure(nil, structure())
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseStructure(rec); err != nil {
			b.Fatal(err)
		}
	}
}
