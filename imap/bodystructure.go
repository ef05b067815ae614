package imap

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// ParseBodyStructure reads the BODYSTRUCTURE of a part, usually the Root of a message. Every message has one: a
// multipart without parts has got one from message.Parse, and a part without a usable Content-Type is text/plain.
// Size and Lines count the octets as they are in the message. Parameters in pieces (RFC 2231 §3) are joined.
func ParseBodyStructure(p *message.Part) *BodyStructure {
	b := &BodyStructure{}
	b.parse(p)
	return b
}

func (b *BodyStructure) parse(p *message.Part) {
	typ := p.ContentType()
	b.Type, b.Subtype = noNUL(strings.ToUpper(typ.Type)), noNUL(strings.ToUpper(typ.Subtype))
	b.Params = bodyParams(typ.Params)
	if !slices.ContainsFunc(b.Params, func(p BodyParam) bool { return p.Name == "charset" }) && b.Type == "TEXT" {
		b.Params = append(b.Params, BodyParam{"charset", "us-ascii"}) // RFC 2046 §4.1.2
	}
	b.Encoding = "7BIT"
	raw := p.Message().Raw
	for _, f := range p.Fields() {
		if n := f.Name(raw); len(n) > len("content-") && foldEqual(n[:len("content-")], "content-") {
			b.field(n[len("content-"):], f.Value(raw))
		}
	}
	b.Size = int64(p.End - p.BodyStart)
	n := 0
	for range p.Children() {
		n++
	}
	switch {
	case p.Kind == message.Multipart:
		b.Parts = make([]BodyStructure, 0, n)
		for c := range p.Children() {
			b.Parts = append(b.Parts, BodyStructure{})
			b.Parts[len(b.Parts)-1].parse(c)
		}
	case p.Kind == message.Embedded:
		c := p.Child(1)
		b.Envelope = ParseEnvelope(c)
		b.Message = ParseBodyStructure(c)
		b.Lines = int64(bytes.Count(p.Body(), []byte{'\n'}))
	case b.Type == "TEXT":
		b.Lines = int64(bytes.Count(p.Body(), []byte{'\n'}))
	}
}

// field takes over a field whose name is Content- and name. The first of each counts, of Content-Disposition the last.
func (b *BodyStructure) field(name, value []byte) {
	set := func(s *string, text string) {
		if *s == "" {
			*s = text
		}
	}
	switch {
	case foldEqual(name, "transfer-encoding"):
		if e := noNUL(strings.ToUpper(message.ParseDisposition(value).Type)); e != "" && b.Encoding == "7BIT" {
			b.Encoding = e
		}
	case foldEqual(name, "id"):
		set(&b.ID, fieldText(value))
	case foldEqual(name, "description"):
		set(&b.Description, fieldText(value))
	case foldEqual(name, "md5"):
		set(&b.MD5, fieldText(value))
	case foldEqual(name, "location"):
		set(&b.Location, fieldText(value))
	case foldEqual(name, "disposition"):
		if d := message.ParseDisposition(value); d.Type != "" {
			b.Disposition, b.DispParams = noNUL(d.Type), bodyParams(d.Params)
		}
	case foldEqual(name, "language"):
		if b.Language == nil {
			for s := range strings.FieldsFuncSeq(fieldText(value), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
				b.Language = append(b.Language, s)
			}
		}
	}
}

// bodyParams takes over parameters, pieces of one (RFC 2231 §3) joined in the place of the first.
func bodyParams(ps message.Params) []BodyParam {
	if len(ps) == 0 {
		return nil
	}
	out := make([]BodyParam, 0, len(ps))
	var pieces map[string][]paramPiece
	for _, p := range ps {
		name, piece, ok := cutPiece(p)
		if !ok {
			out = append(out, BodyParam{noNUL(p.Name), noNUL(p.Value)})
			continue
		}
		if pieces == nil {
			pieces = make(map[string][]paramPiece)
		}
		if pieces[name] == nil {
			piece.at = len(out)
			out = append(out, BodyParam{})
		}
		pieces[name] = append(pieces[name], piece)
	}
	for name, list := range pieces {
		out[list[0].at] = joinPieces(name, list)
	}
	return out
}

type paramPiece struct {
	number  int
	encoded bool
	value   string
	at      int // of the first one, in the list
}

