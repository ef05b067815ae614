package ticket

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// A KeyID is the SHA-256 of a key's encoding.
type KeyID [sha256.Size]byte

// A Key is an issuer's public key: one denomination, one epoch. Keys are made by NewKey and ParseKey.
type Key struct {
	// Value is what a ticket of this key is worth, in the issuer's unit; at least 1.
	Value int
	// Start and End bound the epoch in which its tickets are good.
	Start, End time.Time

	public *rsa.PublicKey
	id     KeyID
	spki   []byte
}

// NewKey returns the Key of an RSA key of 2048 bits, which must be used for nothing else.
func NewKey(public *rsa.PublicKey, value int, start, end time.Time) (*Key, error) {
	if public == nil || public.N.BitLen() != 8*modulus || public.E < 3 || public.E&1 == 0 || value < 1 || !start.Before(end) {
		return nil, fmt.Errorf("%w: key is not RSA with 2048 bits, of a value of at least 1, with a start before its end", ErrWire)
	}
	pkcs1, err := asn1.Marshal(publicKey{public.N, public.E})
	if err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	spki, err := asn1.Marshal(subjectPublicKeyInfo{pssAlgorithm(), asn1.BitString{Bytes: pkcs1, BitLength: 8 * len(pkcs1)}})
	if err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	return &Key{Value: value, Start: start, End: end, public: public, id: sha256.Sum256(spki), spki: spki}, nil
}

// ParseKey reads the encoding of a key (RFC 9578 §6.5): SubjectPublicKeyInfo with id-RSASSA-PSS and parameters for SHA-384
// with a salt of 48 octets. Anything else is ErrWire.
func ParseKey(spki []byte, value int, start, end time.Time) (*Key, error) {
	var info subjectPublicKeyInfo
	var public publicKey
	if rest, err := asn1.Unmarshal(spki, &info); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: key: %v", ErrWire, err)
	}
	if rest, err := asn1.Unmarshal(info.Key.Bytes, &public); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: key: %v", ErrWire, err)
	}
	k, err := NewKey(&rsa.PublicKey{N: public.N, E: public.E}, value, start, end)
	if err != nil {
		return nil, err
	}
	if string(k.spki) != string(spki) {
		return nil, fmt.Errorf("%w: key: not id-RSASSA-PSS with SHA-384 in DER", ErrWire)
	}
	return k, nil
}

// ID returns the key's identifier.
func (k *Key) ID() KeyID { return k.id }

// Append appends the key's encoding, which ParseKey reads.
func (k *Key) Append(dst []byte) []byte { return append(dst, k.spki...) }

type publicKey struct {
	N *big.Int
	E int
}

type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// pssAlgorithm is that of RFC 9578 §6.5.
func pssAlgorithm() pkix.AlgorithmIdentifier {
	sha384 := tlv(asn1.TagSequence, []byte{asn1.TagOID, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02})
	mgf1 := tlv(asn1.TagSequence, append([]byte{asn1.TagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08}, sha384...))
	const explicit = 0xa0 // context-specific, constructed
	params := append(append([]byte{explicit, byte(len(sha384))}, sha384...), append([]byte{explicit | 1, byte(len(mgf1))}, mgf1...)...)
	params = append(params, explicit|2, 3, asn1.TagInteger, 1, 48)
	return pkix.AlgorithmIdentifier{
		Algorithm:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10},
		Parameters: asn1.RawValue{FullBytes: tlv(asn1.TagSequence, params)},
	}
}

// tlv encodes a constructed value of less than 128 octets.
func tlv(tag byte, value []byte) []byte {
	return append([]byte{tag | 0x20, byte(len(value))}, value...)
}
