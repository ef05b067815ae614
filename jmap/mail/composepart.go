package mail

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/jmap"
)

// fieldNames returns the lower case names of the fields that b sets itself.
func (b *BodyPart) fieldNames() []string {
	var out []string
	for p := range b.Extra {
		if h, err := ParseHeaderProperty(p); err == nil {
			out = append(out, strings.ToLower(h.Name))
		}
	}
	return out
}

// part writes a part with those below it. Its header ends the header of the message, for the root.
func (w *writer) part(b *BodyPart, depth int) error {
	if w.parts++; w.parts > maxParts || depth > maxDepth {
		return invalid("too many parts, or nested too deep", "bodyStructure")
	}
	if b.Type == "" {
		b.Type = "text/plain"
		if b.SubParts != nil {
			b.Type = "multipart/mixed"
		}
	}
	mediaType, params, err := mime.ParseMediaType(b.Type)
	if err != nil || len(params) > 0 || !strings.Contains(mediaType, "/") || strings.HasPrefix(mediaType, "multipart/") != (b.SubParts != nil) {
		return invalid("not a media type that fits", "type")
	}
	b.Type = mediaType
	switch {
	case b.Headers != nil:
		return invalid("set fields by their own properties", "headers")
	case b.SubParts != nil && (b.PartID != "" || b.BlobID != ""), b.PartID != "" && b.BlobID != "":
		return invalid("a part has sub-parts, or a partId, or a blobId", "partId")
	case b.PartID != "" && (b.Charset != "" || b.Size != 0):
		return invalid("charset and size belong to a blob", "charset", "size")
	}
	if b.SubParts != nil {
		return w.multipart(b, depth)
	}
	return w.leaf(b)
}

func (w *writer) multipart(b *BodyPart, depth int) error {
	boundary := "=_" + rand.Text() // "=_" is in no quoted-printable and no base64 (RFC 2045 §6.7)
	encoding := ""
	if w.eight {
		encoding = "8bit" // RFC 2045 §6.4
	}
	if err := w.partHeader(b, map[string]string{"boundary": boundary}, encoding); err != nil {
		return err
	}
	for i := range b.SubParts {
		w.out.WriteString("\r\n--" + boundary + "\r\n")
		if err := w.part(&b.SubParts[i], depth+1); err != nil {
			return err
		}
	}
	w.out.WriteString("\r\n--" + boundary + "--\r\n")
	return nil
}

func (w *writer) leaf(b *BodyPart) error {
	content, params, err := w.content(b)
	if err != nil {
		return err
	}
	if w.budget -= len(content); w.budget < 0 {
		return &jmap.SetError{Type: jmap.SetTooLarge, Description: "the parts are too large together"}
	}
	if b.Charset != "" {
		params["charset"] = string(b.Charset)
	}
	encoding := encodingFor(b, content)
	w.eight = w.eight || encoding == "8bit"
	if err := w.partHeader(b, params, encoding); err != nil {
		return err
	}
	switch encoding {
	case "quoted-printable":
		q := quotedprintable.NewWriter(&w.out)
		_, _ = q.Write(content) // into memory
		_ = q.Close()
	case "base64":
		appendBase64(&w.out, content)
	default:
		w.out.Write(content)
	}
	return nil
}

