package imap

import (
	"bytes"
	"strings"
)

// ParseAddresses appends the addresses of a From, To or similar field to dst, as an Envelope has them: quotes are
// taken off, encoded words are not decoded, a comment names an address that has no name, source routes are dropped.
// It takes what it can of anything, in linear time: an address without a host gets MissingHost.
func ParseAddresses(dst []Address, value []byte) []Address {
	p := addressParser{b: value, out: dst}
	for {
		p.skip()
		if p.end() {
			break
		}
		switch p.b[p.i] {
		case ',':
			p.i++
		case ';':
			p.i++
			if p.group {
				p.out = append(p.out, Address{})
				p.group = false
			}
		default:
			p.address()
		}
	}
	if p.group {
		p.out = append(p.out, Address{})
	}
	return p.out
}

type addressParser struct {
	b       []byte
	i       int
	comment []byte // the last one passed over
	buf     []byte
	apart   bool // words saw two words with white space but no dot between them
	group   bool
	out     []Address
}

func (p *addressParser) end() bool { return p.i >= len(p.b) }

func (p *addressParser) at(c byte) bool { return p.i < len(p.b) && p.b[p.i] == c }

// address reads one mailbox, or the beginning of a group.
func (p *addressParser) address() {
	start := p.i
	p.comment = nil
	phrase := p.words(" ")
	switch {
	case p.at('<'):
		p.angle(phrase)
	case p.at(':') && !p.group:
		p.i++
		if phrase == "" {
			phrase = MissingMailbox
		}
		p.group = true
		p.out = append(p.out, Address{Mailbox: phrase})
		return
	case p.at('@') && p.apart: // a name that lacks its address: no address is made up from it
		p.add(phrase, "", "")
	case p.at('@'):
		end := p.i
		p.i = start
		local := p.words("")
		p.i = end
		host := p.host()
		p.skip()
		if p.at('<') { // an address as the name of another
			p.angle(fieldText(p.b[start:p.i]))
			return
		}
		p.add(p.commentText(), local, host)
	case phrase == "" && p.comment == nil:
		p.i++ // a character that cannot be here
		return
	default:
		p.add(p.commentText(), phrase, "")
	}
	p.rest()
}

// rest passes what an address leaves behind.
func (p *addressParser) rest() {
	for p.skip(); !p.end() && !p.at(',') && !p.at(';'); p.skip() {
		if p.at('"') {
			p.quoted()
		} else {
			p.i++
		}
	}
}

// angle reads <route:local@host>.
func (p *addressParser) angle(name string) {
	outside := p.comment // one within the brackets is no name
	p.i++
	p.skip()
	if p.at('@') {
		if n := bytes.IndexAny(p.b[p.i:], ":>"); n >= 0 && p.b[p.i+n] == ':' {
			p.i += n + 1
		}
	}
	local, host := p.words(""), ""
	if p.at('@') {
		host = p.host()
	}
	for !p.end() && !p.at('>') && !p.at(',') {
		p.i++
	}
	if p.at('>') {
		p.i++
	}
	p.comment = outside
	if name == "" {
		p.skip()
		name = p.commentText()
	}
	p.add(name, local, host)
}

func (p *addressParser) add(name, local, host string) {
	if local == "" {
		local = MissingMailbox
	}
	if host == "" {
		host = MissingHost
	}
	p.out = append(p.out, Address{Name: name, Mailbox: local, Host: host})
}

// words reads atoms, dots and quoted strings up to a special, joined by sep where white space is between them.
func (p *addressParser) words(sep string) string {
	b := p.buf[:0]
	p.apart = false
	for {
		before := p.i
		p.skip()
		if p.end() || bytes.IndexByte([]byte("<>:;,@"), p.b[p.i]) >= 0 {
			break
		}
		if len(b) > 0 && p.i > before {
			p.apart = p.apart || b[len(b)-1] != '.' && !p.at('.')
			b = append(b, sep...)
		}
		if p.at('"') {
			b = append(b, p.quoted()...)
			continue
		}
		start := p.i
		for !p.end() && bytes.IndexByte([]byte("<>:;,@\"( \t\r\n"), p.b[p.i]) < 0 {
			p.i++
		}
		b = append(b, p.b[start:p.i]...)
	}
	p.buf = b
	return clean(b)
}

// quoted reads a quoted string.
func (p *addressParser) quoted() []byte {
	p.i++
	start, escaped := p.i, false
	for !p.end() && !p.at('"') {
		if p.at('\\') {
			escaped = true
			p.i++
		}
		p.i++
	}
	s := p.b[start:min(p.i, len(p.b))]
	p.i = min(p.i+1, len(p.b))
	if !escaped && bytes.IndexByte(s, '\n') < 0 {
		return s
	}
	return unescape(s)
}

// host reads @domain, as it is written but for white space and comments.
func (p *addressParser) host() string {
	p.i++
	p.skip()
	b := p.buf[:0]
	if p.at('[') {
		for !p.end() && !p.at(']') && !p.at('>') {
			b = append(b, p.b[p.i])
			p.i++
		}
		if p.at(']') {
			b = append(b, ']')
			p.i++
		}
		p.buf = b
		return clean(b)
	}
	for {
		start := p.i
		for !p.end() && bytes.IndexByte([]byte("<>:;,@\"( \t\r\n"), p.b[p.i]) < 0 {
			p.i++
		}
		b = append(b, p.b[start:p.i]...)
		end := p.i
		p.skip()
		if p.end() || len(b) == 0 || p.b[p.i] != '.' && b[len(b)-1] != '.' || p.i == end {
			p.buf = b
			return clean(b)
		}
		if p.b[p.i] != '.' && bytes.IndexByte([]byte("<>:;,@\"("), p.b[p.i]) >= 0 {
			p.buf = b
			return clean(b)
		}
	}
}

// skip passes white space and comments, and keeps the last comment.
func (p *addressParser) skip() {
	depth, start := 0, 0
	for ; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0:
		case c == '(':
			if depth == 0 {
				start = p.i + 1
			}
			depth++
		case depth == 0:
			return
		case c == ')':
			if depth--; depth == 0 {
				p.comment = p.b[start:p.i]
			}
		case c == '\\':
			p.i++
		}
	}
	p.i = len(p.b)
	if depth > 0 {
		p.comment = p.b[min(start, len(p.b)):]
	}
}

func (p *addressParser) commentText() string {
	return strings.TrimSpace(clean(unescape(p.comment)))
}

// unescape undoes backslashes and line breaks.
func unescape(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 && bytes.IndexByte(s, '\n') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			out = append(out, s[i])
		case s[i] != '\r' && s[i] != '\n':
			out = append(out, s[i])
		}
	}
	return out
}

// clean makes a string without NUL and line ends, which no IMAP string of an envelope holds.
func clean(b []byte) string {
	if bytes.IndexByte(b, 0) < 0 && bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		return string(b)
	}
	return strings.Map(func(r rune) rune {
		if r == 0 || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, string(b))
}
