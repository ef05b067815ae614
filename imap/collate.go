package imap

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// appendCasemap appends text, which is UTF-8, as i;unicode-casemap compares it: each character in title case, and that
// decomposed as far as it goes (RFC 5051 §2). What is so prepared is compared octet by octet: an é has an e in it, whether it
// is written in one character or two, while ß is no ss, and the ligature ﬁ, which has no title case, is neither fi nor FI.
func appendCasemap(dst, text []byte) []byte {
	var m casemapper
	return m.append(dst, text)
}

// casemapString returns appendCasemap of s, which is s where nothing changes.
func casemapString(s string) string {
	return string(appendCasemap(nil, []byte(s)))
}

// A casemapper does appendCasemap. With pages it remembers what characters become: where many texts are looked at, that is
// several times faster.
type casemapper struct {
	pages   *[0x100]*[0x100]charForm // by the upper eight bits of a character below U+10000, and the lower ones
	forms   []byte
	scratch []byte
}

// A charForm is where in forms that of a character is; without length: not known yet.
type charForm struct {
	at     uint32
	length uint8
}

func (m *casemapper) append(dst, text []byte) []byte {
	dst = slices.Grow(dst, len(text)+8)
	for len(text) > 0 {
		for len(text) >= 8 { // eight octets of ASCII at once
			x := binary.LittleEndian.Uint64(text)
			if x&(octets<<7) != 0 {
				break
			}
			letters := (x + octets*(0x80-'a')) &^ (x + octets*(0x80-'z'-1)) & (octets << 7)
			dst = binary.LittleEndian.AppendUint64(dst, x-letters>>2)
			text = text[8:]
		}
		for i := 0; i < 8 && len(text) > 0 && text[0] < utf8.RuneSelf; i++ {
			dst = append(dst, upperOctet(text[0]))
			text = text[1:]
		}
		for len(text) > 0 && text[0] >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text)
			text = text[n:]
			dst = append(dst, m.form(r)...)
		}
	}
	return dst
}

// form returns what a character becomes, until it is called again.
func (m *casemapper) form(r rune) []byte {
	if m.pages == nil || r > 0xffff {
		m.scratch = appendTitle(m.scratch[:0], r)
		return m.scratch
	}
	page := m.pages[r>>8]
	if page == nil {
		page = new([0x100]charForm)
		m.pages[r>>8] = page
	}
	f := &page[r&0xff]
	if f.length == 0 {
		at := len(m.forms)
		m.forms = appendTitle(m.forms, r)
		*f = charForm{uint32(at), uint8(len(m.forms) - at)}
	}
	return m.forms[f.at:][:f.length]
}

// appendTitle appends the form of one character. Hangul syllables have no decomposition in UnicodeData.txt, but "Normalization Form
// KD", which RFC 5051 §2 (2)(b) says the result is, has: by a rule instead of a table.
func appendTitle(dst []byte, r rune) []byte {
	r = unicode.ToTitle(r)
	if syllable := r - firstSyllable; 0 <= syllable && syllable < 19*21*28 {
		dst = utf8.AppendRune(dst, 0x1100+syllable/(21*28))
		dst = utf8.AppendRune(dst, 0x1161+syllable/28%21)
		if last := syllable % 28; last > 0 {
			dst = utf8.AppendRune(dst, 0x11a7+last)
		}
		return dst
	}
	var b [utf8.UTFMax]byte
	one := utf8.AppendRune(b[:0], r)
	if form := norm.NFKD.Properties(one).Decomposition(); form != nil {
		return append(dst, form...)
	}
	return append(dst, one...)
}

// firstSyllable is the first Hangul syllable.
const firstSyllable = 0xac00

func upperOctet(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// A textKind says how keys are found in a text.
type textKind uint8

const (
	textUnknown textKind = iota
	textASCII
	textUTF8
	textOctets // it is in no known charset: compared as it is (RFC 5255 §4.6 (c))
)

func kindOf(text []byte) textKind {
	text = text[asciiPrefix(text):]
	if len(text) == 0 {
		return textASCII
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return textOctets
		}
		text = text[n:]
		if len(text) > 0 && text[0] < utf8.RuneSelf {
			text = text[asciiPrefix(text):]
		}
	}
	return textUTF8
}

