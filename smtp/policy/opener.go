package policy

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// A State is what an owner is to a correspondent.
type State int

// States.
const (
	Stranger State = iota
	Known          // the owner has written to them
	Blocked        // the owner wants nothing from them
)

// A Relation is what is known of an owner and a correspondent.
type Relation struct {
	State State
	// Grant is the capability that the owner gave to the correspondent, zero if none.
	Grant capability.ID
}

// Relations remembers whom its owners have to do with. Addresses are compared without regard to case, domains in A-labels.
// Its methods are called by several goroutines at once; an error is temporary. Package policytest has the suite that an
// implementation passes.
type Relations interface {
	// Relation returns what is known of an owner and a correspondent; the zero Relation for nothing. A correspondent
	// without "@" is a domain: Known if any address in it is.
	Relation(ctx context.Context, owner, correspondent string) (Relation, error)
	// SetRelation puts it down. Setting the zero Relation forgets.
	SetRelation(ctx context.Context, owner, correspondent string, r Relation) error
}

// An Opener opens the way back: whoever a user writes to may answer.
//
//	opener.Handler(signer.Handler(queue))
//
// What it adds is not signed, because the recipient's Gate takes it away again and signatures must outlast that. A host on the
// way could put another token there, which opens nothing: the sender then pays once more.
type Opener struct {
	// Relations learns whom the users write to; needed.
	Relations Relations
	// Key signs the capabilities that are offered to correspondents, KeyID tells keys apart. nil: none are offered.
	Key   crypto.Signer
	KeyID uint8
	// Whole gives a capability to the correspondent's whole domain instead of to the one address.
	Whole bool
	// Life is how long a capability lives; 0: a year, negative: without end. Uses and Size limit it, 0: any.
	Life time.Duration
	Uses uint32
	Size uint64
	// Channels are those of an Aliaser behind: a correspondent who has one is offered nothing, since the channel is the way
	// back, and an Aliaser would take the offer away. Without Store there are none.
	Channels channel.Book
	// Revoked takes capabilities back on Disconnect.
	Revoked capability.Store
	// Logger is told of stores that fail; nil is silent.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// openerSize is how much an Opener may add to a message, for SIZE.
const openerSize = 1 << 10

// Handler returns a Handler in front of next, for outgoing mail of users. When next has taken a message, its recipients are
// Known to its sender. The first message to a correspondent that goes to nobody else also carries a capability in
// OfferField: a copy for several would show each what the others got. Mail that nobody wrote opens nothing: the null
// reverse-path, and Auto-Submitted other than "no" (RFC 3834 §5), since an out-of-office answer must not let a spammer in.
// The mail goes out whatever becomes of this. Whether the reverse-path is the user's own is for those in front to see to: whoever
// may use another's opens the way to that one.
func (o Opener) Handler(next smtp.Handler) smtp.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return opener{o, next}
}

// Disconnect ends what an owner has with a correspondent, in one call: the capability is revoked, and the correspondent is a
// stranger again, or blocked.
func (o Opener) Disconnect(ctx context.Context, owner, correspondent string, block bool) error {
	r, err := o.Relations.Relation(ctx, owner, correspondent)
	if err != nil {
		return fmt.Errorf("policy: disconnect: %w", err)
	}
	if r.Grant != (capability.ID{}) && o.Revoked != nil {
		if err := o.Revoked.Revoke(ctx, capability.Revocation{ID: r.Grant}); err != nil {
			return fmt.Errorf("policy: disconnect: %w", err)
		}
	}
	r = Relation{}
	if block {
		r.State = Blocked
	}
	return o.Relations.SetRelation(ctx, owner, correspondent, r)
}

type opener struct {
	Opener
	next smtp.Handler
}

