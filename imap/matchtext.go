package imap

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// A messageText is what a search reads in a message.
type messageText struct {
	done         bool
	header, body texts
	buf          []byte
}

// reset forgets the message and keeps the memory.
func (t *messageText) reset() {
	t.done, t.buf = false, t.buf[:0]
	t.header.reset()
	t.body.reset()
}

// decode reads header and body: the fields of every part and message within, and the text of every text part, in UTF-8
// or, with raw, in the charsets they are in. What needs no decoding is not copied.
func (t *messageText) decode(m *message.Message, raw bool) {
	t.done = true
	for i := range m.Parts {
		p := &m.Parts[i]
		dst := &t.body
		if i == 0 {
			dst = &t.header
		}
		t.fields(dst, p, m.Raw, raw)
		if p.Kind != message.Leaf {
			continue
		}
		typ := p.ContentType()
		if typ.Type != "text" {
			continue
		}
		start := len(t.buf)
		text, err := appendDecoded(&t.buf, p)
		if err != nil {
			t.buf = t.buf[:start]
			continue
		}
		charset, _ := typ.Params.Lookup("charset")
		t.body = append(t.body, partText(charset.Value, text, raw))
	}
}

func partText(charset string, text []byte, raw bool) searched {
	if !raw {
		if converted, ok := toUTF8(charset, text); ok {
			return searched{text: converted}
		}
	}
	return searched{text: text, kind: textOctets}
}

// fields adds the fields of a part. Those without encoded words that stand together are one text, if they are ASCII: that is one
// search instead of many.
func (t *messageText) fields(dst *texts, p *message.Part, text []byte, raw bool) {
	for rest := p.Fields(); len(rest) > 0; {
		n, block := 0, text[rest[0].Start:rest[len(rest)-1].End]
		if !raw {
			n = len(rest)
			if word := bytes.Index(block, []byte("=?")); word >= 0 {
				word += rest[0].Start
				n = slices.IndexFunc(rest, func(f message.Field) bool { return f.End > word })
			}
		}
		if n > 0 {
			block = text[rest[0].Start:rest[n-1].End]
			if asciiPrefix(block) == len(block) {
				*dst = append(*dst, searched{text: t.unfolded(block), kind: textASCII, lines: true})
				rest = rest[n:]
				continue
			}
		}
		n = max(n, 1)
		for _, f := range rest[:n] {
			*dst = append(*dst, t.field(f.Bytes(text), raw))
		}
		rest = rest[n:]
	}
}

// unfolded returns fields without the line breaks within them.
func (t *messageText) unfolded(fields []byte) []byte {
	start, from := len(t.buf), 0
	for at := 0; ; {
		n := bytes.IndexByte(fields[at:], '\n')
		if at += n + 1; n < 0 || at == len(fields) {
			break
		}
		if fields[at] == ' ' || fields[at] == '\t' {
			t.buf = append(t.buf, bytes.TrimSuffix(fields[from:at-1], []byte{'\r'})...)
			from = at
		}
	}
	if from == 0 {
		return fields
	}
	t.buf = append(t.buf, fields[from:]...)
	return t.buf[start:len(t.buf):len(t.buf)]
}

// field returns a field unfolded and decoded.
func (t *messageText) field(f []byte, raw bool) searched {
	f = bytes.TrimSpace(f)
	if bytes.IndexByte(f, '\n') >= 0 {
		start := len(t.buf)
		t.buf = message.AppendUnfolded(t.buf, f)
		f = t.buf[start:len(t.buf):len(t.buf)]
	}
	if !raw && bytes.Contains(f, []byte("=?")) {
		start := len(t.buf)
		var ok bool
		if t.buf, ok = appendWords(t.buf, f); !ok {
			return searched{text: t.buf[start:len(t.buf):len(t.buf)], kind: textOctets}
		}
		return searched{text: t.buf[start:len(t.buf):len(t.buf)]}
	}
	return decodedField(f, raw)
}

// decodedField decodes the encoded words of a field.
func decodedField(f []byte, raw bool) searched {
	words, ok := bytes.Contains(f, []byte("=?")), true
	switch {
	case raw && words:
		return searched{text: appendRawWords(nil, f), kind: textOctets}
	case raw:
		return searched{text: f, kind: textOctets}
	case words:
		if f, ok = appendWords(nil, f); !ok {
			return searched{text: f, kind: textOctets}
		}
	}
	return searched{text: f}
}

// texts are texts in which one looks for words.
type texts []searched

func (t *texts) reset() {
	clear(*t)
	*t = (*t)[:0]
}

// contains reports whether n is in one of the texts.
func (t texts) contains(n *needle, c *collator) bool {
	if len(n.key) == 0 {
		return true
	}
	for i := range t {
		if c.contains(&t[i], n) {
			return true
		}
	}
	return false
}

