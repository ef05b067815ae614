package imap

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

func aclDecoder(t *testing.T, s string) *Decoder {
	t.Helper()
	d := NewDecoder(bufio.NewReader(strings.NewReader(s+"\r\n")), DecoderOptions{})
	if err := d.Next(); err != nil {
		t.Fatal(err)
	}
	return d
}

// readACL reads any response of RFC 4314 and returns it as text.
func readACL(d *Decoder) string {
	switch d.Keyword() {
	case "ACL":
		mailbox, list := d.ACL(false)
		return mailbox + string(AppendACL(nil, list))
	case "LISTRIGHTS":
		mailbox, identifier, g := d.GrantableRights(false)
		return mailbox + " for " + identifier + string(AppendGrantableRights(nil, g))
	case "MYRIGHTS":
		mailbox, r := d.MyRights(false)
		return mailbox + " " + r.String()
	}
	d.Want("a response")
	return ""
}

// TestACL reads the examples of RFC 4314 §2 and §3, and what is against the grammar.
func TestACL(t *testing.T) {
	for s, want := range map[string]string{
		"ACL INBOX/Drafts Fred rwipslxetad Chris lrswi": "INBOX/Drafts Fred lrswipxtead Chris lrswi",
		"ACL INBOX Fred rwipslxetad -Fred wetd $team w": "INBOX Fred lrswipxtead -Fred wted $team w",
		`ACL "M&APw-ll"`: "Müll",
		`ACL a "b c" ""`: `a "b c" ""`,
		"LISTRIGHTS ~/Mail/saved smith la r swicdkxte":         "~/Mail/saved for smith la r swikxtecd",
		`LISTRIGHTS archive/imap anyone "" l r s w 0 1 9`:      `archive/imap for anyone "" l r s w 0 1 9`,
		`LISTRIGHTS archive/imap anyone "" lr swted i p k x c`: `archive/imap for anyone "" lr swted i p k x c`,
		"MYRIGHTS INBOX rwiptsldaex":                           "INBOX lrswipxtead",
		"MYRIGHTS TargetMailbox rwis":                          "TargetMailbox rswi",
		`MYRIGHTS inbox ""`:                                    "INBOX ",
		"ACL INBOX Fred":                                       "",
		"ACL INBOX John lrQswicda":                             "",
		"ACL":                                                  "",
		"LISTRIGHTS INBOX smith":                               "",
		"LISTRIGHTS INBOX smith la r*":                         "",
		"MYRIGHTS INBOX":                                       "",
		"MYRIGHTS INBOX l r":                                   "",
		"MYRIGHTS INBOX +l":                                    "",
	} {
		d := aclDecoder(t, s)
		if got := readACL(d); (d.Err() == nil) != (want != "") || want != "" && got != want {
			t.Errorf("%q: %q, %v", s, got, d.Err())
		}
	}
}

// TestRightsChange has the arguments of RFC 4314 §2.1.1 and §3.1.
func TestRightsChange(t *testing.T) {
	had, _ := ParseRights("lrswi")
	for s, want := range map[string]string{"lrswida": "lrswiad", "+cda": "lrswiacd", "-sw": "lri", `""`: "", "+": "lrswi", "lrQswicda": "!", "++a": "!", "a-": "!"} {
		d := aclDecoder(t, s)
		c := d.RightsChange()
		if d.EOL(); d.Err() != nil {
			if want != "!" {
				t.Errorf("%s: %v", s, d.Err())
			}
			continue
		}
		if got := c.Apply(had).String(); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
		if again := aclDecoder(t, string(AppendRightsChange(nil, c))).RightsChange(); again != c {
			t.Errorf("%s: %+v came back as %+v", s, c, again)
		}
	}
}

