package imap

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
	"mime"
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

// decode reads header and body: the fields of every part and message within, and the text of every text part. What
// needs no decoding is not copied.
func (t *messageText) decode(m *message.Message) {
	t.done = true
	for i := range m.Parts {
		p := &m.Parts[i]
		dst := &t.body
		if i == 0 {
			dst = &t.header
		}
		for _, f := range p.Fields() {
			dst.add(t.field(f.Bytes(m.Raw)))
		}
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
		t.body.add(toUTF8(charset.Value, text))
	}
}

// field returns a field unfolded and decoded.
func (t *messageText) field(f []byte) []byte {
	f = bytes.TrimSpace(f)
	if bytes.IndexByte(f, '\n') >= 0 {
		start := len(t.buf)
		t.buf = message.AppendUnfolded(t.buf, f)
		f = t.buf[start:len(t.buf):len(t.buf)]
	}
	if bytes.Contains(f, []byte("=?")) {
		return []byte(decodeWords(string(f)))
	}
	return f
}

// texts are texts in which one looks for words. lower is made when it is wanted first.
type texts struct {
	list, lower [][]byte
}

func (t *texts) add(text []byte) { t.list = append(t.list, text) }

func (t *texts) reset() {
	clear(t.list)
	clear(t.lower)
	t.list, t.lower = t.list[:0], t.lower[:0]
}

// contains reports whether n is in one of the texts.
func (t *texts) contains(n *needle) bool {
	if len(n.lower) == 0 {
		return true
	}
	for i, text := range t.list {
		found, sure := n.find(text)
		if !sure {
			for len(t.lower) < len(t.list) {
				t.lower = append(t.lower, nil)
			}
			if t.lower[i] == nil {
				t.lower[i] = bytes.ToLower(text)
			}
			found = bytes.Contains(t.lower[i], n.lower)
		}
		if found {
			return true
		}
	}
	return false
}

// A needle is text to be found in any case.
type needle struct {
	lower []byte
	ascii bool
	// ki: it has a letter that is the lower case of one beyond ASCII too: U+212A and U+0130.
	ki bool
	// at is the place of the octet that text has least of all, next that of the one after it.
	at, next int
}

func newNeedle(want string) needle {
	n := needle{lower: []byte(strings.ToLower(want)), ascii: true}
	for i, c := range n.lower {
		n.ascii = n.ascii && c < utf8.RuneSelf
		n.ki = n.ki || c == 'k' || c == 'i'
		if rarity(c) > rarity(n.lower[n.at]) {
			n.at, n.next = i, n.at
		} else if n.next == n.at || rarity(c) > rarity(n.lower[n.next]) {
			n.next = i
		}
	}
	return n
}

// rarity is higher for what is rarer in mail.
func rarity(c byte) int {
	return len(" etaonisrhldcumfpgwybvkxjqz") - strings.IndexByte(" etaonisrhldcumfpgwybvkxjqz", c)
}

// in reports whether n is in text.
func (n *needle) in(text []byte) bool {
	found, sure := n.find(text)
	if !sure {
		found = bytes.Contains(bytes.ToLower(text), n.lower)
	}
	return found
}

// find looks for n without a copy of text. It is not sure where that needs Unicode, or takes too long.
func (n *needle) find(text []byte) (found, sure bool) {
	if !n.ascii || n.ki && (bytes.Contains(text, []byte("\u212a")) || bytes.Contains(text, []byte("\u0130"))) {
		return false, false
	}
	if len(text) < len(n.lower) || len(n.lower) == 0 {
		return len(n.lower) == 0, true
	}
	// Eight places at once: where both rare octets fit, but for bit 5 of letters, all is compared.
	places, work := len(text)-len(n.lower)+1, 16*len(text)
	rare, fold := octets*uint64(n.lower[n.at]), octets*foldBit(n.lower[n.at])
	rare2, fold2 := octets*uint64(n.lower[n.next]), octets*foldBit(n.lower[n.next])
	first, second := text[n.at:], text[n.next:]
	i := 0
	for ; i+8 <= places; i += 8 {
		differ := (binary.LittleEndian.Uint64(first[i:]) | fold) ^ rare
		differ |= (binary.LittleEndian.Uint64(second[i:]) | fold2) ^ rare2
		for zero := zeroOctets(differ); zero != 0; zero &= zero - 1 {
			same := prefixFold(text[i+bits.TrailingZeros64(zero)/8:], n.lower)
			if same == len(n.lower) {
				return true, true
			}
			if work -= 8 + same; work < 0 {
				return false, false
			}
		}
	}
	for ; i < places; i++ {
		if prefixFold(text[i:], n.lower) == len(n.lower) {
			return true, true
		}
	}
	return false, true
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

// decodeWords decodes encoded words (RFC 2047) of known charsets and leaves everything else as it is, in linear time.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	d := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		return bytes.NewReader(toUTF8(charset, b)), err
	}}
	var out strings.Builder
	after := false // an encoded word: white space between two of them goes
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		n := encodedWord(s[i:])
		word, err := "", error(nil)
		if n > 0 {
			word, err = d.Decode(s[i : i+n])
		}
		if n == 0 || err != nil {
			out.WriteString(s[:i+2])
			s, after = s[i+2:], false
			continue
		}
		if !after || strings.Trim(s[:i], " \t\r\n") != "" {
			out.WriteString(s[:i])
		}
		out.WriteString(word)
		s, after = s[i+n:], true
	}
	out.WriteString(s)
	return out.String()
}

// encodedWord returns the length of what looks like an encoded word at the beginning of s, 0 if nothing does.
func encodedWord(s string) int {
	s = s[:min(len(s), maxEncodedWord)]
	at := 2
	for range 2 { // behind the charset and the encoding
		start := at
		for at < len(s) && s[at] != '?' && s[at] != ' ' {
			at++
		}
		if at == start || at == len(s) || s[at] == ' ' {
			return 0
		}
		at++
	}
	end := strings.Index(s[at:], "?=")
	if end < 0 {
		return 0
	}
	return at + end + 2
}

// toUTF8 returns b as UTF-8, or as it is where the charset is unknown.
func toUTF8(charset string, b []byte) []byte {
	switch strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
		return b
	}
	enc, err := htmlindex.Get(charset)
	if err != nil {
		enc, err = ianaindex.MIME.Encoding(charset)
	}
	if err != nil || enc == nil {
		return b
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return out
}
