package channel

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mailbricks/mailbricks/capability"
)

// What a Book refuses. Another error is temporary, such as that of a Store that does not answer.
var (
	// ErrUnknown says that there is no such channel.
	ErrUnknown = capability.ErrUnknown
	// ErrExists says that a Store has a channel with that ID already.
	ErrExists = errors.New("channel: id exists")
	// ErrPaused says that the channel takes nothing until it is resumed.
	ErrPaused = errors.New("channel: paused")
	// ErrClosed says that the channel was disconnected or has expired.
	ErrClosed = errors.New("channel: closed")
	// ErrLeaked says that another than the pinned sender writes.
	ErrLeaked = errors.New("channel: address is used by somebody else")
	// ErrUnauthenticated says that it is not known who writes, so nobody is pinned.
	ErrUnauthenticated = errors.New("channel: sender is not authenticated")
	// ErrChannel says that a channel cannot be as it is wanted, or that a store is full.
	ErrChannel = errors.New("channel: not possible")
)

// A State says what becomes of mail to a channel.
type State string

// States. Disconnected is for good.
const (
	Open         State = "open"
	Paused       State = "paused"
	Disconnected State = "disconnected"
)

// MaxNote is the longest note, in octets.
const MaxNote = 500

// A Channel is an address for one correspondent.
type Channel struct {
	ID capability.ID `json:"id"`
	// Owner is the mailbox that gets the mail.
	Owner string `json:"owner"`
	// Address is what the correspondent is given: Owner with a tag, or the tag alone.
	Address string `json:"address"`
	// Note is the owner's, for people, up to MaxNote octets.
	Note string `json:"note,omitempty"`
	// Peer is who may be the first to write, in the form of capability.Limits.Scope; "" is anybody who is authenticated.
	Peer string `json:"peer,omitempty"`
	// Exact pins the first sender's address instead of its domain.
	Exact bool `json:"exact,omitempty"`
	// Pinned is the domain or address that the channel belongs to, "" before the first message.
	Pinned string `json:"pinned,omitempty"`
	State  State  `json:"state"`
	// Created, Expires and LastUse are zero where there is none.
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	LastUse time.Time `json:"last,omitzero"`
	// Uses is how many messages came, Max how many may; 0 is any number.
	Uses uint32 `json:"uses,omitempty"`
	Max  uint32 `json:"max,omitempty"`
	// Rate and Class are limits as of a grant: a shop may send orders, so many a day, and nothing else.
	Rate  capability.Rate  `json:"rate,omitzero"`
	Class capability.Class `json:"class,omitzero"`
	// Leaks is how many messages of others were refused.
	Leaks uint32 `json:"leaks,omitempty"`
	// Next is the channel that took this one's place, by Rotate.
	Next capability.ID `json:"next,omitzero"`
}

// Grant returns what the channel allows, with its pin or else its Peer for scope. Whether it is open is not in it.
func (c Channel) Grant() capability.Grant {
	g := capability.Grant{ID: c.ID, Issuer: c.Owner, Limits: capability.Limits{Scope: c.Pinned, Expires: c.Expires, Uses: c.Max, Rate: c.Rate, Class: c.Class}}
	if g.Scope == "" {
		g.Scope = c.Peer
	}
	return g
}

// Usable returns nil, ErrPaused or ErrClosed.
func (c Channel) Usable(at time.Time) error {
	switch {
	case c.State == Paused && !c.expired(at):
		return ErrPaused
	case c.State != Open, c.expired(at):
		return ErrClosed
	}
	return nil
}

func (c Channel) expired(at time.Time) bool { return !c.Expires.IsZero() && !at.Before(c.Expires) }

// A Store keeps channels. Each call is atomic, also between processes that share the store, and durable when it
// returns. Its methods are called by several goroutines at once. Package channeltest has the suite that an implementation
// passes.
type Store interface {
	// Add keeps a new channel. ErrExists: there is one with that ID.
	Add(ctx context.Context, c Channel) error
	// Get returns a channel, or ErrUnknown.
	Get(ctx context.Context, id capability.ID) (Channel, error)
	// Update calls change with the channel and keeps what change makes of it, or nothing if change returns an error, which
	// Update returns. change may be called more than once, changes neither ID nor Owner, and must not call the Store.
	// ErrUnknown: there is no such channel.
	Update(ctx context.Context, id capability.ID, change func(c *Channel) error) (Channel, error)
	// List yields the channels of an owner, in any state, the last used first, those never used at the end. The owner is
	// compared without regard to case. An error ends it.
	List(ctx context.Context, owner string) iter.Seq2[Channel, error]
}
