package mail

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/unicode/norm"
)

// findCharset returns the encoding of a MIME charset name, nil where it is unknown, and whether text in it is UTF-8.
func findCharset(name string) (enc encoding.Encoding, isUTF8 bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return nil, true
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc, false
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc, false
	}
	return nil, false
}

// decodeCharset returns b as UTF-8, with U+FFFD for what is malformed. ok is false where anything was, or the charset
// is unknown (then b is taken for UTF-8).
func decodeCharset(b []byte, charset string) (s string, ok bool) {
	enc, isUTF8 := findCharset(charset)
	if enc == nil {
		return strings.ToValidUTF8(string(b), "\ufffd"), isUTF8 && utf8.Valid(b)
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\ufffd"), false
	}
	s = string(out)
	return s, !strings.ContainsRune(s, utf8.RuneError)
}

// unfold removes the line breaks of folding (RFC 5322 §2.2.3).
func unfold(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(s)
}

// A word is a piece of unstructured text: an encoded word with its bytes, or plain text.
type word struct {
	charset string // "" for plain text
	text    []byte
}

// DecodeText returns the Text form of a header field's raw value (RFC 8621 §4.1.2.2).
func DecodeText(raw string) string {
	return norm.NFC.String(strings.TrimRight(decodeWords(strings.TrimLeft(unfold(raw), " \t")), " \t"))
}

// decodeWords decodes the encoded words (RFC 2047) of unfolded text. They stand between white space only; that between
// two of them goes.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return cleanUTF8(s)
	}
	var words []word
	space := ""
	for len(s) > 0 {
		n := len(s) - len(strings.TrimLeft(s, " \t"))
		space, s = s[:n], s[n:]
		if n = strings.IndexAny(s, " \t"); n < 0 {
			n = len(s)
		}
		token := s[:n]
		s = s[n:]
		w, ok := encodedWord(token)
		last := len(words) - 1
		switch {
		case !ok:
			words = append(words, word{text: []byte(space + token)})
		case last >= 0 && words[last].charset == w.charset:
			// One character may be split between two words, though RFC 2047 §5 forbids it.
			words[last].text = append(words[last].text, w.text...)
		case last >= 0 && words[last].charset != "":
			words = append(words, w)
		default:
			words = append(words, word{text: []byte(space)}, w)
		}
	}
	var b strings.Builder
	for _, w := range words {
		if w.charset == "" {
			b.WriteString(cleanUTF8(string(w.text)))
			continue
		}
		text, _ := decodeCharset(w.text, w.charset)
		b.WriteString(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, text))
	}
	return b.String()
}

// cleanUTF8 drops NUL and replaces what is not UTF-8.
func cleanUTF8(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "")
}

// encodedWord decodes one encoded word: =?charset[*language]?B or Q?text?= (RFC 2047 §2, RFC 2231 §5).
func encodedWord(s string) (word, bool) {
	if len(s) < 8 || !strings.HasPrefix(s, "=?") || !strings.HasSuffix(s, "?=") {
		return word{}, false
	}
	parts := strings.Split(s[2:len(s)-2], "?")
	if len(parts) != 3 || parts[0] == "" {
		return word{}, false
	}
	charset, _, _ := strings.Cut(strings.ToLower(parts[0]), "*")
	if enc, isUTF8 := findCharset(charset); enc == nil && !isUTF8 {
		return word{}, false
	}
	switch parts[1] {
	case "B", "b":
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[2], "="))
		return word{charset, b}, err == nil
	case "Q", "q":
		b, ok := decodeQ(parts[2])
		return word{charset, b}, ok
	}
	return word{}, false
}

// decodeQ decodes the Q encoding (RFC 2047 §4.2).
func decodeQ(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=':
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return nil, false
			}
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		case c < 0x21:
			return nil, false
		default:
			out = append(out, c)
		}
	}
	return out, true
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
