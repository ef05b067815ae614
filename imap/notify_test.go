package imap

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func TestNotify(t *testing.T) {
	read := func(d *Decoder) any { n := d.Notify(false); d.EOL(); return string(AppendNotify(nil, &n, false)) }
	for line, want := range map[string]string{
		"NONE": "NONE",
		// RFC 5465 §3.1
		"set status (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge) (subtree Lists MessageNew)":                    "! 31",
		"set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) (subtree Lists (messagenew messageexpunge))": "SET STATUS (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (from to subject)]) MessageExpunge)) (SUBTREE (Lists) (MessageNew MessageExpunge))",
		"set (selected (Messagenew (uid flags) messageExpunge)) (personal (MessageNew FlagChange MessageExpunge))":                                       "SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge)) (PERSONAL (MessageNew FlagChange MessageExpunge))",
		"SET (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))":                                                              "SET (MAILBOXES (INBOX) (MessageNew MessageExpunge)) (PERSONAL (SubscriptionChange))",
		"SET (SELECTED-DELAYED NONE) (Mailboxes (a \"b c\" &AOQ-) (MailboxName SomethingNew))":                                                           "SET (SELECTED-DELAYED NONE) (MAILBOXES (a \"b c\" &AOQ-) (MailboxName SomethingNew))",
		"SET (SELECTED (MessageNew MessageExpunge FlagChange AnnotationChange FlagChange))":                                                              "SET (SELECTED (MessageNew MessageExpunge FlagChange AnnotationChange))",
		"SET (INBOXES NONE) (SUBSCRIBED NONE)": "SET (INBOXES NONE) (SUBSCRIBED NONE)",
		"SET":                                  "! 3",
		"SET STATUS":                           "! 10",
		"SET (SELECTED (MessageNew))":          "! 27",
		"SET (PERSONAL (MessageExpunge FlagChange))":            "! 42",
		"SET (PERSONAL (FlagChange))":                           "! 27",
		"SET (PERSONAL ())":                                     "! 16",
		"SET (SELECTED NONE) (SELECTED-DELAYED NONE)":           "! 43",
		"SET (SELECTED (MailboxName))":                          "! 26",
		"SET (PERSONAL (MessageNew (UID) MessageExpunge))":      "! 25",
		"SET (SELECTED (MessageNew () MessageExpunge))":         "! 28",
		"SET (SELECTED (MessageNew (NONSENSE) MessageExpunge))": "! 35",
		"SET (SUBTREE () (MailboxName))":                        "! 15",
		"SET (ELSEWHERE (MailboxName))":                         "! 14",
		"SET (PERSONAL (MailboxName)":                           "! 27",
		"SET (MAILBOXES &&&& (MailboxName))":                    "! 15",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
	many := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+" ", n), " ") }
	for _, line := range []string{
		"SET " + many(MaxNotifyGroups+1, "(PERSONAL NONE)"),
		"SET (MAILBOXES (" + many(MaxNotifyMailboxes+1, "x") + ") NONE)",
	} {
		if got := parseLine(line, read); !strings.HasPrefix(got, "limit: ") {
			t.Errorf("%.40s: %.100s", line, got)
		}
	}
}

// FuzzNotify: what is read is written so that it reads as the same.
func FuzzNotify(f *testing.F) {
	for _, s := range []string{"NONE", "set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) (subtree Lists (messagenew messageexpunge))",
		`SET (SELECTED-DELAYED NONE) (Mailboxes (a "b c" &AOQ-) (MailboxName SomethingNew))`, "SET (INBOXES NONE) (SUBSCRIBED (SubscriptionChange))", "SET (PERSONAL ("} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(bufio.NewReader(bytes.NewReader(append(b, "\r\n"...))), DecoderOptions{})
		if d.Next() != nil {
			return
		}
		n := d.Notify(true)
		if d.EOL(); d.Err() != nil {
			return
		}
		text := AppendNotify(nil, &n, true)
		d = NewDecoder(bufio.NewReader(bytes.NewReader(append(text, "\r\n"...))), DecoderOptions{})
		if err := d.Next(); err != nil {
			t.Fatal(err)
		}
		again := d.Notify(true)
		if d.EOL(); d.Err() != nil || string(AppendNotify(nil, &again, true)) != string(text) {
			t.Fatalf("%q: %q, %v", b, text, d.Err())
		}
	})
}
