package mail

import (
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A Parsed is a message as RFC 8621 §4.1.4 sees it: parts with ids, what is the body, what is attached. Embedded
// messages are leaves.
type Parsed struct {
	// Structure is the whole tree. Parts in the lists below are its leaves.
	Structure BodyPart
	// TextBody and HTMLBody are what to show, Attachments the rest.
	TextBody, HTMLBody, Attachments []BodyPart

	leaves []*message.Part // by part id, from 1
	msg    *message.Message
}

// Parse takes a message apart. blob is its blob id, from which those of its parts are made: "BLOB_pN".
func Parse(raw []byte, blob jmap.ID) *Parsed {
	p := &Parsed{msg: message.Parse(raw)}
	p.Structure = p.part(p.msg.Root(), blob)
	b := body{}
	b.parse([]BodyPart{p.Structure}, "mixed", false, &b.html, &b.text)
	p.TextBody, p.HTMLBody, p.Attachments = b.text, b.html, b.attachments
	return p
}

// Header returns the fields of the message.
func (p *Parsed) Header() []EmailHeader { return p.Structure.Headers }

// PartBlob returns the blob id and part id that a blob id of Parse consists of.
func PartBlob(id jmap.ID) (blob jmap.ID, part string, ok bool) {
	i := strings.LastIndex(string(id), "_p")
	if i <= 0 || i+2 == len(id) || strings.Trim(string(id[i+2:]), "0123456789") != "" {
		return "", "", false
	}
	return id[:i], string(id[i+2:]), true
}

// Content returns the bytes of a part, its Content-Transfer-Encoding undone; ok is false where that was not possible
// in full. There is no such part: nil.
func (p *Parsed) Content(part string) (b []byte, ok bool) {
	n, err := strconv.Atoi(part)
	if err != nil || n < 1 || n > len(p.leaves) {
		return nil, false
	}
	leaf := p.leaves[n-1]
	b, ok = DecodeTransfer(leaf.Body(), encodingOf(leaf))
	if b == nil {
		b = []byte{}
	}
	return b, ok
}

func encodingOf(p *message.Part) string {
	v, _ := p.Get("Content-Transfer-Encoding")
	s, _, _ := strings.Cut(unfold(string(v)), "(")
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

// part converts one part and those below it.
func (p *Parsed) part(mp *message.Part, blob jmap.ID) BodyPart {
	raw := mp.Message().Raw
	ct := mp.ContentType()
	out := BodyPart{Type: cleanUTF8(ct.Type + "/" + ct.Subtype), Headers: []EmailHeader{}}
	for _, f := range mp.Fields() {
		if name := f.Name(raw); len(name) > 0 {
			out.Headers = append(out.Headers, EmailHeader{Name: cleanUTF8(string(name)), Value: cleanUTF8(string(f.Value(raw)))})
		}
	}
	var disposition message.Disposition
	if v, ok := mp.Get("Content-Disposition"); ok {
		disposition = message.ParseDisposition(v)
		out.Disposition = jmap.NullString(cleanUTF8(disposition.Type))
	}
	name, ok := disposition.Params.Lookup("filename")
	if !ok {
		name, _ = ct.Params.Lookup("name")
	}
	out.Name = jmap.NullString(paramText(name))
	if cs, ok := ct.Params.Lookup("charset"); ok && cs.Value != "" {
		out.Charset = jmap.NullString(cleanUTF8(strings.ToLower(cs.Value)))
	} else if ct.Type == "text" {
		out.Charset = "us-ascii" // RFC 2045 §5.2
	}
	if v, ok := mp.Get("Content-Id"); ok {
		if ids := angles(string(v)); len(ids) > 0 {
			out.CID = jmap.NullString(cleanUTF8(strings.TrimSpace(ids[0])))
		} else {
			out.CID = jmap.NullString(cleanUTF8(strings.TrimSpace(unfold(string(v)))))
		}
	}
	if v, ok := mp.Get("Content-Language"); ok {
		for tag := range strings.SplitSeq(unfold(string(v)), ",") {
			tag, _, _ = strings.Cut(tag, "(")
			if tag = strings.TrimSpace(tag); tag != "" {
				out.Language = append(out.Language, cleanUTF8(tag))
			}
		}
	}
	if v, ok := mp.Get("Content-Location"); ok {
		out.Location = jmap.NullString(cleanUTF8(strings.Join(strings.Fields(string(v)), "")))
	}
	if mp.Kind == message.Multipart {
		out.SubParts = []BodyPart{}
		for c := range mp.Children() {
			out.SubParts = append(out.SubParts, p.part(c, blob))
		}
		return out
	}
	p.leaves = append(p.leaves, mp)
	id := strconv.Itoa(len(p.leaves))
	out.PartID = jmap.NullString(id)
	out.BlobID = jmap.NullString(string(blob) + "_p" + id)
	content, _ := p.Content(id)
	out.Size = int64(len(content))
	return out
}

// paramText decodes a parameter: by its charset (RFC 2231), or encoded words, which RFC 2047 §5 forbids there and
// everybody writes.
func paramText(v message.ParamValue) string {
	if v.Charset == "" {
		return DecodeText(v.Value)
	}
	s, _ := decodeCharset([]byte(v.Value), v.Charset)
	return cleanUTF8(s)
}

// A body sorts the leaves of a message (RFC 8621 §4.1.4, the algorithm at its end).
type body struct {
	text, html, attachments []BodyPart
}

// parse goes through parts. text and html are nil where an alternative has made the part belong to the other one.
func (b *body) parse(parts []BodyPart, multipart string, inAlternative bool, html, text *[]BodyPart) {
	textLength, htmlLength := -1, -1
	if text != nil {
		textLength = len(*text)
	}
	if html != nil {
		htmlLength = len(*html)
	}
	for i := range parts {
		part := parts[i]
		if part.SubParts != nil {
			_, sub, _ := strings.Cut(part.Type, "/")
			b.parse(part.SubParts, sub, inAlternative || sub == "alternative", html, text)
			continue
		}
		media := inlineMedia(part.Type)
		inline := part.Disposition != "attachment" &&
			(part.Type == "text/plain" || part.Type == "text/html" || media) &&
			(i == 0 || multipart != "related" && (media || part.Name == ""))
		if !inline {
			b.attachments = append(b.attachments, part)
			continue
		}
		if multipart == "alternative" {
			switch {
			case part.Type == "text/plain" && text != nil:
				*text = append(*text, part)
			case part.Type == "text/html" && html != nil:
				*html = append(*html, part)
			default:
				b.attachments = append(b.attachments, part)
			}
			continue
		}
		if inAlternative {
			switch part.Type {
			case "text/plain":
				html = nil
			case "text/html":
				text = nil
			}
		}
		if text != nil {
			*text = append(*text, part)
		}
		if html != nil {
			*html = append(*html, part)
		}
		if (text == nil || html == nil) && media {
			b.attachments = append(b.attachments, part)
		}
	}
	if multipart != "alternative" || text == nil || html == nil {
		return
	}
	switch newText, newHTML := len(*text) > textLength, len(*html) > htmlLength; {
	case newHTML && !newText:
		*text = append(*text, (*html)[htmlLength:]...)
	case newText && !newHTML:
		*html = append(*html, (*text)[textLength:]...)
	}
}

func inlineMedia(t string) bool {
	return strings.HasPrefix(t, "image/") || strings.HasPrefix(t, "audio/") || strings.HasPrefix(t, "video/")
}
