package sasl

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	_ "crypto/sha1" // the hashes that SCRAM names
	_ "crypto/sha256"

	"golang.org/x/text/secure/precis"
)

// Bounds of the iteration count of PBKDF2. Below the first a password is guessed too fast (RFC 7677 §4), and above the
// second who names the count makes the other side work for him.
const (
	MinIterations = 4096
	MaxIterations = 1_000_000
)

// maxSalt limits a salt in octets.
const maxSalt = 256

// Keys are what a server keeps of a password for SCRAM (RFC 5802 §3). Who steals them can guess at the password, and
// can play the server for its user, but cannot log in.
type Keys struct {
	// Name is the user whose mail it is; it is no part of the text form.
	Name string
	// Hash is crypto.SHA256 or crypto.SHA1.
	Hash crypto.Hash
	// Salt and Iterations are those of PBKDF2; the salt has 1 to 256 octets.
	Salt       []byte
	Iterations int
	// StoredKey and ServerKey are as long as the hash.
	StoredKey, ServerKey []byte
}

// A KeyFinder returns the Keys of a user for a hash. The error is ErrCredentials if there is no such user, or if it has
// no Keys for that hash; any other error is a temporary failure. It is called by several goroutines at once. It should
// not take longer for a user that exists.
type KeyFinder func(ctx context.Context, username string, h crypto.Hash) (Keys, error)

// DeriveKeys derives Keys from a password, which is prepared with the OpaqueString profile of RFC 8265 where RFC 5802
// names its predecessor SASLprep: the two differ for compatibility characters beyond ASCII only. It fails for a
// password that the profile does not allow, and for a hash, a salt or an iteration count out of bounds. The Name is
// left empty.
func DeriveKeys(h crypto.Hash, password string, salt []byte, iterations int) (Keys, error) {
	k := Keys{Hash: h, Salt: salt, Iterations: iterations}
	if scramName(h) == "" {
		return Keys{}, fmt.Errorf("sasl: %v is no hash of SCRAM", h)
	}
	if err := k.check(); err != nil {
		return Keys{}, err
	}
	salted, err := saltedPassword(h, password, salt, iterations)
	if err != nil {
		return Keys{}, err
	}
	k.StoredKey = digest(h, mac(h, salted, "Client Key"))
	k.ServerKey = mac(h, salted, "Server Key")
	return k, nil
}

// check checks everything but the two keys.
func (k Keys) check() error {
	if k.Iterations < MinIterations || k.Iterations > MaxIterations {
		return &IterationsError{Iterations: k.Iterations}
	}
	if len(k.Salt) == 0 || len(k.Salt) > maxSalt {
		return fmt.Errorf("sasl: salt of %d octets", len(k.Salt))
	}
	return nil
}

// MarshalText writes the form of RFC 5803, which is also PostgreSQL's: mechanism $ iterations : salt $ StoredKey :
// ServerKey.
func (k Keys) MarshalText() ([]byte, error) {
	name, size := scramName(k.Hash), 0
	if name != "" {
		size = k.Hash.Size()
	}
	if err := k.check(); err != nil {
		return nil, err
	}
	if size == 0 || len(k.StoredKey) != size || len(k.ServerKey) != size {
		return nil, errKeys
	}
	b := strconv.AppendInt(append([]byte(name), '$'), int64(k.Iterations), 10)
	b = base64.StdEncoding.AppendEncode(append(b, ':'), k.Salt)
	b = base64.StdEncoding.AppendEncode(append(b, '$'), k.StoredKey)
	return base64.StdEncoding.AppendEncode(append(b, ':'), k.ServerKey), nil
}

// UnmarshalText reads what MarshalText writes; it leaves Name alone.
func (k *Keys) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "$")
	if len(text) > 8*maxField || len(parts) != 3 {
		return errKeys
	}
	count, salt, ok1 := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	out := Keys{Name: k.Name}
	for _, h := range scramHashes {
		if scramName(h) == parts[0] {
			out.Hash = h
		}
	}
	n, err := parseCount(count)
	if !ok1 || !ok2 || out.Hash == 0 || err != nil {
		return errKeys
	}
	out.Iterations = n
	for _, f := range []struct {
		to   *[]byte
		from string
	}{{&out.Salt, salt}, {&out.StoredKey, stored}, {&out.ServerKey, server}} {
		if *f.to, err = base64.StdEncoding.Strict().DecodeString(f.from); err != nil || strings.ContainsAny(f.from, "\r\n") {
			return errKeys
		}
	}
	if err := out.check(); err != nil {
		return err
	}
	if len(out.StoredKey) != out.Hash.Size() || len(out.ServerKey) != out.Hash.Size() {
		return errKeys
	}
	*k = out
	return nil
}

var errKeys = errors.New("sasl: these are no keys for SCRAM")

// parseCount parses the iteration count: a posit-number (RFC 5802 §7).
func parseCount(s string) (int, error) {
	if s == "" || len(s) > 9 || s[0] < '1' || s[0] > '9' {
		return 0, ErrMalformed
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrMalformed
		}
	}
	return strconv.Atoi(s)
}

// scramHashes are the hashes, best first.
var scramHashes = [...]crypto.Hash{crypto.SHA256, crypto.SHA1}

// scramName returns the mechanism with hash h, "" if there is none.
func scramName(h crypto.Hash) string {
	switch h {
	case crypto.SHA256:
		return "SCRAM-SHA-256"
	case crypto.SHA1:
		return "SCRAM-SHA-1"
	}
	return ""
}

// saltedPassword is Hi (RFC 5802 §2.2) of the prepared password.
func saltedPassword(h crypto.Hash, password string, salt []byte, iterations int) ([]byte, error) {
	prepared, err := precis.OpaqueString.String(password)
	if err != nil || len(password) > maxField {
		return nil, errors.New("sasl: password cannot be used")
	}
	return pbkdf2.Key(func() hash.Hash { return h.New() }, prepared, salt, iterations, h.Size())
}

func mac(h crypto.Hash, key []byte, text string) []byte {
	m := hmac.New(h.New, key)
	_, _ = m.Write([]byte(text))
	return m.Sum(nil)
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	_, _ = d.Write(b)
	return d.Sum(nil)
}

// exclusiveOr returns a xor b, which are of one length.
func exclusiveOr(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}