// Mail implements smtp.Handler.
func (o opener) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if o.Relations == nil {
		return nil, errors.New("policy: an Opener needs Relations")
	}
	if from.IsNull() {
		return o.next.Mail(ctx, peer, from, p)
	}
	tx, err := o.next.Mail(ctx, peer, from, grown(p, openerSize))
	if err != nil {
		return nil, err
	}
	return &opening{Transaction: tx, o: o.Opener, owner: from.Address()}, nil
}

type opening struct {
	smtp.Transaction
	o     Opener
	owner string
	to    []smtp.Path
}

// Rcpt implements smtp.Transaction.
func (t *opening) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	err := t.Transaction.Rcpt(ctx, to, p)
	if err == nil {
		t.to = append(t.to, to)
	}
	return err
}

// Data implements smtp.Transaction.
func (t *opening) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	br := bufio.NewReaderSize(body, 32<<10)
	section, err := header.Read(br, 0)
	if errors.Is(err, header.ErrTooLong) {
		return nil, refuse(552, smtp.EnhancedCode{5, 3, 4}, "Header section too long", err)
	}
	if err != nil {
		return nil, err
	}
	if automatic(section) {
		return t.Transaction.Data(ctx, io.MultiReader(bytes.NewReader(section), br))
	}
	var offer []byte
	var given capability.ID
	if len(t.to) == 1 {
		offer, given = t.offer(ctx, t.to[0])
	}
	res, err := t.Transaction.Data(ctx, io.MultiReader(bytes.NewReader(offer), bytes.NewReader(section), br))
	if err != nil || len(res) != len(t.to) {
		return res, err
	}
	for i, to := range t.to {
		if res[i].Reply.OK() {
			t.know(context.WithoutCancel(ctx), to, given)
		}
	}
	return res, nil
}

// offer makes a field with a capability for a correspondent who has none yet.
func (t *opening) offer(ctx context.Context, to smtp.Path) ([]byte, capability.ID) {
	if t.o.Key == nil {
		return nil, capability.ID{}
	}
	old, err := t.o.Relations.Relation(ctx, t.owner, to.Address())
	if err == nil && old.Grant != (capability.ID{}) {
		return nil, capability.ID{}
	}
	if err == nil && t.o.Channels.Store != nil {
		var has bool
		if _, has, err = t.o.Channels.Alias(ctx, t.owner, to.Address()); has {
			return nil, capability.ID{}
		}
	}
	g := capability.Grant{ID: capability.NewID(), Issuer: address.Canonical(t.owner), Key: t.o.KeyID, Limits: capability.Limits{Scope: address.Canonical(to.Address()), Uses: t.o.Uses, Size: t.o.Size}}
	if t.o.Whole {
		g.Scope = address.Canonical(to.Domain)
	}
	switch {
	case t.o.Life == 0:
		g.Expires = t.o.Now().AddDate(1, 0, 0).Truncate(time.Second)
	case t.o.Life > 0:
		g.Expires = t.o.Now().Add(t.o.Life).Truncate(time.Second)
	}
	var token capability.Token
	if err == nil {
		token, err = capability.Issue(g, t.o.Key)
	}
	if err != nil {
		t.o.Logger.Warn("capability not offered", "owner", t.owner, "to", to.Address(), "err", err)
		return nil, capability.ID{}
	}
	return appendToken(nil, OfferField, token.String()), g.ID
}

// know puts down that the owner has written to a correspondent. Who was blocked stays so no longer.
func (t *opening) know(ctx context.Context, to smtp.Path, given capability.ID) {
	old, err := t.o.Relations.Relation(ctx, t.owner, to.Address())
	now := Relation{State: Known, Grant: old.Grant}
	if given != (capability.ID{}) {
		now.Grant = given
	}
	if err == nil && now != old {
		err = t.o.Relations.SetRelation(ctx, t.owner, to.Address(), now)
	}
	if err != nil {
		t.o.Logger.Warn("correspondent not remembered", "owner", t.owner, "to", to.Address(), "err", err)
	}
}
