package mail

import (
	"html"
	"strings"
)

// htmlText returns the text of an HTML document with what is markup left out (RFC 8621 §4.4.1): tags, comments, and
// the content of head, script, style and title; alt and title attributes stay. It takes any text.
func htmlText(s string) string {
	var b strings.Builder
	headless := false // no end of a head was found
	for {
		text, rest, ok := strings.Cut(s, "<")
		b.WriteString(html.UnescapeString(text))
		if !ok {
			return b.String()
		}
		s = rest
		switch {
		case strings.HasPrefix(s, "!--"):
			_, s, _ = strings.Cut(s, "-->")
			continue
		case s == "" || !isLetter(s[0]) && s[0] != '/' && s[0] != '!' && s[0] != '?':
			b.WriteByte('<')
			continue
		}
		n := tagEnd(s)
		tag := s[:n]
		s = s[min(n+1, len(s)):]
		name := tagName(tag)
		switch name {
		case "head":
			if headless {
				break
			}
			if after, ok := skipElement(s, name); ok {
				s = after
			} else {
				headless = true
			}
		case "script", "style", "title":
			s, _ = skipElement(s, name)
		case "b", "i", "u", "a", "em", "strong", "span", "font", "small", "code", "/b", "/i", "/u", "/a", "/em", "/strong", "/span", "/font", "/small", "/code":
		default:
			b.WriteByte(' ')
		}
		for _, a := range []string{"alt", "title"} {
			if v := attribute(tag, a); v != "" {
				b.WriteString(" " + html.UnescapeString(v) + " ")
			}
		}
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// tagEnd returns the index of the tag's ">", quoted values passed over.
func tagEnd(s string) int {
	quote := byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && s[i-1] == '=':
			quote = c
		case c == '>':
			return i
		}
	}
	if i := strings.IndexByte(s, '>'); i >= 0 {
		return i // a quote left open
	}
	return len(s)
}

func tagName(tag string) string {
	n := 0
	for n < len(tag) && (isLetter(tag[n]) || n == 0 && tag[n] == '/' || n > 0 && tag[n] >= '0' && tag[n] <= '9') {
		n++
	}
	return strings.ToLower(tag[:n])
}

// skipElement returns s from behind the end tag of name, "" and false where there is none.
func skipElement(s, name string) (string, bool) {
	for {
		_, after, ok := strings.Cut(s, "</")
		if !ok {
			return "", false
		}
		s = after
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			_, s, _ = strings.Cut(s, ">")
			return s, true
		}
	}
}

// maxTag is how much of a tag is searched for attributes.
const maxTag = 4096

// attribute returns the first quoted value of an attribute.
func attribute(tag, name string) string {
	tag = tag[:min(len(tag), maxTag)]
	i := strings.Index(asciiLower(tag), " "+name+"=")
	if i < 0 {
		return ""
	}
	rest := tag[i+len(name)+2:]
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	v, _, _ := strings.Cut(rest[1:], rest[:1])
	return v
}

// asciiLower is strings.ToLower for ASCII, which keeps lengths.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
