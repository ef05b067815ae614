package tlsrpt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// MaxURIs is how many addresses of a record are read.
const MaxURIs = 16

// ErrRecord says that a record is malformed; it is wrapped with the place. ErrNone says that a domain wants no reports.
var (
	ErrRecord = errors.New("tlsrpt: malformed record")
	ErrNone   = errors.New("tlsrpt: domain asks for no reports")
)

// A Record is the TXT record of a domain that wants reports (RFC 8460 §3).
type Record struct {
	// RUA is where reports go: URIs of mailto and https, in order. The report counts as sent once one has taken it.
	RUA []string
}

// ParseRecord parses one TXT record, its strings joined. Unknown fields are ignored. The error wraps ErrRecord.
func ParseRecord(txt string) (Record, error) {
	var r Record
	rest, ok := strings.CutPrefix(txt, "v=TLSRPTv1")
	if rest = strings.Trim(rest, " \t"); !ok || !strings.HasPrefix(rest, ";") {
		return r, fmt.Errorf("%w: does not begin with v=TLSRPTv1;", ErrRecord)
	}
	rest = strings.TrimSuffix(strings.TrimRight(rest[1:], " \t"), ";")
	for field := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(strings.Trim(field, " \t"), "=")
		if !ok || !validName(name) || value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c > '~' }) {
			return r, fmt.Errorf("%w: field %.40q", ErrRecord, field)
		}
		if name != "rua" || r.RUA != nil {
			continue
		}
		for uri := range strings.SplitSeq(value, ",") {
			uri = strings.Trim(uri, " \t")
			if err := checkURI(uri); err != nil {
				return r, fmt.Errorf("%w: rua: %w", ErrRecord, err)
			}
			if len(r.RUA) == MaxURIs {
				return r, fmt.Errorf("%w: rua: more than %d addresses", ErrRecord, MaxURIs)
			}
			r.RUA = append(r.RUA, uri)
		}
	}
	if r.RUA == nil {
		return r, fmt.Errorf("%w: no rua", ErrRecord)
	}
	return r, nil
}

func checkURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return errors.New("not a URI")
	case strings.ContainsAny(uri, "!; \t"):
		return errors.New("a character that must be encoded")
	case u.Scheme == "mailto" && strings.Contains(u.Opaque, "@"), u.Scheme == "https" && u.Host != "":
		return nil
	}
	return errors.New("neither mailto nor https")
}

func validName(s string) bool {
	if s == "" || len(s) > 32 || strings.Contains("_-.", s[:1]) {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return c|0x20 < 'a' && (c < '0' || c > '9') && !strings.ContainsRune("_-.", c) || c|0x20 > 'z'
	})
}

// Append appends the record as it stands in the zone, without quotes. The error is that of an address that no record can
// have.
func (r Record) Append(dst []byte) ([]byte, error) {
	for _, uri := range r.RUA {
		if err := checkURI(uri); err != nil || strings.Contains(uri, ",") {
			return dst, fmt.Errorf("%w: rua: %.100q", ErrRecord, uri)
		}
	}
	if len(r.RUA) == 0 {
		return dst, fmt.Errorf("%w: no rua", ErrRecord)
	}
	return append(append(dst, "v=TLSRPTv1; rua="...), strings.Join(r.RUA, ",")...), nil
}

// Resolver is what Lookup asks of DNS; *net.Resolver is one. Errors are *net.DNSError: IsNotFound where there is no
// record.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Lookup looks up the record of a domain in A-labels. The error is ErrNone, also where there are several records; it wraps
// ErrNone and ErrRecord for a malformed one; or it is DNS's own, which is temporary.
func Lookup(ctx context.Context, r Resolver, domain string) (Record, error) {
	txts, err := r.LookupTXT(ctx, "_smtp._tls."+strings.TrimSuffix(domain, ".")+".")
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return Record{}, ErrNone
	}
	if err != nil {
		return Record{}, fmt.Errorf("tlsrpt: record of %s: %w", domain, err)
	}
	var found []string
	for _, txt := range txts {
		if rest, ok := strings.CutPrefix(txt, "v=TLSRPTv1"); ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";") {
			found = append(found, txt)
		}
	}
	if len(found) != 1 {
		return Record{}, ErrNone
	}
	rec, err := ParseRecord(found[0])
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return rec, nil
}