// Obsolete rights come as a server has them (RFC 4314 §2.1.1) and go as clients of RFC 2086 need them.
func TestObsoleteRights(t *testing.T) {
	for s, want := range map[string]string{"lrswida": "lrswitea", "lrswikda": "lrswiktea", "c": "kx", "cd": "kxte", "x": "x", "lr": "lr", "": ""} {
		r, err := ParseRights(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Current().String(); got != want {
			t.Errorf("%s stands for %s, want %s", s, got, want)
		}
	}
	for s, want := range map[string]string{"lrswitea": "lrswitead", "lrswikte": "lrswiktecd", "x": "xc", "e": "ed", "lr": "lr"} {
		if r, _ := ParseRights(s); r.WithObsolete().String() != want {
			t.Errorf("%s is told as %s, want %s", s, r.WithObsolete(), want)
		}
	}
	for _, c := range [][2]string{ // the examples of RFC 4314 §2.1.1
		{"lr s w i p k x t", "lr s w i p k x t c d"}, {"lr s w i p k xte", "lr s w i p k xtecd"}, {"lr s w i p k x te", "lr s w i p k x te c d"},
		{"lr swte i p k x", "lr swted i p k x c"}, {"l r", "l r"}, {"lkx te", "lkxc te d"},
	} {
		var g GrantableRights
		for f := range strings.FieldsSeq(c[0]) {
			r, _ := ParseRights(f)
			g.Optional = append(g.Optional, r)
		}
		if got := strings.TrimPrefix(string(AppendGrantableRights(nil, g.WithObsolete())), ` "" `); got != c[1] {
			t.Errorf("%s is told as %s, want %s", c[0], got, c[1])
		}
	}
	if g := (GrantableRights{Required: AllRights}).WithObsolete(); g.Required != AllRights|RightsObsolete || len(g.Optional) > 0 {
		t.Errorf("required %+v", g)
	}
}

func TestRightsOf(t *testing.T) {
	entry := func(id, rights string) ACLEntry {
		r, err := ParseRights(rights)
		if err != nil {
			t.Fatal(err)
		}
		return ACLEntry{id, r}
	}
	list := []ACLEntry{entry("-Fred", "wet"), entry("-anyone", "p"), entry("-x", "lr"), entry("Fred", "rwipslxeta"), entry("anyone", "lrkp"), entry("--x", "l")}
	for user, want := range map[string]string{"Fred": "lrsikxa", "fred": "lrk", "x": "k", "-x": "rk", "": "lrk"} {
		if got := RightsOf(list, user).String(); got != want {
			t.Errorf("%s has %s, want %s", user, got, want)
		}
	}
	if got := RightsOf(nil, "Fred"); got != 0 {
		t.Errorf("without a list: %s", got)
	}
}

func FuzzACL(f *testing.F) {
	for _, s := range []string{"ACL INBOX Fred rwipslxetad -Fred wetd $team w", `LISTRIGHTS a b "" lr swted i 0`, "MYRIGHTS INBOX lrs", "ACL {1}\r\na \"b\" \"\"", "SETACL +cda"} {
		f.Add([]byte(s + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(bufio.NewReader(strings.NewReader(string(b))), DecoderOptions{})
		if d.Next() != nil {
			return
		}
		switch d.Keyword() {
		case "ACL":
			_, list := d.ACL(true)
			if d.Err() != nil {
				return
			}
			d = aclDecoder(t, " x"+string(AppendACL(nil, list)))
			if _, again := d.ACL(true); d.Err() != nil || fmt.Sprint(again) != fmt.Sprint(list) {
				t.Fatalf("%q: %v, again %v, %v", b, list, again, d.Err())
			}
		case "LISTRIGHTS":
			_, _, g := d.GrantableRights(true)
			if d.Err() != nil {
				return
			}
			d = aclDecoder(t, " x y"+string(AppendGrantableRights(nil, g)))
			if _, _, again := d.GrantableRights(true); d.Err() != nil || fmt.Sprint(again) != fmt.Sprint(g) {
				t.Fatalf("%q: %v, again %v, %v", b, g, again, d.Err())
			}
		case "SETACL":
			d.SP()
			c := d.RightsChange()
			if d.Err() != nil {
				return
			}
			if again := aclDecoder(t, string(AppendRightsChange(nil, c))).RightsChange(); again != c {
				t.Fatalf("%q: %v, again %v", b, c, again)
			}
		}
	})
}
