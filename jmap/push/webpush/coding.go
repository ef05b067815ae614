package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
)

// Lengths of the content coding in octets.
const (
	saltLength   = 16
	headerLength = saltLength + 4 + 1 // and the key id
	tagLength    = 16
	overhead     = tagLength + 1 // of a record: the tag and the delimiter
	minRecord    = overhead + 1
)

// A Header is what an encrypted content begins with (RFC 8188 §2.1).
type Header struct {
	Salt       [saltLength]byte
	RecordSize uint32 // octets of a record, the last one may be shorter; at least 18
	KeyID      []byte // at most 255 octets
}

// ErrDecrypt says that a content is not what was encrypted with this key: malformed, cut off, changed, or another's.
var ErrDecrypt = errors.New("webpush: cannot decrypt")

var errHeader = errors.New("webpush: record size or key id out of range")

// ParseHeader returns the Header of an encrypted content, and its records.
func ParseHeader(content []byte) (h Header, records []byte, err error) {
	if len(content) < headerLength || len(content) < headerLength+int(content[headerLength-1]) {
		return Header{}, nil, ErrDecrypt
	}
	copy(h.Salt[:], content)
	h.RecordSize = binary.BigEndian.Uint32(content[saltLength:])
	if h.RecordSize < minRecord {
		return Header{}, nil, ErrDecrypt
	}
	end := headerLength + int(content[headerLength-1])
	h.KeyID = content[headerLength:end]
	return h, content[end:], nil
}

// Append appends the Header.
func (h *Header) Append(dst []byte) ([]byte, error) {
	if h.RecordSize < minRecord || len(h.KeyID) > 255 {
		return nil, errHeader
	}
	dst = append(dst, h.Salt[:]...)
	dst = binary.BigEndian.AppendUint32(dst, h.RecordSize)
	return append(append(dst, byte(len(h.KeyID))), h.KeyID...), nil
}

// Seal appends plaintext in the content coding aes128gcm (RFC 8188), without padding. A salt is used once with a key.
func Seal(dst, key []byte, h Header, plaintext []byte) ([]byte, error) {
	dst, err := h.Append(dst)
	if err != nil {
		return nil, err
	}
	s, err := newStream(key, &h)
	if err != nil {
		return nil, err
	}
	room := int(min(h.RecordSize, 1<<30)) - overhead
	for last := false; !last; {
		n := min(len(plaintext), room)
		last = n == len(plaintext)
		delimiter := byte(1)
		if last {
			delimiter = 2
		}
		dst = s.aead.Seal(dst, s.next(), append(slices.Clone(plaintext[:n]), delimiter), nil)
		plaintext = plaintext[n:]
	}
	return dst, nil
}

// Open appends what a content in the coding aes128gcm says. The error is ErrDecrypt.
func Open(dst, key, content []byte) ([]byte, error) {
	h, records, err := ParseHeader(content)
	if err != nil {
		return nil, err
	}
	s, err := newStream(key, &h)
	if err != nil {
		return nil, err
	}
	size := int(min(h.RecordSize, 1<<30))
	for last := false; !last; {
		n := min(len(records), size)
		last = n == len(records)
		record, err := s.aead.Open(nil, s.next(), records[:n], nil)
		if err != nil {
			return nil, ErrDecrypt
		}
		end := len(record) - 1 // of the data: the delimiter is the last octet that is not zero
		for end >= 0 && record[end] == 0 {
			end--
		}
		if end < 0 || last != (record[end] == 2) || record[end] > 2 {
			return nil, ErrDecrypt
		}
		dst = append(dst, record[:end]...)
		records = records[n:]
	}
	return dst, nil
}

// A stream is the key of a content, and the nonces of its records.
type stream struct {
	aead  cipher.AEAD
	nonce []byte
	seq   uint64
}

func newStream(key []byte, h *Header) (*stream, error) {
	prk, err := hkdf.Extract(sha256.New, key, h.Salt[:])
	if err != nil {
		return nil, err
	}
	cek, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &stream{aead: aead, nonce: nonce}, err
}

// next returns the nonce of the next record (RFC 8188 §2.3).
func (s *stream) next() []byte {
	out := slices.Clone(s.nonce)
	low := out[4:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^s.seq)
	s.seq++
	return out
}
