package sasl

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
)

// saltLen is the length of the salts of Users.
const saltLen = 16

// Users is a set of users in memory. Of each password it keeps what SCRAM needs, with a salt of its own and
// DefaultIterations; that serves to check the password itself too. User names are compared without regard to ASCII case.
type Users struct {
	decoy user
	mu    sync.RWMutex
	m     map[string]user
}

// user has Keys for each hash.
type user [len(scramHashes)]Keys

// NewUsers returns an empty set.
func NewUsers() *Users {
	u := &Users{m: map[string]user{}}
	for i, h := range scramHashes {
		k := Keys{Hash: h, Salt: make([]byte, saltLen), Iterations: DefaultIterations, StoredKey: make([]byte, h.Size())}
		rand.Read(k.Salt)
		rand.Read(k.StoredKey)
		u.decoy[i] = k
	}
	return u
}

// Set adds a user or changes its password. It fails for an empty name, and for a password that the OpaqueString
// profile does not allow (RFC 8265 §4.2): empty, or with control characters.
func (u *Users) Set(name, password string) error {
	var x user
	for i, h := range scramHashes {
		salt := make([]byte, saltLen)
		rand.Read(salt)
		k, err := DeriveKeys(h, password, salt, DefaultIterations)
		if err != nil {
			return err
		}
		k.Name = name
		x[i] = k
	}
	return u.put(name, x)
}

// SetKeys adds a user, or changes its password, of which only the Keys are known; k.Name is the user. Keys for another hash
// that it had are forgotten, since they might be of another password. Keys for SHA-1 alone do for SCRAM-SHA-1 and for
// Check.
func (u *Users) SetKeys(k Keys) error {
	var x user
	if _, err := k.MarshalText(); err != nil {
		return err
	}
	k.Salt, k.StoredKey, k.ServerKey = slices.Clone(k.Salt), slices.Clone(k.StoredKey), slices.Clone(k.ServerKey)
	x[slices.Index(scramHashes[:], k.Hash)] = k
	return u.put(k.Name, x)
}

func (u *Users) put(name string, x user) error {
	if name == "" {
		return errors.New("sasl: empty user name")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.m[fold(name)] = x
	return nil
}

// Delete removes a user.
func (u *Users) Delete(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.m, fold(name))
}

// Keys is a KeyFinder.
func (u *Users) Keys(_ context.Context, username string, h crypto.Hash) (Keys, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	x := u.m[fold(username)]
	for _, k := range x {
		if k.Hash == h && h != 0 {
			return k, nil
		}
	}
	return Keys{}, ErrCredentials
}

// Check is a PasswordChecker. The name it returns is spelt as it was Set.
func (u *Users) Check(_ context.Context, username, password string) (string, error) {
	u.mu.RLock()
	x, ok := u.m[fold(username)]
	u.mu.RUnlock()
	if !ok {
		x = u.decoy // an unknown user takes as long as a wrong password
	}
	k := x[0]
	if k.Hash == 0 {
		k = x[1]
	}
	got, err := DeriveKeys(k.Hash, password, k.Salt, k.Iterations)
	if err != nil || !hmac.Equal(got.StoredKey, k.StoredKey) || !ok {
		return "", ErrCredentials
	}
	return k.Name, nil
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