// cutPiece reads a name like title*1 or title*1*.
func cutPiece(p message.Param) (name string, piece paramPiece, ok bool) {
	name, rest, ok := strings.Cut(p.Name, "*")
	if !ok || rest == "" {
		return "", paramPiece{}, false
	}
	rest, encoded := strings.CutSuffix(rest, "*")
	n, err := strconv.ParseUint(rest, 10, 31)
	return name, paramPiece{number: int(n), encoded: encoded, value: p.Value}, err == nil
}

// joinPieces joins the pieces that follow on each other.
func joinPieces(name string, pieces []paramPiece) BodyParam {
	slices.SortStableFunc(pieces, func(a, b paramPiece) int { return cmp.Compare(a.number, b.number) })
	end := 1
	for end < len(pieces) && pieces[end].number == pieces[end-1].number+1 {
		end++
	}
	pieces = pieces[:end]
	encoded := slices.ContainsFunc(pieces, func(p paramPiece) bool { return p.encoded })
	var value strings.Builder
	for _, p := range pieces {
		if encoded && !p.encoded {
			p.value = strings.ReplaceAll(p.value, "%", "%25")
		}
		value.WriteString(p.value)
	}
	if encoded {
		name += "*"
	}
	return BodyParam{noNUL(name), noNUL(value.String())}
}

func noNUL(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// AppendBodyStructure appends b as FETCH gives BODYSTRUCTURE, or without extension data as it gives BODY; nil is an
// empty text/plain.
func AppendBodyStructure(dst []byte, b *BodyStructure, extended bool) []byte {
	if b == nil {
		b = &BodyStructure{Type: "TEXT", Subtype: "PLAIN", Encoding: "7BIT"}
	}
	dst = append(dst, '(')
	if len(b.Parts) > 0 {
		for i := range b.Parts {
			dst = AppendBodyStructure(dst, &b.Parts[i], extended)
		}
		dst = append(dst, ' ')
		dst = AppendString(dst, b.Subtype)
		if extended {
			dst = append(dst, ' ')
			dst = appendParams(dst, b.Params)
			dst = b.appendTail(dst)
		}
		return append(dst, ')')
	}
	dst = AppendString(dst, b.Type)
	dst = append(dst, ' ')
	dst = AppendString(dst, b.Subtype)
	dst = append(dst, ' ')
	dst = appendParams(dst, b.Params)
	dst = append(dst, ' ')
	dst = AppendNString(dst, b.ID)
	dst = append(dst, ' ')
	dst = AppendNString(dst, b.Description)
	dst = append(dst, ' ')
	dst = AppendString(dst, b.Encoding)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, b.Size, 10)
	if b.Message != nil {
		dst = append(dst, ' ')
		dst = AppendEnvelope(dst, b.Envelope)
		dst = append(dst, ' ')
		dst = AppendBodyStructure(dst, b.Message, extended)
	}
	if b.Message != nil || strings.EqualFold(b.Type, "TEXT") {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, b.Lines, 10)
	}
	if extended {
		dst = append(dst, ' ')
		dst = AppendNString(dst, b.MD5)
		dst = b.appendTail(dst)
	}
	return append(dst, ')')
}

// appendTail appends what the extension data of every part ends with: disposition, language and location.
func (b *BodyStructure) appendTail(dst []byte) []byte {
	if b.Disposition == "" {
		dst = append(dst, " NIL "...)
	} else {
		dst = append(dst, " ("...)
		dst = AppendString(dst, b.Disposition)
		dst = append(dst, ' ')
		dst = appendParams(dst, b.DispParams)
		dst = append(dst, ") "...)
	}
	switch len(b.Language) {
	case 0:
		dst = append(dst, "NIL"...)
	case 1:
		dst = AppendString(dst, b.Language[0])
	default:
		for i, l := range b.Language {
			dst = append(dst, "( "[min(i, 1)])
			dst = AppendString(dst, l)
		}
		dst = append(dst, ')')
	}
	dst = append(dst, ' ')
	return AppendNString(dst, b.Location)
}

func appendParams(dst []byte, ps []BodyParam) []byte {
	if len(ps) == 0 {
		return append(dst, "NIL"...)
	}
	for i, p := range ps {
		dst = append(dst, "( "[min(i, 1)])
		dst = AppendString(dst, p.Name)
		dst = append(dst, ' ')
		dst = AppendString(dst, p.Value)
	}
	return append(dst, ')')
}
