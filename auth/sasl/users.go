package sasl

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"sync"

	"golang.org/x/text/secure/precis"
)

// iterations of PBKDF2 that NewUsers uses: about 5 ms of one core for a log-in.
const iterations = 15000

// Users is a set of users and passwords in memory. It keeps a salted PBKDF2-SHA-256 hash of each password. User names
// are compared without regard to ASCII case.
type Users struct {
	decoy userKey
	mu    sync.RWMutex
	m     map[string]userKey
}

type userKey struct {
	name string
	salt [16]byte
	hash [sha256.Size]byte
}

// NewUsers returns an empty set.
func NewUsers() *Users {
	u := &Users{m: map[string]userKey{}}
	rand.Read(u.decoy.salt[:])
	rand.Read(u.decoy.hash[:])
	return u
}

// Set adds a user or changes its password. It fails for an empty name, and for a password that the OpaqueString
// profile does not allow (RFC 8265 §4.2): empty, or with control characters.
func (u *Users) Set(name, password string) error {
	if name == "" {
		return errors.New("sasl: empty user name")
	}
	k := userKey{name: name}
	rand.Read(k.salt[:])
	hash, err := k.derive(password)
	if err != nil {
		return err
	}
	copy(k.hash[:], hash)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.m[fold(name)] = k
	return nil
}

// Delete removes a user.
func (u *Users) Delete(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.m, fold(name))
}

// Check is a PasswordChecker. The name it returns is spelt as it was Set.
func (u *Users) Check(_ context.Context, username, password string) (string, error) {
	u.mu.RLock()
	k, ok := u.m[fold(username)]
	u.mu.RUnlock()
	if !ok {
		k = u.decoy // an unknown user takes as long as a wrong password
	}
	hash, err := k.derive(password)
	if err != nil || subtle.ConstantTimeCompare(hash, k.hash[:]) != 1 || !ok {
		return "", ErrCredentials
	}
	return k.name, nil
}

func (k userKey) derive(password string) ([]byte, error) {
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		return nil, errors.New("sasl: password cannot be used")
	}
	return pbkdf2.Key(sha256.New, prepared, k.salt[:], iterations, sha256.Size)
}

// fold lowers ASCII letters.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