// content returns the bytes of a leaf, text with CRLF.
func (w *writer) content(b *BodyPart) ([]byte, map[string]string, error) {
	params := make(map[string]string)
	if b.BlobID != "" {
		if w.c.Open == nil {
			w.missing = append(w.missing, jmap.ID(b.BlobID))
			return nil, params, nil
		}
		content, err := w.c.Open(jmap.ID(b.BlobID))
		if e, ok := errors.AsType[*jmap.SetError](err); ok && e.Type == jmap.SetBlobNotFound {
			w.missing = append(w.missing, jmap.ID(b.BlobID))
			err = nil
		}
		return content, params, err
	}
	var text string
	if b.PartID != "" {
		v, ok := w.values[string(b.PartID)]
		if !ok {
			return nil, nil, invalid("no value for part "+string(b.PartID), "bodyValues")
		}
		text = v.Value
	}
	if !strings.HasPrefix(b.Type, "text/") {
		if b.PartID == "" {
			return nil, nil, invalid("a part that is not text has a blobId", "blobId")
		}
		return []byte(text), params, nil
	}
	params["charset"] = "us-ascii"
	if !isASCII(text) {
		params["charset"] = "utf-8"
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return []byte(strings.ReplaceAll(text, "\n", "\r\n")), params, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// encodingFor returns the Content-Transfer-Encoding of a leaf. Messages within a message have none (RFC 2046 §5.2.1).
func encodingFor(b *BodyPart, content []byte) string {
	ascii, eight, long := true, 0, false
	line := 0
	for _, c := range content {
		line++
		switch {
		case c == '\n':
			line = 0
		case c >= utf8.RuneSelf:
			ascii = false
			eight++
		case c == 0:
			ascii = false
			eight = len(content) // no text
		}
		long = long || line > 998
	}
	bare := bytes.Count(content, []byte("\n")) != bytes.Count(content, []byte("\r\n")) || bytes.Count(content, []byte("\r")) != bytes.Count(content, []byte("\r\n"))
	switch {
	case strings.HasPrefix(b.Type, "message/") && !bare && !long:
		if ascii {
			return "7bit"
		}
		return "8bit"
	case !strings.HasPrefix(b.Type, "text/") || bare || eight > len(content)/4:
		return "base64"
	case ascii && !long:
		return "7bit"
	}
	return "quoted-printable"
}

// partHeader writes the fields of a part and the empty line.
func (w *writer) partHeader(b *BodyPart, params map[string]string, encoding string) error {
	names := make(map[string]bool)
	var out []byte
	set := func(name, value string) {
		names[strings.ToLower(name)] = true
		out = appendFolded(out, name, value)
	}
	if b.Name != "" {
		params["name"] = string(b.Name)
	}
	if !hasField(b, "content-type") {
		v := mime.FormatMediaType(b.Type, params)
		if v == "" {
			return invalid("not a media type, charset or name", "type")
		}
		set("Content-Type", v)
	} else if b.SubParts != nil {
		return invalid("the server sets the boundary", "header:Content-Type")
	}
	if b.Disposition != "" && !hasField(b, "content-disposition") {
		p := map[string]string{}
		if b.Name != "" {
			p["filename"] = string(b.Name)
		}
		v := mime.FormatMediaType(strings.ToLower(string(b.Disposition)), p)
		if v == "" {
			return invalid("not a disposition", "disposition")
		}
		set("Content-Disposition", v)
	}
	for _, f := range []struct{ property, name, value string }{
		{"cid", "Content-ID", angled(string(b.CID))}, {"language", "Content-Language", strings.Join(b.Language, ", ")}, {"location", "Content-Location", string(b.Location)},
	} {
		if f.value == "" {
			continue
		}
		if !cleanValue(f.value) || !isASCII(f.value) || f.property == "cid" && strings.ContainsAny(f.value[1:len(f.value)-1], "<> \t") {
			return invalid("not a value of this header field", f.property)
		}
		set(f.name, f.value)
	}
	if encoding != "" {
		set("Content-Transfer-Encoding", encoding)
	}
	out, err := w.extra(out, b.Extra, names, true)
	if err != nil {
		return err
	}
	w.out.Write(append(out, '\r', '\n'))
	return nil
}

func hasField(b *BodyPart, name string) bool {
	return slices.Contains(b.fieldNames(), name)
}

func angled(s string) string {
	if s == "" {
		return ""
	}
	return "<" + s + ">"
}

// appendBase64 writes lines of 76 characters (RFC 2045 §6.8).
func appendBase64(out *bytes.Buffer, b []byte) {
	const octets = 57
	line := make([]byte, 0, 78)
	for len(b) > 0 {
		n := min(octets, len(b))
		line = append(base64.StdEncoding.AppendEncode(line[:0], b[:n]), '\r', '\n')
		out.Write(line)
		b = b[n:]
	}
}
