// Package record writes an imap.Envelope and an imap.BodyStructure as a few hundred octets of a database column, and
// reads them back, so that a list of messages never parses MIME. It belongs to mailstore.
//
//	record = version (1 octet) value
//	string = length (uvarint) octets        list = count (uvarint) item ...
//	envelope = 4 strings, 6 lists of addresses; address = 3 strings
//	structure = strings and numbers in the order of the type, then parts, then a flag and what message/rfc822 holds
//
// Reading trusts nothing: a damaged record is an error, not a panic and not a large allocation.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/imap"
)

// ErrDamaged says that a record is not what Append wrote.
var ErrDamaged = errors.New("record: damaged")

const (
	version  = 1
	maxDepth = 200 // of parts within parts, more than any parser of ours goes down
)

// AppendEnvelope appends e.
func AppendEnvelope(dst []byte, e *imap.Envelope) []byte {
	return appendEnvelope(append(dst, version), e)
}

func appendEnvelope(dst []byte, e *imap.Envelope) []byte {
	for _, s := range []string{e.Date, e.Subject, e.InReplyTo, e.MessageID} {
		dst = appendString(dst, s)
	}
	for _, list := range [][]imap.Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, a := range list {
			dst = appendString(appendString(appendString(dst, a.Name), a.Mailbox), a.Host)
		}
	}
	return dst
}

// ParseEnvelope reads what AppendEnvelope wrote.
func ParseEnvelope(src []byte) (*imap.Envelope, error) {
	r := newReader(src)
	e := r.envelope()
	if r.failed || len(r.s) != 0 {
		return nil, fmt.Errorf("%w envelope of %d octets", ErrDamaged, len(src))
	}
	return e, nil
}

// AppendStructure appends b.
func AppendStructure(dst []byte, b *imap.BodyStructure) []byte {
	return appendStructure(append(dst, version), b)
}

func appendStructure(dst []byte, b *imap.BodyStructure) []byte {
	for _, s := range []string{b.Type, b.Subtype, b.ID, b.Description, b.Encoding, b.MD5, b.Disposition, b.Location} {
		dst = appendString(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(b.Size))
	dst = binary.AppendUvarint(dst, uint64(b.Lines))
	for _, list := range [][]imap.BodyParam{b.Params, b.DispParams} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, p := range list {
			dst = appendString(appendString(dst, p.Name), p.Value)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.Language)))
	for _, l := range b.Language {
		dst = appendString(dst, l)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.Parts)))
	for i := range b.Parts {
		dst = appendStructure(dst, &b.Parts[i])
	}
	var has byte
	if b.Envelope != nil {
		has |= 1
	}
	if b.Message != nil {
		has |= 2
	}
	dst = append(dst, has)
	if b.Envelope != nil {
		dst = appendEnvelope(dst, b.Envelope)
	}
	if b.Message != nil {
		dst = appendStructure(dst, b.Message)
	}
	return dst
}

// ParseStructure reads what AppendStructure wrote.
func ParseStructure(src []byte) (*imap.BodyStructure, error) {
	r := newReader(src)
	b := new(imap.BodyStructure)
	r.structure(b, 0)
	if r.failed || len(r.s) != 0 {
		return nil, fmt.Errorf("%w structure of %d octets", ErrDamaged, len(src))
	}
	return b, nil
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// A reader takes values off the front of s. Its strings share the memory of s.
type reader struct {
	s      string
	failed bool
}

func newReader(src []byte) *reader {
	if len(src) == 0 || src[0] != version {
		return &reader{failed: true}
	}
	return &reader{s: string(src[1:])}
}

func (r *reader) fail() { r.s, r.failed = "", true }

func (r *reader) uint() uint64 {
	var v uint64
	for i := 0; i < len(r.s) && i < binary.MaxVarintLen64; i++ {
		c := r.s[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) string() string {
	n := r.uint()
	if n > uint64(len(r.s)) {
		r.fail()
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

// count returns the length of a list whose items take at least least octets each.
func (r *reader) count(least int) int {
	n := r.uint()
	if n > uint64(len(r.s)/least) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) envelope() *imap.Envelope {
	e := new(imap.Envelope)
	for _, s := range []*string{&e.Date, &e.Subject, &e.InReplyTo, &e.MessageID} {
		*s = r.string()
	}
	for _, list := range []*[]imap.Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc} {
		if n := r.count(3); n > 0 {
			*list = make([]imap.Address, n)
			for i := range *list {
				(*list)[i] = imap.Address{Name: r.string(), Mailbox: r.string(), Host: r.string()}
			}
		}
	}
	return e
}

func (r *reader) structure(b *imap.BodyStructure, depth int) {
	if depth > maxDepth {
		r.fail()
		return
	}
	for _, s := range []*string{&b.Type, &b.Subtype, &b.ID, &b.Description, &b.Encoding, &b.MD5, &b.Disposition, &b.Location} {
		*s = r.string()
	}
	b.Size, b.Lines = int64(r.uint()), int64(r.uint())
	for _, list := range []*[]imap.BodyParam{&b.Params, &b.DispParams} {
		if n := r.count(2); n > 0 {
			*list = make([]imap.BodyParam, n)
			for i := range *list {
				(*list)[i] = imap.BodyParam{Name: r.string(), Value: r.string()}
			}
		}
	}
	if n := r.count(1); n > 0 {
		b.Language = make([]string, n)
		for i := range b.Language {
			b.Language[i] = r.string()
		}
	}
	if n := r.count(15); n > 0 {
		b.Parts = make([]imap.BodyStructure, n)
		for i := range b.Parts {
			r.structure(&b.Parts[i], depth+1)
		}
	}
	if len(r.s) == 0 {
		r.fail()
		return
	}
	has := r.s[0]
	r.s = r.s[1:]
	if has&1 != 0 {
		b.Envelope = r.envelope()
	}
	if has&2 != 0 {
		b.Message = new(imap.BodyStructure)
		r.structure(b.Message, depth+1)
	}
}
