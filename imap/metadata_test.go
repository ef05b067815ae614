package imap

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

// TestMetadata reads the arguments of RFC 5464 §4.2 to §4.4 and writes them as they were.
func TestMetadata(t *testing.T) {
	for _, s := range []string{
		`(/private/comment "My own comment")`,
		`(/shared/comment "a" /private/vendor/x/y NIL)`,
		"(/private/comment {27}\r\nMy new comment across\r\ntwo )",
		"(/private/comment ~{3}\r\na\x00b)",
		`(/private/a.b[c] "")`,
	} {
		d := NewDecoder(bufio.NewReader(strings.NewReader(s+"\r\n")), DecoderOptions{})
		if err := d.Next(); err != nil {
			t.Fatal(err)
		}
		list := d.Annotations(nil)
		if d.EOL(); d.Err() != nil {
			t.Errorf("%q: %v", s, d.Err())
		}
		if got := string(AppendAnnotations(nil, list)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	for s, want := range map[string]string{
		`METADATA "" /shared/comment`:                    "[] [] [/shared/comment]",
		"METADATA INBOX /shared/comment /PRIVATE/x":      "[INBOX] [] [/shared/comment /private/x]",
		`METADATA "M&APw-ll" (/shared/x "1")`:            "[Müll] [{/shared/x 1 false}] []",
		"METADATA a (/shared/x NIL /private/y {1}\r\n))": "[a] [{/shared/x  true} {/private/y ) false}] []",
		"METADATA a ()":                      "",
		"METADATA a":                         "",
		"METADATA a /x":                      "",
		"METADATA a (/shared/x)":             "",
		"METADATA a (/shared/x 1":            "",
		"METADATA a (/shared/x \"1\") x":     "",
		`METADATA a (/shared/x "1")/private`: "",
	} {
		d := NewDecoder(bufio.NewReader(strings.NewReader(s+"\r\n")), DecoderOptions{})
		if err := d.Next(); err != nil {
			t.Fatal(err)
		}
		d.Keyword()
		mailbox, list, changed := d.Metadata(false)
		if got := fmt.Sprint([]string{mailbox}, list, changed); (d.Err() == nil) != (want != "") || want != "" && got != want {
			t.Errorf("%q: %s, %v", s, got, d.Err())
		}
	}
}

// TestMetadataOptions: what is read is written again, and DEPTH covers what RFC 5464 §4.2.2 says.
func TestMetadataOptions(t *testing.T) {
	for s, want := range map[string]MetadataOptions{"(MAXSIZE 1024)": {MaxSize: 1024}, "(DEPTH 1)": {Depth: 1}, "(MAXSIZE 5 DEPTH infinity)": {5, DepthInfinity}} {
		d := NewDecoder(bufio.NewReader(strings.NewReader(s+"\r\n")), DecoderOptions{})
		if err := d.Next(); err != nil {
			t.Fatal(err)
		}
		if o, ok := d.MetadataOptions(); !ok || o != want || d.Err() != nil || string(AppendMetadataOptions(nil, o)) != s {
			t.Errorf("%s: %+v, %v", s, o, d.Err())
		}
	}
	below := []string{"/private/a", "/private/a/b", "/private/a/b/c", "/private/ab", "/private"}
	for depth, want := range map[int]string{0: "[true false false false false]", 1: "[true true false false false]", DepthInfinity: "[true true true false false]"} {
		var got []bool
		for _, e := range below {
			got = append(got, MetadataOptions{Depth: depth}.Covers("/private/a", e))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("depth %d: %v, want %s", depth, got, want)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	for _, s := range []string{`METADATA "" (/shared/comment "x")`, "METADATA INBOX /shared/comment /private/x", "METADATA a (/shared/x NIL /private/y {1}\r\n))",
		"METADATA a (/private/x ~{3}\r\na\x00b)", `METADATA "M&APw-ll" /shared/"`} {
		f.Add([]byte(s + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(bufio.NewReader(strings.NewReader(string(b))), DecoderOptions{})
		if d.Next() != nil || d.Keyword() != "METADATA" {
			return
		}
		mailbox, list, changed := d.Metadata(true)
		if d.Err() != nil || len(list) == 0 {
			return
		}
		again := append(AppendMailbox(nil, mailbox, true), ' ')
		d = NewDecoder(bufio.NewReader(strings.NewReader(" "+string(AppendAnnotations(again, list))+"\r\n")), DecoderOptions{})
		if err := d.Next(); err != nil {
			t.Fatal(err)
		}
		if m, l, _ := d.Metadata(true); d.Err() != nil || m != mailbox || fmt.Sprint(l) != fmt.Sprint(list) || len(changed) > 0 {
			t.Fatalf("%q: %q %v, again %q %v, %v", b, mailbox, list, m, l, d.Err())
		}
	})
}
