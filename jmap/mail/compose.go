package mail

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Composer makes messages of the properties of an Email (RFC 8621 §4.6).
type Composer struct {
	// Open returns the bytes of a blob that a part names; a *jmap.SetError of type BlobNotFound where there is none.
	Open func(id jmap.ID) ([]byte, error)
	// Now is the time of the Date field where the Email has none; zero is the time of the call.
	Now time.Time
	// MaxSize bounds the octets of all parts together; 0 is DefaultMaxCompose. More is SetTooLarge.
	MaxSize int
}

// DefaultMaxCompose is the size of the largest message that is composed, before encoding, in octets.
const DefaultMaxCompose = 50_000_000

// maxParts and maxDepth bound the tree of parts.
const (
	maxParts = 1000
	maxDepth = 30
)

// fieldOf are the fields of the properties of an Email that have one, in the order in which they are written.
var fieldOf = []struct {
	property, name string
	form           HeaderForm
}{
	{"sentAt", "Date", FormDate}, {"from", "From", FormAddresses}, {"sender", "Sender", FormAddresses}, {"replyTo", "Reply-To", FormAddresses},
	{"to", "To", FormAddresses}, {"cc", "Cc", FormAddresses}, {"bcc", "Bcc", FormAddresses}, {"subject", "Subject", FormText},
	{"messageId", "Message-ID", FormMessageIDs}, {"inReplyTo", "In-Reply-To", FormMessageIDs}, {"references", "References", FormMessageIDs},
}

// Compose returns the message. properties is the Email as a client created it; mailboxIds, keywords and receivedAt are
// let be. The error is a *jmap.SetError where the client is at fault.
func (c *Composer) Compose(properties jmap.Raw) ([]byte, error) {
	w := &writer{c: c}
	out, err := w.compose(properties)
	if err == nil && w.eight {
		out, err = (&writer{c: c, eight: true}).compose(properties) // now that it is known, multiparts say so too
	}
	return out, err
}

func (w *writer) compose(properties jmap.Raw) ([]byte, error) {
	w.budget = w.c.MaxSize
	if w.budget == 0 {
		w.budget = DefaultMaxCompose
	}
	var given map[string]jmap.Raw
	if err := jmap.Unmarshal(properties, &given); err != nil {
		return nil, invalid("not an object")
	}
	var e Email
	if err := jmap.Unmarshal(properties, &e); err != nil {
		return nil, invalid("a property is not of its type: " + err.Error())
	}
	fields, err := w.header(given, &e)
	if err != nil {
		return nil, err
	}
	root, err := w.tree(given, &e)
	if err != nil {
		return nil, err
	}
	for _, name := range root.fieldNames() {
		if w.names[name] {
			return nil, invalid("the field "+name+" is given on the email and on its body", "bodyStructure")
		}
	}
	w.out.Write(fields)
	w.out.WriteString("MIME-Version: 1.0\r\n")
	if err := w.part(root, 0); err != nil {
		return nil, err
	}
	if len(w.missing) > 0 {
		return nil, &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: w.missing}
	}
	return w.out.Bytes(), nil
}

func invalid(description string, properties ...string) *jmap.SetError {
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: properties, Description: description}
}

// A writer is one message in the making.
type writer struct {
	c       *Composer
	out     bytes.Buffer
	names   map[string]bool // lower case names of the fields of the Email
	values  map[string]BodyValue
	budget  int
	parts   int
	missing []jmap.ID
	eight   bool // there is a part without encoding that is not ASCII
}

// serverSet are the properties that a client cannot give.
func serverSet() []string {
	return []string{"id", "blobId", "threadId", "size", "headers", "hasAttachment", "preview"}
}

