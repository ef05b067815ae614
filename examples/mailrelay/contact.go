package mailrelay

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// Contacts is first contact by capability and postage: what the Gate of a relay asks of unknown senders, what its users
// give to those they write to, and what it pays for them. Its state is in files of one directory.
type Contacts struct {
	Gate   *policy.Gate
	Opener *policy.Opener
	Payer  *policy.Payer

	closers []func() error
}

// OpenContacts opens the state of Contacts in a directory, which is made where it is absent, with a key of its own for
// the capabilities that it issues.
func OpenContacts(dir string) (c *Contacts, err error) {
	c = &Contacts{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("contacts: %w", err), c.Close())
			c = nil
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, err
	}
	key, err := issuerKey(filepath.Join(dir, "issuer.pem"))
	if err != nil {
		return c, err
	}
	grants, err := capability.OpenFile(filepath.Join(dir, "grants"), nil)
	if err != nil {
		return c, err
	}
	c.closers = append(c.closers, grants.Close)
	spent, err := hashcash.OpenFile(filepath.Join(dir, "spent"), nil)
	if err != nil {
		return c, err
	}
	c.closers = append(c.closers, spent.Close)
	wallet, err := policy.OpenWallet(filepath.Join(dir, "wallet"), nil)
	if err != nil {
		return c, err
	}
	c.closers = append(c.closers, wallet.Close)
	relations, err := policy.OpenRelations(filepath.Join(dir, "relations"))
	if err != nil {
		return c, err
	}
	c.closers = append(c.closers, relations.Close)
	c.Gate = &policy.Gate{
		Rules:        policy.Transitional(),
		Capabilities: capability.Verifier{Keys: capability.OneKey(key.Public().(ed25519.PublicKey)), Store: grants},
		Postage:      hashcash.Verifier{Spent: spent},
		Relations:    relations,
		Wallet:       wallet,
	}
	c.Opener = &policy.Opener{Relations: relations, Key: key, Revoked: grants}
	c.Payer = &policy.Payer{Wallet: wallet}
	return c, nil
}

// Close closes the files.
func (c *Contacts) Close() error {
	var errs []error
	for _, f := range c.closers {
		errs = append(errs, f())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// issuerKey reads the Ed25519 key in a PEM file, or makes one.
func issuerKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return newKey(file)
	}
	if err != nil {
		return nil, err
	}
	key, err := dkim.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return nil, fmt.Errorf("%s: not an Ed25519 key", file)
	}
	return key, nil
}

// newKey makes a key and keeps it: whole, or not at all.
func newKey(file string) (crypto.Signer, error) {
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		return nil, err
	}
	text, err := dkim.AppendPrivateKey(nil, key)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "issuer-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) // a failure left it
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	return key, os.Rename(f.Name(), file)
}
