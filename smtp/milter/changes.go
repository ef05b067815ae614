package milter

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// Changes are what a milter wants of a message. The zero value leaves it as it is.
type Changes struct {
	// Header are done in their order.
	Header []HeaderChange
	// Body, if not nil, is in place of the body, with CRLF line ends.
	Body []byte
	// From, if not nil, is the new reverse-path.
	From *smtp.Path
	// Add are recipients beside those there are, Remove are gone; Remove is done first.
	Add    []smtp.Recipient
	Remove []smtp.Path
	// Quarantine, if not "", is why the message is to be put aside.
	Quarantine string
}

// A HeaderChange is one field added, replaced or removed.
type HeaderChange struct {
	Kind ChangeKind
	// Index: for Insert, before which field, counted from 0 at the top; for Replace, which of those with that name,
	// counted from 1 at the top.
	Index uint32
	Name  string
	// Value is what follows the colon, with its leading space, and CRLF and white space where it is folded. "" removes
	// the field that Replace names.
	Value string
}

// A ChangeKind is what is done.
type ChangeKind uint8

// Kinds of HeaderChange.
const (
	Append  ChangeKind = iota // at the end of the header
	Insert                    // before field Index
	Replace                   // field Index of that name; where there is none, Append
)

// apply returns the header section changed. Names and values that are none change nothing.
func (c *Changes) apply(section []byte) []byte {
	var fields [][]byte
	size := 0
	for f := range header.Fields(section) {
		fields = append(fields, f.Raw)
		size += len(f.Raw)
	}
	end := section[size:] // the empty line, if there is one
	for _, h := range c.Header {
		if !validField(h.Name, h.Value) {
			continue
		}
		raw := []byte(h.Name + ":" + h.Value + "\r\n")
		switch h.Kind {
		case Append:
			fields = append(fields, raw)
		case Insert:
			fields = slices.Insert(fields, min(int(h.Index), len(fields)), raw)
		case Replace:
			i := nth(fields, h.Name, h.Index)
			switch {
			case i >= 0 && h.Value == "":
				fields = slices.Delete(fields, i, i+1)
			case i >= 0:
				fields[i] = raw
			case h.Value != "":
				fields = append(fields, raw)
			}
		}
	}
	if len(end) == 0 && len(fields) > 0 { // the message ended within its header
		if last := fields[len(fields)-1]; !bytes.HasSuffix(last, []byte("\n")) {
			fields[len(fields)-1] = append(bytes.Clone(last), "\r\n"...)
		}
	}
	return append(bytes.Join(fields, nil), end...)
}

// nth returns the place of the n-th field of a name, counted from 1; -1 if there is none.
func nth(fields [][]byte, name string, n uint32) int {
	for i, raw := range fields {
		for f := range header.Fields(raw) {
			if f.Is(name) {
				n--
			}
			if f.Is(name) && n == 0 {
				return i
			}
		}
	}
	return -1
}

// validField reports whether name and value make one field and nothing else.
func validField(name, value string) bool {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) || strings.ContainsRune(value, 0) {
		return false
	}
	for i := range len(value) {
		switch value[i] {
		case '\r':
			if i+1 == len(value) || value[i+1] != '\n' {
				return false
			}
		case '\n':
			if i == 0 || value[i-1] != '\r' || i+1 == len(value) || value[i+1] != ' ' && value[i+1] != '\t' {
				return false
			}
		}
	}
	return true
}

// toWire writes a value as milters have it: LF alone between its lines.
func toWire(value string) string { return strings.ReplaceAll(value, "\r\n", "\n") }

// fromWire is the reverse.
func fromWire(value string) string {
	return strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n")
}
