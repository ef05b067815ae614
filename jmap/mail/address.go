package mail

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/mailbricks/mailbricks/jmap"
)

// ParseAddresses parses an address list as well as it can (RFC 8621 §4.1.2.3): every mailbox of it, groups dissolved.
// It returns an empty list, not nil, where there is none.
func ParseAddresses(raw string) []Address {
	out := []Address{}
	for _, g := range ParseAddressGroups(raw) {
		out = append(out, g.Addresses...)
	}
	return out
}

// ParseAddressGroups parses an address list as well as it can (RFC 8621 §4.1.2.4): mailboxes that are in no group are
// collected under groups without a name.
func ParseAddressGroups(raw string) []AddressGroup {
	p := addressParser{s: unfold(raw), out: []AddressGroup{}}
	p.parse()
	return p.out
}

// An addressParser takes an address list apart at the top-level "," ":" ";". It accepts anything.
type addressParser struct {
	s       string
	out     []AddressGroup
	inGroup bool

	// The mailbox in progress.
	phrase  []phraseWord
	space   bool   // white space since the last word
	angle   string // what stood in <>
	angled  bool
	comment string // the last one
}

// A phraseWord is an atom or a quoted string.
type phraseWord struct {
	text   string // quoted: without quotes and backslashes
	quoted bool
	space  bool // white space before it
}

func (p *addressParser) parse() {
	for len(p.s) > 0 {
		switch c := p.s[0]; c {
		case ' ', '\t':
			p.s, p.space = p.s[1:], true
		case ',':
			p.s = p.s[1:]
			p.end()
		case ';':
			p.s = p.s[1:]
			p.end()
			p.inGroup = false
		case ':':
			p.s = p.s[1:]
			p.group()
		case '"':
			p.word(phraseWord{text: p.quoted(), quoted: true})
		case '(':
			p.comment = p.skipComment()
		case '<':
			p.route()
		case '[':
			n := strings.IndexByte(p.s, ']') + 1
			if n == 0 {
				n = len(p.s)
			}
			p.word(phraseWord{text: p.s[:n]})
			p.s = p.s[n:]
		default:
			n := strings.IndexAny(p.s, " \t,;:\"(<[")
			if n < 0 {
				n = len(p.s)
			}
			p.word(phraseWord{text: p.s[:n]})
			p.s = p.s[n:]
		}
	}
	p.end()
}

func (p *addressParser) word(w phraseWord) {
	w.space, p.space = p.space, false
	p.phrase = append(p.phrase, w)
}

// quoted takes a quoted string and returns what it means.
func (p *addressParser) quoted() string {
	var b strings.Builder
	i := 1
	for ; i < len(p.s) && p.s[i] != '"'; i++ {
		if p.s[i] == '\\' && i+1 < len(p.s) {
			i++
		}
		b.WriteByte(p.s[i])
	}
	p.s = p.s[min(i+1, len(p.s)):]
	return b.String()
}

// skipComment takes a comment, those within it too, and returns its text.
func (p *addressParser) skipComment() string {
	var b strings.Builder
	depth, i := 0, 0
	for ; i < len(p.s); i++ {
		c := p.s[i]
		switch {
		case c == '\\' && i+1 < len(p.s):
			i++
			b.WriteByte(p.s[i])
			continue
		case c == '(':
			if depth++; depth == 1 {
				continue
			}
		case c == ')':
			depth--
		}
		if depth == 0 {
			break
		}
		b.WriteByte(c)
	}
	p.s = p.s[min(i+1, len(p.s)):]
	return DecodeText(b.String())
}

// route takes an address in angle brackets, dropping a source route (RFC 5322 §4.4), white space and comments.
func (p *addressParser) route() {
	p.s = p.s[1:]
	var b strings.Builder
	for len(p.s) > 0 && p.s[0] != '>' {
		switch c := p.s[0]; c {
		case ' ', '\t':
			p.s = p.s[1:]
		case '(':
			p.skipComment()
		case '"':
			before := p.s
			p.quoted()
			b.WriteString(before[:len(before)-len(p.s)])
		default:
			b.WriteByte(c)
			p.s = p.s[1:]
		}
	}
	if len(p.s) > 0 {
		p.s = p.s[1:]
	}
	p.angle, p.angled = b.String(), true
	if strings.HasPrefix(p.angle, "@") {
		if _, after, ok := strings.Cut(p.angle, ":"); ok {
			p.angle = after
		}
	}
}

// end ends a mailbox.
func (p *addressParser) end() {
	a := Address{Email: cleanUTF8(p.angle)}
	if p.angled {
		a.Name = jmap.NullString(p.name())
	} else {
		var b strings.Builder
		for i, w := range p.phrase {
			if w.space && i > 0 && !strings.HasPrefix(w.text, "@") && !strings.HasSuffix(b.String(), "@") {
				b.WriteByte(' ')
			}
			if w.quoted {
				b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w.text) + `"`)
			} else {
				b.WriteString(w.text)
			}
		}
		a.Email = cleanUTF8(b.String())
	}
	if a.Name == "" {
		a.Name = jmap.NullString(p.comment)
	}
	found := p.angled && a.Email+string(a.Name) != "" || a.Email != ""
	p.phrase, p.space, p.angle, p.angled, p.comment = nil, false, "", false, ""
	if !found {
		return
	}
	if n := len(p.out); !p.inGroup && (n == 0 || p.out[n-1].Name != nil) {
		p.out = append(p.out, AddressGroup{Addresses: []Address{}})
	}
	g := &p.out[len(p.out)-1]
	g.Addresses = append(g.Addresses, a)
}

// group begins a group that the phrase names.
func (p *addressParser) group() {
	p.out = append(p.out, AddressGroup{Name: new(p.name()), Addresses: []Address{}})
	p.phrase, p.space, p.angle, p.angled, p.comment = nil, false, "", false, ""
	p.inGroup = true
}

// name returns the phrase as a display name: encoded words decoded where they are not quoted.
func (p *addressParser) name() string {
	var b, atoms strings.Builder
	flush := func() {
		if s := strings.TrimLeft(atoms.String(), " "); s != "" {
			if len(s) < atoms.Len() && b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(decodeWords(s))
		}
		atoms.Reset()
	}
	for _, w := range p.phrase {
		if !w.quoted {
			if w.space {
				atoms.WriteByte(' ')
			}
			atoms.WriteString(w.text)
			continue
		}
		flush()
		if w.space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(cleanUTF8(w.text))
	}
	flush()
	return norm.NFC.String(strings.TrimSpace(b.String()))
}
