package imap

import (
	"bytes"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// maxPreview is how many characters a preview has at most (RFC 8970 §3.3 has 200 for it, and 256 as the bound).
const maxPreview = 200

// maxPreviewText is how many octets of a text are looked at for it.
const maxPreviewText = 64 << 10

// Preview returns the beginning of a message's text in one line, in UTF-8 (RFC 8970): that of the first plain text with
// something in it but quotations, else of the first HTML, without markup. Attachments do not count, nor do messages within the
// message. "" for a message without text. A message that has been cut off may be given.
func Preview(m *message.Message) string {
	fallback := ""
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != message.Leaf || attached(m, p) {
			continue
		}
		t := p.ContentType()
		if t.Type != "text" || t.Subtype != "plain" && t.Subtype != "html" || t.Subtype == "html" && fallback != "" {
			continue
		}
		text, err := DecodeTransfer(p)
		if err != nil {
			continue
		}
		charset, _ := t.Params.Lookup("charset")
		text, _ = toUTF8(charset.Value, text[:min(len(text), maxPreviewText)])
		if t.Subtype == "html" {
			fallback = oneLine(htmlText(text), false)
			continue
		}
		if s := oneLine(text, true); s != "" {
			return s
		}
	}
	return fallback
}

// attached reports a part that is, or is within, an attachment or another message.
func attached(m *message.Message, p *message.Part) bool {
	for {
		v, _ := p.Get("Content-Disposition")
		if message.ParseDisposition(v).Type == "attachment" {
			return true
		}
		if p.Parent < 0 {
			return false
		}
		if p = &m.Parts[p.Parent]; p.Kind != message.Leaf && p.ContentType().Type == "message" {
			return true
		}
	}
}

// oneLine returns the beginning of a text, white space collapsed and control characters left out; in plain text without
// quotations, and without the signature.
func oneLine(text []byte, plain bool) string {
	var b strings.Builder
	n, space := 0, false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if plain && len(line) > 0 && line[0] == '>' {
			continue
		}
		if plain && string(line) == "-- " {
			break
		}
		for len(line) > 0 {
			c, size := utf8.DecodeRune(line)
			line = line[size:]
			switch {
			case unicode.IsSpace(c):
				space = true
				continue
			case unicode.IsControl(c) || c == '\ufeff' || c == utf8.RuneError && size == 1:
				continue
			}
			if space && n > 0 {
				b.WriteByte(' ')
				n++
			}
			if space = false; n >= maxPreview {
				return strings.TrimRight(b.String(), " ")
			}
			b.WriteRune(c)
			n++
		}
		space = true
	}
	return b.String()
}

// htmlText returns the text of HTML: tags are spaces, and what scripts, styles and the head hold is left out.
func htmlText(text []byte) []byte {
	var out []byte
	for len(text) > 0 {
		i := bytes.IndexByte(text, '<')
		if i < 0 {
			out = append(out, text...)
			break
		}
		out = append(append(out, text[:i]...), ' ')
		text = text[i:]
		if bytes.HasPrefix(text, []byte("<!--")) {
			_, text, _ = bytes.Cut(text, []byte("-->"))
			continue
		}
		end := bytes.IndexByte(text, '>')
		if end < 0 {
			break
		}
		tag := tagName(text[1:end])
		text = text[end+1:]
		switch tag {
		case "script", "style", "head", "title":
			text = afterTag(text, tag)
		}
	}
	return []byte(html.UnescapeString(string(out)))
}

func tagName(b []byte) string {
	n := 0
	for n < len(b) && n < 16 && ('a' <= b[n]|0x20 && b[n]|0x20 <= 'z') {
		n++
	}
	return strings.ToLower(string(b[:n]))
}

// afterTag returns what comes behind the end tag, nothing if there is none.
func afterTag(text []byte, tag string) []byte {
	for {
		i := bytes.Index(text, []byte("</"))
		if i < 0 {
			return nil
		}
		text = text[i+2:]
		if tagName(text) == tag {
			_, text, _ = bytes.Cut(text, []byte(">"))
			return text
		}
	}
}
