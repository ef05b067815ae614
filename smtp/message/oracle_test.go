package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
)

// A builder makes a well-formed message out of any octets: a tree of multiparts, messages and leaves.
type builder struct {
	seed  []byte
	parts int
}

func (b *builder) next() byte {
	if len(b.seed) == 0 {
		return 0
	}
	c := b.seed[0]
	b.seed = b.seed[1:]
	return c
}

// text takes octets that are no boundary line of the builder's.
func (b *builder) text() string {
	n := min(int(b.next()), len(b.seed))
	s := strings.ToValidUTF8(string(b.seed[:n]), "?")
	b.seed = b.seed[n:]
	s = strings.NewReplacer("\r\n", "\r\n", "\r", "", "\n", "\r\n", "\x00", "0", "--", "- ").Replace(s)
	return s
}

func (b *builder) entity(depth int) string {
	b.parts++
	var header strings.Builder
	for range b.next() % 4 {
		fmt.Fprintf(&header, "X-%d: %s\r\n", b.next(), strings.Join(strings.FieldsFunc(b.text(), func(r rune) bool { return r <= ' ' }), " \r\n "))
	}
	switch kind := b.next() % 4; {
	case depth > 5 || b.parts > 50 || kind == 0:
		fmt.Fprintf(&header, "Content-Type: text/x%d; a=\"b%d\"\r\n", b.next(), b.next())
		return header.String() + "\r\n" + b.text()
	case kind == 1:
		return header.String() + "content-type: message/rfc822\r\n\r\n" + b.entity(depth+1)
	default:
		boundary := fmt.Sprintf("b%d_%d", depth, b.parts)
		sub := []string{"mixed", "alternative", "related"}[b.next()%3]
		fmt.Fprintf(&header, "Content-Type: multipart/%s;\r\n\tboundary=%q\r\n\r\n%s\r\n", sub, boundary, b.text())
		for range 1 + b.next()%4 {
			fmt.Fprintf(&header, "--%s\r\n%s\r\n", boundary, b.entity(depth+1))
		}
		return header.String() + "--" + boundary + "--\r\n" + b.text()
	}
}

// outline writes a message down as go-message reads it: for every part its depth, type, fields and, of a leaf, its body.
func outline(t *testing.T, e *gomessage.Entity, depth int, out []string) []string {
	t.Helper()
	typ, params, _ := e.Header.ContentType()
	var line strings.Builder
	fmt.Fprintf(&line, "%d %s %s", depth, typ, params["a"])
	for f := e.Header.Fields(); f.Next(); {
		line.WriteString(" " + f.Key())
	}
	out = append(out, line.String())
	at := len(out) - 1
	if r := e.MultipartReader(); r != nil {
		for {
			p, err := r.NextPart()
			if errors.Is(err, io.EOF) {
				return out
			}
			if err != nil {
				t.Fatalf("%v: %v", out, err)
			}
			out = outline(t, p, depth+1, out)
		}
	}
	body, err := io.ReadAll(e.Body)
	if err != nil {
		t.Fatal(err)
	}
	if typ == "message/rfc822" {
		p, err := gomessage.Read(bytes.NewReader(body))
		if err != nil && !gomessage.IsUnknownCharset(err) {
			t.Fatal(err)
		}
		return outline(t, p, depth+1, out)
	}
	out[at] += fmt.Sprintf(" %q", body)
	return out
}

// FuzzOracle reads well-formed messages with another library too.
func FuzzOracle(f *testing.F) {
	f.Add([]byte("\x02\x01\x05hello\x02\x03a\nb\x02\x01\x04pre\n\x02\x00\x00\x01\x02\x03abc\x00\x01\x00\x00\x02xy"))
	f.Add([]byte("\x00\x02\x00\x00\x03\x00\x01\x00\x02\x01\x02hi\x03\x00\x00\x00\x05\n\n.\n-"))
	f.Add(bytes.Repeat([]byte("\x03\x07\x02ab\x02\x02\x00"), 40))
	f.Fuzz(func(t *testing.T, seed []byte) {
		b := builder{seed: seed}
		raw := []byte(b.entity(0))
		e, err := gomessage.Read(bytes.NewReader(raw))
		if err != nil && !gomessage.IsUnknownCharset(err) {
			t.Fatal(err)
		}
		want := outline(t, e, 0, nil)
		m := Parse(raw)
		var got []string
		for i := range m.Parts {
			p := &m.Parts[i]
			typ := p.ContentType()
			a, _ := typ.Params.Lookup("a")
			var line strings.Builder
			fmt.Fprintf(&line, "%d %s/%s %s", p.Depth, typ.Type, typ.Subtype, a.Value)
			for _, f := range p.Fields() {
				line.WriteString(" " + textproto.CanonicalMIMEHeaderKey(string(f.Name(raw))))
			}
			if p.Kind == Leaf {
				fmt.Fprintf(&line, " %q", p.Body())
			}
			got = append(got, line.String())
		}
		if len(m.Parts) != b.parts || !slices.Equal(got, want) {
			t.Errorf("%q:\n got %q\nwant %q", raw, got, want)
		}
	})
}
