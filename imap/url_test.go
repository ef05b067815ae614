package imap

import (
	"errors"
	"fmt"
	"testing"
)

// TestMessageURL has the URLs of RFC 4469 and RFC 5092 §9 that name messages of the server one is logged in to.
func TestMessageURL(t *testing.T) {
	for s, want := range map[string]string{
		"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER":       "Drafts 385759045 20 [HEADER]",
		"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME":       "Drafts 385759045 20 [1.MIME]",
		"/INBOX;UIDVALIDITY=785799047/;UID=113330/;section=1.5.9":     "INBOX 785799047 113330 [1.5.9]",
		"/Drafts;UIDVALIDITY=385759045/;UID=30":                       "Drafts 385759045 30 []",
		"/gray-council;uidvalidity=385759045/;uid=20/;PARTIAL=0.1024": "gray-council 385759045 20 []<0.1024>",
		"/a/b%20c/%E2%82%AC;UIDVALIDITY=1/;UID=2":                     "a/b c/\u20ac 1 2 []",
		"/;UID=7/;SECTION=HEADER.FIELDS%20(Subject%20From)":           " 0 7 [HEADER.FIELDS (Subject From)]",
		";UID=7":                             " 0 7 []",
		"a%3Bb/;UID=7/;SECTION=1/;PARTIAL=5": "a;b 0 7 [1]<5.9223372036854775807>",
	} {
		u, err := ParseMessageURL(s)
		if got := fmt.Sprintf("%s %d %d %s", u.Mailbox, u.UIDValidity, u.UID, AppendSection(nil, &u.Section)); err != nil || got != want {
			t.Errorf("%s: %s, %v", s, got, err)
		}
		if again, err := ParseMessageURL(string(AppendMessageURL(nil, &u))); err != nil || fmt.Sprint(again) != fmt.Sprint(u) {
			t.Errorf("%s: again %+v, %v", s, again, err)
		}
	}
	for _, s := range []string{"", "/", "INBOX", "/INBOX;UIDVALIDITY=1", "/INBOX/;UID=0", "/INBOX/;UID=4294967296", "/INBOX/;UID=x", "/INBOX/;UID=1/;SECTION=0",
		"/INBOX/;UID=1/;SECTION=HEADER.FIELDS", "/INBOX/;UID=1/;SECTION=1%0D%0A", "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20({1}", "/INBOX;UIDVALIDITY=0/;UID=1", "imap://example.com/INBOX/;UID=1",
		"//example.com/INBOX/;UID=1", "/INBOX/;UID=1/;PARTIAL=", "/INBOX/;UID=1/;PARTIAL=1.0", "/INBOX/;UID=1/;PARTIAL=-1.5", "/%zz/;UID=1", "/a;b/;UID=1", "/INBOX/;UID=1/;URLAUTH=anonymous:internal:91354a473744909de610943775f92038"} {
		if u, err := ParseMessageURL(s); err == nil || !errors.As(err, new(*SyntaxError)) {
			t.Errorf("%q: %+v, %v", s, u, err)
		}
	}
}

func FuzzMessageURL(f *testing.F) {
	for _, s := range []string{"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME", ";UID=7", "/a%3Bb/;UID=7/;SECTION=HEADER.FIELDS%20(x)/;PARTIAL=5.6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseMessageURL(s)
		if err != nil {
			return
		}
		if again, err := ParseMessageURL(string(AppendMessageURL(nil, &u))); err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", u) {
			t.Fatalf("%q: %+v, again %+v, %v", s, u, again, err)
		}
	})
}
