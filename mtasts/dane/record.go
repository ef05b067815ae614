package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Usage says whose certificate a record names (RFC 6698 §2.1.1, RFC 7218).
type Usage uint8

// Usages.
const (
	PKIXTA Usage = 0 // unusable for SMTP
	PKIXEE Usage = 1 // unusable for SMTP
	TA     Usage = 2 // of an authority in the host's chain
	EE     Usage = 3 // of the host itself
)

// Selector says what of a certificate is matched (RFC 6698 §2.1.2).
type Selector uint8

// Selectors.
const (
	Cert Selector = 0 // the whole certificate
	SPKI Selector = 1 // its public key
)

// Matching says how it is matched (RFC 6698 §2.1.3).
type Matching uint8

// Matching types.
const (
	Full   Matching = 0
	SHA256 Matching = 1
	SHA512 Matching = 2
)

// MaxData is the longest association data that is read, in octets.
const MaxData = 16 << 10

// ErrRecord says that the data of a TLSA record are malformed; it is wrapped with the cause. ErrUnusable says that a record
// is of no use for SMTP.
var (
	ErrRecord   = errors.New("dane: malformed TLSA record")
	ErrUnusable = errors.New("dane: TLSA record is not usable")
)

// A Record is a TLSA record (RFC 6698 §2.1).
type Record struct {
	Usage    Usage
	Selector Selector
	Matching Matching
	Data     []byte // certificate association data
}

// ParseRecord parses the RDATA of a TLSA record. The error wraps ErrRecord.
func ParseRecord(rdata []byte) (Record, error) {
	if len(rdata) < 4 || len(rdata) > 3+MaxData {
		return Record{}, fmt.Errorf("%w: %d octets", ErrRecord, len(rdata))
	}
	return Record{Usage(rdata[0]), Selector(rdata[1]), Matching(rdata[2]), bytes.Clone(rdata[3:])}, nil
}

// ParseText parses the presentation format, "3 1 1 0123ab..." (RFC 6698 §2.2). The error wraps ErrRecord.
func ParseText(text string) (Record, error) {
	f := strings.Fields(text)
	if len(f) < 4 || len(text) > 3*MaxData {
		return Record{}, fmt.Errorf("%w: three numbers and data are needed", ErrRecord)
	}
	var n [3]byte
	for i := range n {
		v, err := strconv.ParseUint(f[i], 10, 8)
		if err != nil {
			return Record{}, fmt.Errorf("%w: %.10q is no number of one octet", ErrRecord, f[i])
		}
		n[i] = byte(v)
	}
	data, err := hex.DecodeString(strings.Join(f[3:], ""))
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return ParseRecord(append(n[:], data...))
}

// Append appends the RDATA.
func (r Record) Append(dst []byte) []byte {
	return append(append(dst, byte(r.Usage), byte(r.Selector), byte(r.Matching)), r.Data...)
}

// String returns the presentation format.
func (r Record) String() string {
	return fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Data)
}

// New returns the record that names a certificate: New(EE, SPKI, SHA256, leaf) is the one to publish (RFC 7672 §3.1). The
// error wraps ErrUnusable for values that SMTP has no use for.
func New(u Usage, s Selector, m Matching, cert *x509.Certificate) (Record, error) {
	r := Record{Usage: u, Selector: s, Matching: m, Data: associate(s, m, cert)}
	return r, r.Usable()
}

// Usable reports, with an error that wraps ErrUnusable, why a record cannot be used to authenticate a host (RFC 7672
// §2.2, §3.1): an unknown number, a usage that relies on public authorities, data that cannot match anything.
func (r Record) Usable() error {
	switch {
	case r.Usage != TA && r.Usage != EE:
		return fmt.Errorf("%w: usage %d", ErrUnusable, r.Usage)
	case r.Selector > SPKI:
		return fmt.Errorf("%w: selector %d", ErrUnusable, r.Selector)
	case r.Matching > SHA512:
		return fmt.Errorf("%w: matching type %d", ErrUnusable, r.Matching)
	case r.Matching == SHA256 && len(r.Data) != sha256.Size, r.Matching == SHA512 && len(r.Data) != sha512.Size:
		return fmt.Errorf("%w: hash of %d octets", ErrUnusable, len(r.Data))
	}
	if r.Matching != Full {
		return nil
	}
	var err error
	if r.Selector == Cert {
		_, err = x509.ParseCertificate(r.Data)
	} else {
		_, err = x509.ParsePKIXPublicKey(r.Data)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return nil
}

// Matches reports whether the record names a certificate. Usage does not count.
func (r Record) Matches(cert *x509.Certificate) bool {
	data := associate(r.Selector, r.Matching, cert)
	return data != nil && subtle.ConstantTimeCompare(data, r.Data) == 1
}

// associate returns the association data of a certificate, nil for unknown numbers.
func associate(s Selector, m Matching, cert *x509.Certificate) []byte {
	var data []byte
	switch s {
	case Cert:
		data = cert.Raw
	case SPKI:
		data = cert.RawSubjectPublicKeyInfo
	default:
		return nil
	}
	switch m {
	case Full:
		return data
	case SHA256:
		sum := sha256.Sum256(data)
		return sum[:]
	case SHA512:
		sum := sha512.Sum512(data)
		return sum[:]
	}
	return nil
}
