package authres

import (
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
)

// Strip appends a header section without the Authentication-Results fields that claim to come from one of ids, or that
// do not say clearly from whom they come (RFC 8601 §5). Everything else stays, to the octet. ids are the authserv-ids
// used within one's own border.
func Strip(dst, section []byte, ids ...string) []byte {
	n := 0
	for f := range header.Fields(section) {
		n += len(f.Raw)
		if !f.Is(Name) || !Claims(string(f.Value), ids...) {
			dst = append(dst, f.Raw...)
		}
	}
	return append(dst, section[n:]...) // the empty line
}

// Claims reports whether the value of a field claims to come from one of ids. Case does not matter, nor whether a
// domain is written in A-labels or U-labels. A field whose authserv-id cannot be read, or could be read as another one,
// claims everything.
func Claims(value string, ids ...string) bool {
	if len(value) > MaxField {
		return true
	}
	s := &scanner{s: value}
	got, err := s.id()
	if err != nil || strings.ContainsAny(got, "()<>@,;:\\\"/[]?= \t") {
		return true
	}
	// What follows must be what can follow; else somebody may read another name.
	for range 2 {
		if err := s.space(); err != nil {
			return true
		}
		s.digits()
	}
	if !s.end() && s.peek() != ';' {
		return true
	}
	got = strings.TrimSuffix(got, ".")
	if _, err := address.ToASCII(got); err != nil && !ascii(got) {
		return true
	}
	for _, id := range ids {
		id = strings.TrimSuffix(id, ".")
		if strings.EqualFold(got, id) || address.EqualDomain(got, id) {
			return true
		}
	}
	return false
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// Cut cuts the value of a field into its authserv-id and its results as they stand, comments and folding too:
// "" for "none". Errors are those of Parse.
func Cut(value string) (id, results string, err error) {
	f, err := Parse(value)
	if err != nil || len(f.Results) == 0 {
		return f.ID, "", err
	}
	s := &scanner{s: value}
	if _, err := s.id(); err != nil {
		return "", "", err
	}
	if err := s.space(); err != nil {
		return "", "", err
	}
	s.digits()
	if err := s.space(); err != nil {
		return "", "", err
	}
	return f.ID, strings.Trim(value[s.i:], "; \t\r\n"), nil
}
