package imap

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// slowCasemap is appendCasemap in the words of RFC 5051 §2, for UTF-8.
func slowCasemap(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteString(norm.NFKD.String(string(unicode.ToTitle(r))))
	}
	return b.String()
}

// slowContains is the substring operation of RFC 5255 §4.6 for texts in UTF-8.
func slowContains(text, key string) bool {
	if utf8.ValidString(text) && utf8.ValidString(key) {
		return strings.Contains(slowCasemap(text), slowCasemap(key))
	}
	return strings.Contains(text, key)
}

func TestCasemap(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		"A letter, to Bob.": "A LETTER, TO BOB.",
		"`az{@AZ[0":         "`AZ{@AZ[0",
		"\u01c4":            "Dz\u030c", // the example of RFC 5051 §2
		"\u01c5":            "Dz\u030c",
		"\u01c6":            "Dz\u030c",
		"é":                 "E\u0301",
		"e\u0301":           "E\u0301",
		"ß":                 "ß",
		"\u0130i\u0131I":    "I\u0307III",
		"ﬁ":                 "fi",
		"ｆｉ½":               "FI1\u20442",
		"\u212a\u017f":      "KS",
		"각":                 "\u1100\u1161\u11a8",
		"가":                 "\u1100\u1161",
		"ǖ\u0323":           "U\u0308\u0304\u0323", // character by character: nothing is put in another order
		"Σσς":               "ΣΣΣ",
		"Straße 1, 12345 Öhringen, 2. Stock links hinten": "STRAßE 1, 12345 O\u0308HRINGEN, 2. STOCK LINKS HINTEN",
	} {
		if got := casemapString(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	m := casemapper{pages: new([0x100]*[0x100]charForm)}
	for range 2 { // what it remembers is the same
		for r := range rune(unicode.MaxRune + 1) {
			if !utf8.ValidRune(r) {
				continue
			}
			if got, want := string(m.append(nil, []byte(string(r)))), slowCasemap(string(r)); got != want {
				t.Fatalf("%U: %q, want %q", r, got, want)
			}
		}
	}
}

// FuzzContains: what is found is what RFC 5051 finds, in ASCII and beyond.
func FuzzContains(f *testing.F) {
	f.Add("A Letter of Words", "LETTER")
	f.Add("200 \u212aelvin in \u0130stanbul", "kelvin IN")
	f.Add("Grüße", "grÜSSE")
	f.Add("Grüße aus Zu\u0308rich", "GRU\u0308ßE")
	f.Add("café", "cafe")
	f.Add("ﬁne", "fin")
	f.Add("fine ﬁn", "ﬁ")
	f.Add("ＦＵＬＬ width", "full W")
	f.Add("한국어", "\u1112\u1161\u11ab")
	f.Add(strings.Repeat("a", 200), strings.Repeat("a", 30)+"b") // more work than is worth it
	f.Add(strings.Repeat("é ", 200), "E "+strings.Repeat("e", 300))
	f.Add("ＦuＬl width", "full W")
	f.Add("\xf0\x9d\x94\xb8b", "ab") // double-struck A
	f.Add("Letter \xff", "letter")
	f.Add("x", "")
	f.Add("\xff\xfe", "\xff")
	f.Add("A\xff", "a")
	f.Fuzz(func(t *testing.T, text, key string) {
		if got, want := casemapString(text), slowCasemap(text); utf8.ValidString(text) && got != want {
			t.Fatalf("%q is prepared as %q, want %q", text, got, want)
		}
		n := newNeedle(key)
		var c collator
		all := texts{{}, {text: []byte(text)}}
		for range 2 {
			if got := all.contains(&n, &c); got != slowContains(text, key) {
				t.Fatalf("%q in %q: %v", key, text, got)
			}
		}
	})
}

// TestLatinPrefix compares it with a loop over characters, and checks what around leaves out by it.
func TestLatinPrefix(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var text []byte
		for range rnd.IntN(24) {
			switch rnd.IntN(12) {
			case 0, 1, 2:
				text = utf8.AppendRune(text, 0xc0+rune(rnd.IntN(0x40)))
			case 3:
				if rnd.IntN(4) == 0 {
					text = append(text, byte(0x80+rnd.IntN(0x80)))
				}
			default:
				text = append(text, byte(rnd.IntN(0x80)))
			}
		}
		want := 0
		for want < len(text) {
			r, n := utf8.DecodeRune(text[want:])
			if r >= 0x80 && text[want] != 0xc3 || r == utf8.RuneError {
				break
			}
			want += n
		}
		got := latinPrefix(text)
		if got > want || want-got >= 9 && want == len(text) {
			t.Fatalf("%q: %d, want %d", text, got, want)
		}
	}
	var m casemapper
	for _, key := range []string{"ab", "no", "a\"", "sS"} {
		n := newNeedle(key)
		for r := rune(0xc0); r < 0x100; r++ {
			if n.touches(m.form(r)) {
				t.Errorf("%c has to do with %q", r, key)
			}
		}
	}
}
