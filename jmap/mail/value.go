package mail

import (
	"strings"
	"unicode/utf8"
)

// Value returns the text of a text part (RFC 8621 §4.1.4): decoded, LF for CRLF, and with limit above 0 cut to so many
// octets, not within a character and in HTML not within a tag.
func (p *Parsed) Value(part *BodyPart, limit uint) BodyValue {
	b, ok := p.Content(string(part.PartID))
	s, known := decodeCharset(b, string(part.Charset))
	v := BodyValue{Value: strings.ReplaceAll(s, "\r\n", "\n"), IsEncodingProblem: !ok || !known}
	if limit == 0 || uint(len(v.Value)) <= limit {
		return v
	}
	v.IsTruncated = true
	n := int(limit)
	for n > 0 && !utf8.RuneStart(v.Value[n]) {
		n--
	}
	if part.Type == "text/html" {
		if open := strings.LastIndexByte(v.Value[:n], '<'); open > strings.LastIndexByte(v.Value[:n], '>') {
			n = open
		}
	}
	v.Value = v.Value[:n]
	return v
}

// Text returns what a reader sees of a text part: HTML without its markup.
func (p *Parsed) Text(part *BodyPart) string {
	v := p.Value(part, 0).Value
	if part.Type == "text/html" {
		return htmlText(v)
	}
	return v
}
