package imap

import (
	"bufio"
	"strings"
	"testing"
)

func TestNamespaces(t *testing.T) {
	read := func(d *Decoder) any { return string(AppendNamespaces(nil, d.Namespaces(false), false)) }
	for line, want := range map[string]string{
		// RFC 2342 §5.
		` (("" "/")) NIL NIL`:                       `(("" "/")) NIL NIL`,
		` NIL NIL (("" "."))`:                       `NIL NIL (("" "."))`,
		` (("" "/")) NIL (("Public Folders/" "/"))`: `(("" "/")) NIL (("Public Folders/" "/"))`,
		` (("" "/")) (("~" "/")) (("#shared/" "/")("#public/" "/")("#ftp/" "/")("#news." "."))`: `(("" "/")) (("~" "/")) (("#shared/" "/")("#public/" "/")("#ftp/" "/")("#news." "."))`,
		` (("INBOX." ".")) NIL NIL`:                                   `(("INBOX." ".")) NIL NIL`,
		` (("" "/")("#mh/" "/" "X-PARAM" ("FLAG1" "FLAG2"))) NIL NIL`: `(("" "/")("#mh/" "/")) NIL NIL`,
		` (("" nil)) nil nil`:                                         `(("" NIL)) NIL NIL`,
		` (("" "/") ("x/" "/")) NIL NIL`:                              `(("" "/")("x/" "/")) NIL NIL`,
		` (("M&APw-ll/" "/")) NIL NIL`:                                `(("M&APw-ll/" "/")) NIL NIL`,
		` (("a\"b" "\\")) NIL NIL`:                                    `(("a\"b" "\\")) NIL NIL`,
		` () NIL NIL`:                                                 "! 2",
		` (("" "/")) NIL`:                                             "! 15",
		` (("" "/")) NIL NIL NIL`:                                     "! 19",
		` ((x "/")) NIL NIL`:                                          "! 3",
		` (("" "//")) NIL NIL`:                                        "! 10",
		` (("" "/") NIL NIL`:                                          "! 11",
		` (("")) NIL NIL`:                                             "! 5",
		` (("" "/" X)) NONE NIL`:                                      "! 18",
		` NIL NIL OTHER`:                                              "! 14",
		` ` + strings.Repeat("x", 9):                                  "! 10",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s: %v, want %s", line, got, want)
		}
	}
	if got := parseLine(" ("+strings.Repeat(`("" "/")`, maxNamespaces+1)+") NIL NIL", read); got != "limit: namespaces" {
		t.Error("namespaces without end are taken")
	}
}

func FuzzNamespaces(f *testing.F) {
	for _, s := range []string{` (("" "/")) (("~" "/")) NIL`, ` (("&APw-" NIL "X" ("Y")) ("a" ".")) NIL NIL`, " NIL NIL (({1}\r\n\" \"/\"))"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, utf8 bool) {
		read := func(s string) (Namespaces, error) {
			d := NewDecoder(bufio.NewReader(strings.NewReader(s+"\r\n")), DecoderOptions{})
			if err := d.Next(); err != nil {
				return Namespaces{}, err
			}
			n := d.Namespaces(utf8)
			return n, d.Err()
		}
		n, err := read(string(b))
		if err != nil {
			return
		}
		text := string(AppendNamespaces([]byte{' '}, n, utf8))
		if again, err := read(text); err != nil || string(AppendNamespaces([]byte{' '}, again, utf8)) != text || len(again.Personal) != len(n.Personal) {
			t.Fatalf("%q: %+v, again %+v, %v", b, n, again, err)
		}
	})
}
