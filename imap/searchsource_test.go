package imap

import (
	"fmt"
	"slices"
	"testing"
)

func TestSearchSources(t *testing.T) {
	for line, want := range map[string]string{
		`(mailboxes "folder1" subtree "folder2")`:           `(MAILBOXES (folder1) SUBTREE (folder2))`, // RFC 7377 §3
		`(mailboxes folder1 Subtree-One ("folder2" "x y"))`: `(MAILBOXES (folder1) SUBTREE-ONE (folder2 "x y"))`,
		`(selected inboxes personal subscribed)`:            `(SELECTED INBOXES PERSONAL SUBSCRIBED)`,
		`(mailboxes (inbox "Entw&APw-rfe"))`:                `(MAILBOXES (INBOX Entw&APw-rfe))`,
		`(selected-delayed)`:                                "!",
		`()`:                                                "!",
		`(mailboxes)`:                                       "!",
		`(mailboxes ())`:                                    "!",
		`(selected (depth 1))`:                              "!", // scope options
		`(mailboxes a (depth 1))`:                           "!",
		`(selected ())`:                                     "!",
		`(selected personal`:                                "!",
		`selected`:                                          "!",
		`(colour)`:                                          "!",
		`(mailboxes (a) b)`:                                 "!",
		`(mailboxes a subtree)`:                             "!",
	} {
		d := decode(line+"\r\n", DecoderOptions{})
		sources := d.SearchSources(false)
		got := "!"
		if d.EOL(); d.Err() == nil {
			got = string(AppendSearchSources(nil, sources, false))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for filter, want := range map[NotifyFilter]string{NotifyMailboxes: "[a]", SearchSubtreeOne: "[a a/b]", NotifySubtree: "[a a/b a/b/c]", NotifyPersonal: "[]"} {
		s := SearchSource{Filter: filter, Mailboxes: []string{"a"}}
		names := slices.DeleteFunc([]string{"a", "ab", "a/b", "a/b/c", "b/a", "A"}, func(name string) bool { return !s.Covers(name) })
		if got := fmt.Sprint(names); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
}

// FuzzSearchSources writes what it reads.
func FuzzSearchSources(f *testing.F) {
	f.Add(`(mailboxes (a "b c" &APw-) subtree-one x selected personal)`, false)
	f.Add("(subtree {3}\r\nabc inboxes subscribed)", true)
	f.Fuzz(func(t *testing.T, line string, utf8 bool) {
		d := decode(line+"\r\n", DecoderOptions{})
		sources := d.SearchSources(utf8)
		if d.EOL(); d.Err() != nil {
			return
		}
		d = decode(string(AppendSearchSources(nil, sources, true))+"\r\n", DecoderOptions{})
		if again := d.SearchSources(true); d.Err() != nil || fmt.Sprintf("%q", again) != fmt.Sprintf("%q", sources) {
			t.Fatalf("%q, read again %q, %v", sources, again, d.Err())
		}
	})
}