// asciiPrefix returns how many octets of b are ASCII before the first that is not.
func asciiPrefix(b []byte) int {
	n := 0
	for ; n+32 <= len(b); n += 32 {
		at := b[n:]
		if (binary.LittleEndian.Uint64(at)|binary.LittleEndian.Uint64(at[8:])|
			binary.LittleEndian.Uint64(at[16:])|binary.LittleEndian.Uint64(at[24:]))&(octets<<7) != 0 {
			break
		}
	}
	for ; n+8 <= len(b); n += 8 {
		if x := binary.LittleEndian.Uint64(b[n:]) & (octets << 7); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(b) && b[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// A searched is text in which one looks for keys.
type searched struct {
	text     []byte
	kind     textKind
	prepared []byte // by appendCasemap, when that is wanted first
	lines    bool   // it is several fields, with line breaks between them
}

// A collator finds keys in texts. It keeps its memory until reset and beyond.
type collator struct {
	mapper casemapper
	buf    []byte // of what was prepared
}

func (c *collator) reset() { c.buf = c.buf[:0] }

// contains reports whether n is in s.
func (c *collator) contains(s *searched, n *needle) bool {
	switch {
	case len(n.key) == 0:
		return true
	case n.breaks && s.lines:
		return false
	}
	if n.prepared == nil || s.kind == textOctets {
		return bytes.Contains(s.text, n.key)
	}
	if n.folded != nil && s.prepared == nil {
		if found, sure := c.scan(s, n); sure {
			return found
		}
	}
	if s.kind == textUnknown {
		s.kind = kindOf(s.text)
	}
	switch {
	case s.kind == textOctets:
		return bytes.Contains(s.text, n.key)
	case s.kind == textASCII && n.folded == nil:
		return false
	}
	return bytes.Contains(c.prepare(s), n.prepared)
}

// prepare returns s as it is compared, as it is if that is not known.
func (c *collator) prepare(s *searched) []byte {
	if s.kind == textUnknown {
		s.kind = kindOf(s.text)
	}
	if s.kind == textOctets {
		return s.text
	}
	if s.prepared == nil {
		start := len(c.buf)
		c.buf = c.memory().append(c.buf, s.text)
		s.prepared = c.buf[start:len(c.buf):len(c.buf)]
	}
	return s.prepared
}

func (c *collator) memory() *casemapper {
	if c.mapper.pages == nil {
		c.mapper.pages = new([0x100]*[0x100]charForm)
	}
	return &c.mapper
}

// scan looks for n, which has folded, preparing no more of the text than what is around characters beyond ASCII. It is not sure
// where that takes too long, or the text turns out to be octets.
func (c *collator) scan(s *searched, n *needle) (found, sure bool) {
	found, ascii, sure := n.find(s.text, c.memory())
	switch {
	case !sure:
		return false, false
	case !found && ascii:
		s.kind = textASCII
		return false, true
	case !found:
		found, sure = c.around(s, n)
	}
	if found && s.kind == textUnknown {
		s.kind = kindOf(s.text)
	}
	return found, sure && s.kind != textOctets
}

// around looks for n where a character beyond ASCII has to do with it that find did not look at.
func (c *collator) around(s *searched, n *needle) (found, sure bool) {
	m, text, work := c.memory(), s.text, 4*len(s.text)
	reach := utf8.UTFMax * len(n.prepared) // of each character comes one octet at least
	begin := 0
	if len(n.folded) > 1 { // À to ÿ are letters below accents, or have no ASCII
		begin = latinPrefix(text)
	}
	for i := begin + asciiPrefix(text[begin:]); i < len(text); i += asciiPrefix(text[i:]) {
		start, wanted := i, false
		for i < len(text) && text[i] >= utf8.RuneSelf {
			r, size := decodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				s.kind = textOctets
				return false, false
			}
			wanted = wanted || n.wants(r, m)
			i += size
		}
		if !wanted {
			continue
		}
		from, to := max(0, start-reach), min(len(text), i+reach)
		for from > 0 && !utf8.RuneStart(text[from]) {
			from--
		}
		for to < len(text) && !utf8.RuneStart(text[to]) {
			to++
		}
		if work -= to - from; work < 0 {
			return false, false
		}
		old := len(c.buf)
		c.buf = m.append(c.buf, text[from:to])
		found = bytes.Contains(c.buf[old:], n.prepared)
		c.buf = c.buf[:old]
		if found {
			return true, true
		}
	}
	s.kind = textUTF8
	return false, true
}

// decodeRune is utf8.DecodeRune, faster for two octets.
func decodeRune(b []byte) (rune, int) {
	if len(b) > 1 && b[0]-0xc2 < 0xe0-0xc2 && b[1]&0xc0 == 0x80 {
		return rune(b[0]&0x1f)<<6 | rune(b[1]&0x3f), 2
	}
	return utf8.DecodeRune(b)
}

// latinPrefix returns how many octets at the beginning of text are ASCII and characters from U+00C0 to U+00FF, which begin with 0xc3.
func latinPrefix(text []byte) int {
	const wide = octets << 7
	i, expected := 0, uint64(0) // bit 7 of the first octet, if the one before is 0xc3
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		if x&wide|expected == 0 {
			continue
		}
		lead := x & (x << 1) & wide // of several octets
		y := x ^ octets*0xc3
		if lead&((y&^wide+wide-octets)|y) != 0 || x&wide^lead != lead<<8|expected {
			break
		}
		expected = lead >> 56
	}
	if expected != 0 {
		i--
	}
	return i
}

// wants reports whether n touches what a character becomes. It remembers that of those below U+0800, which alphabets are in.
func (n *needle) wants(r rune, m *casemapper) bool {
	if r >= 64*rune(len(n.known)) {
		return n.touches(m.form(r))
	}
	word, bit := r/64, uint64(1)<<(r%64)
	if n.known[word]&bit == 0 {
		n.known[word] |= bit
		if n.touches(m.form(r)) {
			n.wanted[word] |= bit
		}
	}
	return n.wanted[word]&bit != 0
}

// touches reports whether some of n, which is ASCII, may be of a character that becomes form, apart from what find looks at: a letter
// below an accent that n ends with.
func (n *needle) touches(form []byte) bool {
	for i := len(form) - 1; i >= 0; i-- {
		if form[i] < utf8.RuneSelf {
			return i > 0 || len(form) == 1 || len(n.prepared) == 1 && form[0] == n.prepared[0]
		}
	}
	return false
}