// header returns the fields of the Email.
func (w *writer) header(given map[string]jmap.Raw, e *Email) ([]byte, error) {
	for _, p := range serverSet() {
		if v, ok := given[p]; ok && string(v) != "null" {
			return nil, invalid("this property cannot be given", p)
		}
	}
	w.names = make(map[string]bool)
	var out []byte
	var err error
	for _, f := range fieldOf {
		v, ok := given[f.property]
		if !ok || string(v) == "null" {
			continue
		}
		w.names[strings.ToLower(f.name)] = true
		if out, err = (HeaderProperty{Name: f.name, Form: f.form}).AppendField(out, v); err != nil {
			return nil, invalid(err.Error(), f.property)
		}
	}
	if out, err = w.extra(out, e.Extra, w.names, false); err != nil {
		return nil, err
	}
	if !w.names["date"] {
		now := w.c.Now
		if now.IsZero() {
			now = time.Now()
		}
		out = append(out, "Date: "+now.Format("Mon, 2 Jan 2006 15:04:05 -0700")+"\r\n"...)
	}
	if !w.names["message-id"] {
		domain := "localhost"
		if len(e.From) > 0 {
			if i := strings.LastIndexByte(e.From[0].Email, '@'); i >= 0 && isDomain(e.From[0].Email[i+1:]) {
				domain = e.From[0].Email[i+1:]
			}
		}
		out = append(out, "Message-ID: <"+rand.Text()+"@"+domain+">\r\n"...)
	}
	return out, nil
}

func isDomain(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == ""
}

// extra appends the fields of the properties "header:…". names are those that there are already.
func (w *writer) extra(dst []byte, extra map[string]jmap.Raw, names map[string]bool, part bool) ([]byte, error) {
	properties := make([]string, 0, len(extra))
	for p := range extra {
		properties = append(properties, p)
	}
	slices.Sort(properties)
	for _, p := range properties {
		h, err := ParseHeaderProperty(p)
		if err != nil {
			return nil, invalid(err.Error(), p)
		}
		name := strings.ToLower(h.Name)
		content := strings.HasPrefix(name, "content-")
		switch {
		case names[name]:
			return nil, invalid("two properties for one header field", p)
		case content && !part:
			return nil, invalid("a field of the content belongs to a body part", p)
		case name == "content-transfer-encoding" || name == "mime-version":
			return nil, invalid("the server sets this field", p)
		}
		names[name] = true
		if dst, err = h.AppendField(dst, extra[p]); err != nil {
			return nil, invalid(err.Error(), p)
		}
	}
	return dst, nil
}

// tree returns the root of the body.
func (w *writer) tree(given map[string]jmap.Raw, e *Email) (*BodyPart, error) {
	w.values = e.BodyValues
	for id, v := range e.BodyValues {
		if v.IsEncodingProblem || v.IsTruncated {
			return nil, invalid("part "+id+" is not whole", "bodyValues")
		}
	}
	if e.BodyStructure != nil {
		for _, p := range []string{"textBody", "htmlBody", "attachments"} {
			if v, ok := given[p]; ok && string(v) != "null" {
				return nil, invalid("bodyStructure excludes this property", p)
			}
		}
		return e.BodyStructure, nil
	}
	for _, b := range []struct {
		property, want string
		list           []BodyPart
	}{{"textBody", "text/plain", e.TextBody}, {"htmlBody", "text/html", e.HTMLBody}} {
		if b.list == nil {
			continue
		}
		if len(b.list) != 1 || b.list[0].Type != "" && !strings.EqualFold(b.list[0].Type, b.want) || b.list[0].SubParts != nil {
			return nil, invalid("exactly one part of type "+b.want, b.property)
		}
		b.list[0].Type = b.want
	}
	return assemble(e), nil
}

// assemble makes a tree of the lists: alternatives of the text, what the HTML shows beside it, what is attached to both.
func assemble(e *Email) *BodyPart {
	var inline, attached []BodyPart
	for _, a := range e.Attachments {
		if a.CID != "" && a.Disposition == "inline" && e.HTMLBody != nil {
			inline = append(inline, a)
			continue
		}
		if a.Disposition == "" {
			a.Disposition = "attachment"
		}
		attached = append(attached, a)
	}
	var root *BodyPart
	if e.HTMLBody != nil {
		root = &e.HTMLBody[0]
		if len(inline) > 0 {
			root = &BodyPart{Type: "multipart/related", SubParts: append([]BodyPart{*root}, inline...)}
		}
	}
	if e.TextBody != nil {
		text := &e.TextBody[0]
		if root != nil {
			text = &BodyPart{Type: "multipart/alternative", SubParts: []BodyPart{*text, *root}}
		}
		root = text
	}
	if root == nil && len(attached) == 1 {
		return &attached[0]
	}
	if len(attached) > 0 {
		var parts []BodyPart
		if root != nil {
			parts = append(parts, *root)
		}
		root = &BodyPart{Type: "multipart/mixed", SubParts: append(parts, attached...)}
	}
	if root == nil {
		root = &BodyPart{Type: "text/plain"}
	}
	return root
}