// A needle is text to be found.
type needle struct {
	key      []byte // as it was given
	prepared []byte // by appendCasemap; nil: it is not UTF-8, and found as it is (RFC 5255 §4.6)
	folded   []byte // prepared, in lower case, if ASCII text can have it
	// at is the place of the octet that text has least of all, next that of the one after it.
	at, next int
	breaks   bool // it has CR or LF, which are between fields

	known, wanted [0x800 / 64]uint64 // see wants
}

func newNeedle(want string) needle {
	n := needle{key: []byte(want), breaks: strings.ContainsAny(want, "\r\n")}
	if !utf8.ValidString(want) {
		return n
	}
	n.prepared = appendCasemap(nil, n.key)
	for _, c := range n.prepared { // a small letter is of a character that has no title case
		if c >= utf8.RuneSelf || 'a' <= c && c <= 'z' {
			return n
		}
	}
	n.folded = bytes.ToLower(n.prepared)
	for i, c := range n.exact() {
		if rarity(c) > rarity(n.folded[n.at]) {
			n.at, n.next = i, n.at
		} else if n.next == n.at || rarity(c) > rarity(n.folded[n.next]) {
			n.next = i
		}
	}
	return n
}

// exact returns what of folded ASCII text alone can have, with few exceptions: the last letter may be one below an accent.
func (n *needle) exact() []byte { return n.folded[:max(min(1, len(n.folded)), len(n.folded)-1)] }

// ends reports whether text, which follows what is exact, begins with the last letter of n, or with that below an accent.
func (n *needle) ends(text []byte, m *casemapper) bool {
	last := len(n.folded) - 1
	if last == 0 || lowerOctet(text[0]) == n.folded[last] {
		return true
	}
	r, _ := decodeRune(text)
	return r >= utf8.RuneSelf && m.form(r)[0] == n.prepared[last]
}

// rarity is higher for what is rarer in mail.
func rarity(c byte) int {
	return len(" etaonisrhldcumfpgwybvkxjqz") - strings.IndexByte(" etaonisrhldcumfpgwybvkxjqz", c)
}

// find looks for n, which has folded, in the ASCII of text without a copy of it, and reports whether all of text is ASCII where n
// is not found. It is not sure where that takes too long.
func (n *needle) find(text []byte, m *casemapper) (found, ascii, sure bool) {
	exact := n.exact()
	if len(text) < len(n.folded) {
		return false, asciiPrefix(text) == len(text), true
	}
	// Eight places at once: where both rare octets fit, but for bit 5 of letters, all is compared.
	places, work := len(text)-len(n.folded)+1, 16*len(text)
	rare, fold := octets*uint64(n.folded[n.at]), octets*foldBit(n.folded[n.at])
	rare2, fold2 := octets*uint64(n.folded[n.next]), octets*foldBit(n.folded[n.next])
	first, second := text[n.at:], text[n.next:]
	i, seen := 0, uint64(0)
	for ; i+8 <= places; i += 8 {
		x := binary.LittleEndian.Uint64(first[i:])
		seen |= x
		differ := (x | fold) ^ rare
		differ |= (binary.LittleEndian.Uint64(second[i:]) | fold2) ^ rare2
		for zero := zeroOctets(differ); zero != 0; zero &= zero - 1 {
			place := text[i+bits.TrailingZeros64(zero)/8:]
			same := prefixFold(place, exact)
			if same == len(exact) && n.ends(place[len(n.folded)-1:], m) {
				return true, false, true
			}
			if work -= 8 + same; work < 0 {
				return false, false, false
			}
		}
	}
	for j := i; j < places; j++ {
		if prefixFold(text[j:], exact) == len(exact) && n.ends(text[j+len(n.folded)-1:], m) {
			return true, false, true
		}
	}
	for _, c := range text[:n.at] {
		seen |= uint64(c)
	}
	for _, c := range first[i:] {
		seen |= uint64(c)
	}
	return false, seen&(octets<<7) == 0, true
}

// octets has 1 in every octet.
const octets = 0x0101010101010101

// zeroOctets has bit 7 set in those octets of x that are zero, and perhaps in some after them.
func zeroOctets(x uint64) uint64 { return (x - octets) &^ x & (octets << 7) }

// foldBit is what makes the letter c lower case.
func foldBit(c byte) uint64 {
	if 'a' <= c && c <= 'z' {
		return 0x20
	}
	return 0
}

// prefixFold returns how many octets of lower text begins with in any case.
func prefixFold(text, lower []byte) int {
	for i, want := range lower {
		if lowerOctet(text[i]) != want {
			return i
		}
	}
	return len(lower)
}

