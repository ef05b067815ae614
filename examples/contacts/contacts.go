// Package contacts keeps who may write to whom at a domain, in files that a relay, a store and the command line share.
//
//	c, err := contacts.Open("/var/spool/contacts/grants", log)
//	relay.Gate, relay.Opener, relay.Aliaser, relay.Payer = c.Gate(), c.Opener(), c.Aliaser(), c.Payer()
//
// The files are FILE (uses and revocations of grants), FILE.key (the key that signs them), FILE.channels, FILE.tagkey (the
// key of the addresses of channels), FILE.relations, FILE.wallet and FILE.spent (stamps). What one process changes holds for
// the others at once, on systems with flock.
package contacts

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// Contacts are the open files.
type Contacts struct {
	// Key signs the capabilities that are given to correspondents.
	Key ed25519.PrivateKey
	// Grants counts uses and knows what was taken back.
	Grants *capability.FileStore
	// Channels are the addresses for one correspondent each.
	Channels channel.Book
	// Relations knows who writes to whom, Wallet has the capabilities of the domain's users, Spent the stamps that they took.
	Relations *policystore.FileRelations
	Wallet    *policystore.FileWallet
	Spent     *hashcash.FileStore

	log     *slog.Logger
	closers []io.Closer
}

// Open opens the files, or makes them and the folder that they are in. log is told of channels whose address somebody else
// uses, of postage that is paid, and of files that fail; nil is silent.
func Open(path string, log *slog.Logger) (c *Contacts, err error) {
	c = &Contacts{log: log}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("contacts: %w", err), c.Close())
			c = nil
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return c, err
	}
	if c.Key, err = Key(path, true); err != nil {
		return c, err
	}
	tagKey, err := TagKey(path, true)
	if err != nil {
		return c, err
	}
	if c.Grants, err = keep(c, func() (*capability.FileStore, error) { return capability.OpenFile(path, nil) }); err != nil {
		return c, err
	}
	channels, err := keep(c, func() (*channel.FileStore, error) { return channel.OpenFile(path + ".channels") })
	if err != nil {
		return c, err
	}
	c.Channels = channel.Book{Store: channels, Tags: Tags(tagKey)}
	if log != nil {
		c.Channels.Leaked = func(_ context.Context, l channel.Leaked) {
			log.Warn("address of a channel is used by somebody else", "owner", l.Channel.Owner, "address", l.Channel.Address, "pinned", l.Pinned, "seen", l.Seen, "author", l.Author)
		}
	}
	if c.Relations, err = keep(c, func() (*policystore.FileRelations, error) { return policystore.OpenRelations(path + ".relations") }); err != nil {
		return c, err
	}
	if c.Wallet, err = keep(c, func() (*policystore.FileWallet, error) { return policystore.OpenWallet(path+".wallet", nil) }); err != nil {
		return c, err
	}
	c.Spent, err = keep(c, func() (*hashcash.FileStore, error) { return hashcash.OpenFile(path+".spent", nil) })
	return c, err
}

// keep opens a file that Close closes.
func keep[F io.Closer](c *Contacts, open func() (F, error)) (F, error) {
	f, err := open()
	if err == nil {
		c.closers = append(c.closers, f)
	}
	return f, err
}

// Close closes the files.
func (c *Contacts) Close() error {
	var errs []error
	for _, f := range c.closers {
		errs = append(errs, f.Close())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// Gate returns what asks unknown senders for a capability or postage.
func (c *Contacts) Gate() *policy.Gate {
	return &policy.Gate{
		Rules:        policy.Transitional(),
		Capabilities: capability.Verifier{Keys: capability.OneKey(c.Key.Public().(ed25519.PublicKey)), Store: c.Grants, Grants: c.Grants},
		Channels:     c.Channels,
		Postage:      []policy.Tariff{policy.Hashcash(c.Spent)},
		Relations:    c.Relations,
		Wallet:       c.Wallet,
		Logger:       c.log,
	}
}

// Opener returns what lets those answer to whom users write.
func (c *Contacts) Opener() *policy.Opener {
	return &policy.Opener{Relations: c.Relations, Key: c.Key, Channels: c.Channels, Revoked: c.Grants, Logger: c.log}
}

// Aliaser returns what lets letters to the correspondent of a channel come from the channel.
func (c *Contacts) Aliaser() *policy.Aliaser {
	return &policy.Aliaser{Channels: c.Channels, Logger: c.log}
}

// Payer returns what pays for users.
func (c *Contacts) Payer() *policy.Payer { return &policy.Payer{Wallet: c.Wallet, Logger: c.log} }
