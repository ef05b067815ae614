package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/internal/address"
)

// A Book makes channels and keeps them.
type Book struct {
	Store Store
	// Tags makes the addresses, and knows them again.
	Tags capability.Tags
	// Leaked, if not nil, is told when somebody else uses an address. It is called while the message is being refused, so
	// it returns soon.
	Leaked func(ctx context.Context, l Leaked)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (b Book) now() time.Time {
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	return now().UTC().Truncate(time.Second)
}

// New makes a channel. Of c it takes Owner, Note, Peer, Exact, Pinned, Expires, Max, Rate and Class. The error wraps ErrChannel,
// capability.ErrSyntax for an owner, peer, pin, rate or class that is none or too long for a tag, or is the Store's.
func (b Book) New(ctx context.Context, c Channel) (Channel, error) { return b.add(ctx, c, false) }

// NewBare is New with an address that is the tag alone, for sites that refuse a separator. It does not tell who the owner is.
func (b Book) NewBare(ctx context.Context, c Channel) (Channel, error) { return b.add(ctx, c, true) }

func (b Book) add(ctx context.Context, c Channel, bare bool) (Channel, error) {
	c = Channel{ID: capability.NewTagID(), Owner: address.Canonical(c.Owner), Note: c.Note, Peer: address.Canonical(c.Peer), Exact: c.Exact, Pinned: address.Canonical(c.Pinned),
		State: Open, Created: b.now(), Expires: c.Expires.UTC().Truncate(time.Second), Max: c.Max, Rate: c.Rate, Class: c.Class}
	if len(c.Note) > MaxNote {
		return Channel{}, fmt.Errorf("%w: note of %d octets", ErrChannel, len(c.Note))
	}
	for _, scope := range []string{c.Peer, c.Pinned} {
		if err := (capability.Grant{ID: c.ID, Issuer: c.Owner, Limits: capability.Limits{Scope: scope, Rate: c.Rate, Class: c.Class}}).Check(); err != nil {
			return Channel{}, err
		}
	}
	local, domain, ok := cut(c.Owner)
	if !ok {
		return Channel{}, fmt.Errorf("%w: owner %q is no address", ErrChannel, c.Owner)
	}
	if bare {
		local = ""
	}
	tagged, err := b.Tags.Append(c.ID, local, domain)
	if err != nil {
		return Channel{}, err
	}
	c.Address = tagged + "@" + domain
	return c, b.Store.Add(ctx, c)
}

// Find returns the channel of an address. ErrUnknown: it has none; that of one whose tag does not verify costs no
// question to the Store.
func (b Book) Find(ctx context.Context, addr string) (Channel, error) {
	local, domain, ok := cut(addr)
	if !ok {
		return Channel{}, ErrUnknown
	}
	x, err := b.Tags.Parse(local, domain)
	if err != nil {
		return Channel{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return b.Store.Get(ctx, x.ID)
}

// Grant implements capability.Grants.
func (b Book) Grant(ctx context.Context, id capability.ID) (capability.Grant, error) {
	c, err := b.Store.Get(ctx, id)
	return c.Grant(), err
}

// A Sender is who writes to a channel.
type Sender struct {
	// Address is the author's, Domain the domain that was authenticated for it, "" if none.
	Address, Domain string
}

// Admit says whether a sender may write to a channel now: nil, ErrUnknown, ErrPaused, ErrClosed, ErrUnauthenticated or
// ErrLeaked. With pin, the first whom it admits is pinned, one of several at a time. It is asked before a message is taken;
// that a delivery fails afterwards does not take the pin away.
func (b Book) Admit(ctx context.Context, id capability.ID, s Sender, pin bool) (Channel, error) {
	at := b.now()
	s = Sender{address.Canonical(s.Address), address.Canonical(s.Domain)}
	var out Channel
	check := func(c *Channel) error {
		out = *c
		if err := c.Usable(at); err != nil {
			return err
		}
		if c.Max > 0 && c.Uses >= c.Max { // the same message over and over, which capability.Store counts once
			return fmt.Errorf("%w: used up", ErrClosed)
		}
		if s.Domain == "" {
			return ErrUnauthenticated
		}
		r := capability.Request{Sender: s.Address, Domain: s.Domain, Recipient: c.Owner}
		if err := c.Grant().Admits(r, at); errors.Is(err, capability.ErrScope) {
			return ErrLeaked
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrClosed, err)
		}
		if c.Pinned != "" {
			return errSame
		}
		if c.Pinned = s.Domain; c.Exact {
			c.Pinned = s.Address
			r.Sender = s.Address
			if c.Grant().Admits(r, at) != nil { // an address of another domain than the authenticated one
				return ErrUnauthenticated
			}
		}
		out = *c
		return nil
	}
	var err error
	if pin {
		_, err = b.Store.Update(ctx, id, check)
	} else if out, err = b.Store.Get(ctx, id); err == nil {
		c := out
		err = check(&c)
	}
	if errors.Is(err, errSame) {
		err = nil
	}
	return out, err
}

// errSame says that there is nothing to write.
var errSame = errors.New("channel: unchanged")

// Used counts a message that was delivered.
func (b Book) Used(ctx context.Context, id capability.ID) error {
	_, err := b.Store.Update(ctx, id, func(c *Channel) error {
		c.Uses++
		c.LastUse = b.now()
		return nil
	})
	return err
}

// Leak counts a message of somebody else and tells Leaked of it. Channel, Pinned and At are filled in.
func (b Book) Leak(ctx context.Context, id capability.ID, l Leaked) error {
	c, err := b.Store.Update(ctx, id, func(c *Channel) error {
		c.Leaks++
		return nil
	})
	if err != nil {
		return err
	}
	l.Channel, l.At = c, b.now()
	if l.Pinned = c.Pinned; l.Pinned == "" {
		l.Pinned = c.Peer
	}
	if b.Leaked != nil {
		b.Leaked(ctx, l)
	}
	return nil
}

// Answer lets the correspondent answer the owner, who has written: a channel that is used up takes one message more, and
// one that ends sooner lives until then. ErrClosed: it is disconnected, or has expired.
func (b Book) Answer(ctx context.Context, id capability.ID, until time.Time) error {
	until = until.UTC().Truncate(time.Second)
	_, err := b.Store.Update(ctx, id, func(c *Channel) error {
		if errors.Is(c.Usable(b.now()), ErrClosed) {
			return ErrClosed
		}
		had := *c
		if c.Max > 0 && c.Uses >= c.Max {
			c.Max = c.Uses + 1
		}
		if !c.Expires.IsZero() && c.Expires.Before(until) {
			c.Expires = until
		}
		if *c == had {
			return errSame
		}
		return nil
	})
	if errors.Is(err, errSame) {
		return nil
	}
	return err
}

// Pause makes a channel take nothing; senders are told to try again later. ErrClosed: it is disconnected.
func (b Book) Pause(ctx context.Context, id capability.ID) error { return b.set(ctx, id, Paused) }

// Resume ends Pause.
func (b Book) Resume(ctx context.Context, id capability.ID) error { return b.set(ctx, id, Open) }

// Disconnect ends a channel for good, with one call.
func (b Book) Disconnect(ctx context.Context, id capability.ID) error {
	return b.set(ctx, id, Disconnected)
}

func (b Book) set(ctx context.Context, id capability.ID, s State) error {
	_, err := b.Store.Update(ctx, id, func(c *Channel) error {
		if c.State == Disconnected && s != Disconnected {
			return ErrClosed
		}
		c.State = s
		return nil
	})
	return err
}

// Expire ends a channel at a time; the zero time takes the end away. ErrClosed: it is disconnected.
func (b Book) Expire(ctx context.Context, id capability.ID, at time.Time) error {
	_, err := b.Store.Update(ctx, id, func(c *Channel) error {
		if c.State == Disconnected {
			return ErrClosed
		}
		c.Expires = at.UTC().Truncate(time.Second)
		return nil
	})
	return err
}

// Rotate gives the correspondent of a channel a new address, with the same pin, limits and note; what was used of Max
// stays used. The old address works for overlap more, 0: ends at once. ErrClosed: the channel is closed, or has been
// rotated before; ErrChannel: nothing of Max is left.
func (b Book) Rotate(ctx context.Context, id capability.ID, overlap time.Duration) (Channel, error) {
	old, err := b.Store.Get(ctx, id)
	if err != nil {
		return Channel{}, err
	}
	if err := old.Usable(b.now()); errors.Is(err, ErrClosed) || old.Next != (capability.ID{}) {
		return Channel{}, ErrClosed
	}
	next := old
	if old.Max > 0 {
		if old.Uses >= old.Max {
			return Channel{}, fmt.Errorf("%w: used up", ErrChannel)
		}
		next.Max = old.Max - old.Uses
	}
	local, _, _ := cut(old.Address)
	next, err = b.add(ctx, next, len(local) == capability.TagLength)
	if err != nil {
		return Channel{}, err
	}
	_, err = b.Store.Update(ctx, id, func(c *Channel) error {
		if c.State == Disconnected || c.Next != (capability.ID{}) {
			return ErrClosed
		}
		c.Next = next.ID
		if end := b.now().Add(overlap); overlap > 0 && (c.Expires.IsZero() || end.Before(c.Expires)) {
			c.Expires = end
		} else if overlap <= 0 {
			c.State = Disconnected
		}
		return nil
	})
	if err != nil {
		return Channel{}, errors.Join(err, b.Disconnect(ctx, next.ID))
	}
	return next, nil
}

// Alias returns the channel that an owner's mail to a correspondent is to come from, so that the answer takes it: the one
// that belongs to the correspondent's address, else to its domain; of several the last used. So a channel for a person at a
// host of many is to be Exact, else letters to all of them come from it. ok is false where there is
// none that is open. Rewrite puts its address into the message; the reverse-path is to be it too.
func (b Book) Alias(ctx context.Context, owner, correspondent string) (c Channel, ok bool, err error) {
	correspondent = address.Canonical(correspondent)
	_, domain, isAddress := cut(correspondent)
	if !isAddress {
		return Channel{}, false, nil
	}
	at := b.now()
	for have, err := range b.Store.List(ctx, address.Canonical(owner)) {
		if err != nil {
			return Channel{}, false, err
		}
		g := have.Grant()
		if have.Usable(at) != nil || have.Next != (capability.ID{}) || g.Scope == "" {
			continue
		}
		if g.Admits(capability.Request{Sender: correspondent, Domain: domain, Recipient: have.Owner}, at) != nil {
			continue
		}
		if exact := strings.Contains(g.Scope, "@"); exact {
			return have, true, nil
		}
		if !ok {
			c, ok = have, true
		}
	}
	return c, ok, nil
}

// cut cuts an address at its last "@".
func cut(addr string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(addr, '@')
	if i <= 0 || i == len(addr)-1 {
		return "", "", false
	}
	return addr[:i], addr[i+1:], true
}