func lowerOctet(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// maxEncodedWord is how long an encoded word is at most. RFC 2047 §2 has 75; many writers go beyond.
const maxEncodedWord = 1000

// decodeWords decodes encoded words (RFC 2047) and leaves everything else as it is, in linear time. It is false if the result
// is not UTF-8, or a word is in an unknown charset or has something that is not of its charset. Nothing is converted then.
func decodeWords(s string) (string, bool) {
	if !strings.Contains(s, "=?") {
		return s, utf8.ValidString(s)
	}
	text, ok := appendWords(nil, []byte(s))
	return string(text), ok
}

// appendWords appends decodeWords of s.
func appendWords(dst, s []byte) ([]byte, bool) {
	start, ok := len(dst), true
	dst = mapWords(dst, s, func(dst []byte, at int, charset string) []byte {
		out, known := toUTF8(charset, dst[at:])
		ok = ok && known
		if len(out) == 0 || &out[0] != &dst[at] {
			dst = append(dst[:at], out...)
		}
		return dst
	})
	if ok && utf8.Valid(dst[start:]) {
		return dst, true
	}
	return appendRawWords(dst[:start], s), false
}

// appendRawWords decodes encoded words into what they have in their charsets.
func appendRawWords(dst, s []byte) []byte {
	return mapWords(dst, s, func(dst []byte, _ int, _ string) []byte { return dst })
}

// mapWords appends s with its encoded words decoded. f is given each that is at the end of dst, from at on.
func mapWords(dst, s []byte, f func(dst []byte, at int, charset string) []byte) []byte {
	after := false // an encoded word: white space between two of them goes
	for len(s) > 0 {
		i := bytes.Index(s, []byte("=?"))
		if i < 0 {
			break
		}
		before := len(dst)
		if !after || len(bytes.Trim(s[:i], " \t\r\n")) > 0 {
			dst = append(dst, s[:i]...)
		}
		at := len(dst)
		decoded, charset, n := appendEncodedWord(dst, s[i:])
		if n == 0 {
			dst = append(dst[:before], s[:i+2]...)
			s, after = s[i+2:], false
			continue
		}
		dst = f(decoded, at, charset)
		s, after = s[i+n:], true
	}
	return append(dst, s...)
}

// appendEncodedWord decodes the encoded word of length n at the beginning of s; 0: there is none.
func appendEncodedWord(dst, s []byte) (out []byte, charset string, n int) {
	s = s[:min(len(s), maxEncodedWord)]
	var part [2][]byte // charset and encoding
	at := 2
	for i := range part {
		start := at
		for at < len(s) && s[at] != '?' && s[at] != ' ' {
			at++
		}
		if at == start || at == len(s) || s[at] == ' ' {
			return dst, "", 0
		}
		part[i] = s[start:at]
		at++
	}
	length := bytes.Index(s[at:], []byte("?="))
	if length < 0 || len(part[1]) != 1 {
		return dst, "", 0
	}
	ok := false
	switch encoded := s[at:][:length]; part[1][0] {
	case 'B', 'b':
		var err error
		out, err = base64.StdEncoding.AppendDecode(dst, encoded)
		ok = err == nil
	case 'Q', 'q':
		out, ok = appendQ(dst, encoded)
	}
	if !ok {
		return dst, "", 0
	}
	name, _, _ := bytes.Cut(part[0], []byte{'*'}) // and the language behind it (RFC 2231 §5)
	charset = "utf-8"
	if !bytes.EqualFold(name, []byte(charset)) {
		charset = string(name)
	}
	return out, charset, at + length + 2
}

// appendQ decodes the Q encoding (RFC 2047 §4.2). It is false for what cannot be in it.
func appendQ(dst, s []byte) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			dst = append(dst, ' ')
		case c == '=':
			if i+2 >= len(s) {
				return nil, false
			}
			b, ok := hexOctet(s[i+1], s[i+2])
			if !ok {
				return nil, false
			}
			dst = append(dst, b)
			i += 2
		case ' ' <= c && c <= '~' || c == '\t' || c == '\r' || c == '\n':
			dst = append(dst, c)
		default:
			return nil, false
		}
	}
	return dst, true
}

// toUTF8 returns b as UTF-8, or as it is where the charset is unknown. It is false then, and where b has something that is not of
// the charset, for which it writes U+FFFD. What is said to be ASCII, or nothing, may be UTF-8: that is not looked at.
func toUTF8(charset string, b []byte) ([]byte, bool) {
	name := strings.ToLower(charset)
	switch name {
	case "", "utf-8", "us-ascii":
		return b, true
	}
	for _, family := range [...]string{"iso-8859-", "windows-125", "koi8-"} { // which have ASCII in them
		if strings.HasPrefix(name, family) && asciiPrefix(b) == len(b) {
			_, err := htmlindex.Get(name)
			return b, err == nil
		}
	}
	enc, err := htmlindex.Get(charset)
	if err != nil {
		enc, err = ianaindex.MIME.Encoding(charset)
	}
	if err != nil || enc == nil {
		return b, false
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return b, false
	}
	return out, !bytes.Contains(out, []byte("\ufffd"))
}
