package webpush

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxPlaintext is the length of the longest message in octets: a push service need not take a body of more than
// MaxBody (RFC 8291 §4).
const (
	MaxPlaintext = MaxBody - headerLength - keyLength - overhead
	MaxBody      = 4096
)

const (
	keyLength  = 65 // of a public key, uncompressed
	authLength = 16
)

// A KeyError says which key is none, and why.
type KeyError struct {
	Key string // "p256dh", "auth" or "private"
	Err error
}

func (e *KeyError) Error() string { return "webpush: key " + e.Key + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// A SizeError says that a message is longer than MaxPlaintext.
type SizeError struct{ Size int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("webpush: a message of %d octets, the limit is %d", e.Size, MaxPlaintext)
}

// Keys are what a receiver gives to who is to send it messages (RFC 8291 §2).
type Keys struct {
	public *ecdh.PublicKey
	auth   [authLength]byte
}

// ParseKeys reads keys in URL-safe base64, with or without padding. The error is a *KeyError.
func ParseKeys(p256dh, auth string) (Keys, error) {
	var k Keys
	b, err := decode(p256dh, keyLength)
	if err == nil {
		k.public, err = ecdh.P256().NewPublicKey(b)
	}
	if err != nil {
		return Keys{}, &KeyError{"p256dh", err}
	}
	secret, err := decode(auth, authLength)
	if err != nil {
		return Keys{}, &KeyError{"auth", err}
	}
	copy(k.auth[:], secret)
	return k, nil
}

// Strings returns the keys as ParseKeys reads them.
func (k Keys) Strings() (p256dh, auth string) {
	return encode(k.public.Bytes()), encode(k.auth[:])
}

// Encrypt returns the body of a push message that only the receiver of k can read (RFC 8291): one record, under a key
// of its own. random is nil for crypto/rand. The error is a *SizeError where plaintext is longer than MaxPlaintext.
func (k Keys) Encrypt(random io.Reader, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, &SizeError{len(plaintext)}
	}
	own, err := newKey(random)
	if err != nil {
		return nil, err
	}
	h := Header{RecordSize: MaxBody, KeyID: own.PublicKey().Bytes()}
	if _, err := io.ReadFull(source(random), h.Salt[:]); err != nil {
		return nil, err
	}
	key, err := combine(own, k.public, k.auth, k.public, own.PublicKey())
	if err != nil {
		return nil, err
	}
	return Seal(nil, key, h, plaintext)
}

// A Receiver reads push messages: the private half of Keys.
type Receiver struct {
	private *ecdh.PrivateKey
	auth    [authLength]byte
}

// NewReceiver returns a Receiver with new keys. random is nil for crypto/rand.
func NewReceiver(random io.Reader) (*Receiver, error) {
	r := new(Receiver)
	var err error
	if r.private, err = newKey(random); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(source(random), r.auth[:])
	return r, err
}

// ParseReceiver reads what Secrets returned. The error is a *KeyError.
func ParseReceiver(private, auth string) (*Receiver, error) {
	r := new(Receiver)
	b, err := decode(private, 32)
	if err == nil {
		r.private, err = ecdh.P256().NewPrivateKey(b)
	}
	if err != nil {
		return nil, &KeyError{"private", err}
	}
	secret, err := decode(auth, authLength)
	if err != nil {
		return nil, &KeyError{"auth", err}
	}
	copy(r.auth[:], secret)
	return r, nil
}

// Secrets returns the private key and the authentication secret, to be kept.
func (r *Receiver) Secrets() (private, auth string) {
	return encode(r.private.Bytes()), encode(r.auth[:])
}

// Keys returns what senders need.
func (r *Receiver) Keys() Keys { return Keys{r.private.PublicKey(), r.auth} }

// Decrypt returns the message of a body. The error is ErrDecrypt; a body has one record and at most MaxBody octets.
func (r *Receiver) Decrypt(body []byte) ([]byte, error) {
	h, records, err := ParseHeader(body)
	if err != nil || len(body) > MaxBody || uint64(len(records)) > uint64(h.RecordSize) {
		return nil, ErrDecrypt
	}
	sender, err := ecdh.P256().NewPublicKey(h.KeyID)
	if err != nil {
		return nil, ErrDecrypt
	}
	key, err := combine(r.private, sender, r.auth, r.private.PublicKey(), sender)
	if err != nil {
		return nil, ErrDecrypt
	}
	return Open(nil, key, body)
}

// combine returns the input keying material of RFC 8291 §3.4.
func combine(own *ecdh.PrivateKey, other *ecdh.PublicKey, auth [authLength]byte, receiver, sender *ecdh.PublicKey) ([]byte, error) {
	secret, err := own.ECDH(other)
	if err != nil {
		return nil, err
	}
	info := "WebPush: info\x00" + string(receiver.Bytes()) + string(sender.Bytes())
	return hkdf.Key(sha256.New, secret, auth[:], info, 32)
}

// newKey reads a private key: most 32 octets are one.
func newKey(random io.Reader) (*ecdh.PrivateKey, error) {
	var b [32]byte
	for {
		if _, err := io.ReadFull(source(random), b[:]); err != nil {
			return nil, err
		}
		if k, err := ecdh.P256().NewPrivateKey(b[:]); err == nil {
			return k, nil
		}
	}
}

func source(random io.Reader) io.Reader {
	if random == nil {
		return rand.Reader
	}
	return random
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

var errLength = errors.New("of another length")

// decode reads URL-safe base64 of n octets.
func decode(s string, n int) ([]byte, error) {
	if len(s) > 2*n+4 {
		return nil, errLength
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	if err == nil && len(b) != n {
		err = errLength
	}
	return b, err
}
