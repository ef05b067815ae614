package policy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// An Aliaser lets the letters of a user to the correspondent of a channel come from the channel, so that the answer takes
// it and the mailbox is not told. It stands behind an Opener, which knows users by their mailbox, and in front of a Signer:
//
//	opener.Handler(aliaser.Handler(signer.Handler(queue)))
type Aliaser struct {
	// Channels knows which channel a correspondent belongs to. A Store that does not answer refuses the recipient with 451:
	// a letter that tells the mailbox cannot be taken back.
	Channels channel.Book
	// Answer is how long the correspondent has to answer a letter, through a channel that would end before or has taken all
	// that it may; 0: 30 days, negative: no longer than the channel has it. Mail that nobody wrote opens nothing (RFC 3834 §5).
	Answer time.Duration
	// Logger is told of a Store that fails when the letter has gone; nil is silent.
	Logger *slog.Logger
	// Limits are those of a message; the Aliaser keeps only its header section.
	Limits Limits
}

// Handler returns a Handler in front of next that writes the address of the channel into the reverse-path, From, Sender and
// Reply-To in place of the user's own, and takes OfferField away, which tells it. Recipients of another channel, or of none,
// do not share a transaction with those of one: the later one gets 452 4.5.3. MAIL goes on with the first recipient, so what
// next says to it is told there.
func (a Aliaser) Handler(next smtp.Handler) smtp.Handler {
	if a.Answer == 0 {
		a.Answer = 30 * 24 * time.Hour
	}
	if a.Logger == nil {
		a.Logger = slog.New(slog.DiscardHandler)
	}
	return aliaser{a, next}
}

type aliaser struct {
	Aliaser
	next smtp.Handler
}

// Mail implements smtp.Handler.
func (a aliaser) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &aliasing{a: a, peer: peer, from: from, params: p}, nil
}

// An aliasing is a transaction that begins when it is known who it is from.
type aliasing struct {
	a      aliaser
	peer   *smtp.Peer
	from   smtp.Path
	params smtp.MailParams
	tx     smtp.Transaction // nil before the first recipient
	alias  channel.Channel  // without Address: none
	any    bool             // a recipient was accepted
}

// Rcpt implements smtp.Transaction.
func (t *aliasing) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	alias, err := t.find(ctx, to)
	if err != nil {
		return refuse(451, smtp.EnhancedCode{4, 3, 0}, tryAgain, err)
	}
	if t.tx != nil && alias.ID != t.alias.ID {
		if t.any {
			return smtp.NewError(452, smtp.EnhancedCode{4, 5, 3}, "Written to from another address, send it in a transaction of its own")
		}
		if err := t.Close(); err != nil {
			return err
		}
	}
	if t.tx == nil {
		from, params := t.from, t.params
		if alias.Address != "" {
			if from, err = smtp.ParseMailbox(alias.Address); err != nil {
				return fmt.Errorf("policy: address of a channel: %w", err)
			}
			params = grown(params, 3*int64(len(alias.Address)))
		}
		if t.tx, err = t.a.next.Mail(ctx, t.peer, from, params); err != nil {
			t.tx = nil
			return err
		}
		t.alias = alias
	}
	if err := t.tx.Rcpt(ctx, to, p); err != nil {
		return err
	}
	t.any = true
	return nil
}

// find returns the channel that the recipient is to see, a zero one for the user's own address.
func (t *aliasing) find(ctx context.Context, to smtp.Path) (channel.Channel, error) {
	if t.from.IsNull() || t.a.Channels.Store == nil {
		return channel.Channel{}, nil
	}
	c, ok, err := t.a.Channels.Alias(ctx, t.from.Address(), to.Address())
	if err != nil || !ok {
		return channel.Channel{}, err
	}
	return c, nil
}

// Data implements smtp.Transaction.
func (t *aliasing) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	if !t.any {
		return nil, smtp.NewError(503, smtp.EnhancedCode{5, 5, 1}, "No recipients")
	}
	if t.alias.Address == "" {
		return t.tx.Data(ctx, body)
	}
	br := bufio.NewReaderSize(body, 32<<10)
	section, err := header.Read(br, int(t.a.Limits.Header)) // 0: its default, which is ours
	if errors.Is(err, header.ErrTooLong) {
		return nil, refuse(552, smtp.EnhancedCode{5, 3, 4}, "Header section too long", err)
	}
	if err != nil {
		return nil, err
	}
	opens := t.a.Answer > 0 && !automatic(section)
	section = channel.Rewrite(without(section, oneOf(OfferField)), t.from.Address(), t.alias.Address)
	res, err := t.tx.Data(ctx, io.MultiReader(bytes.NewReader(section), br))
	if err == nil && opens && slices.ContainsFunc(res, func(r smtp.Result) bool { return r.Reply.OK() }) {
		t.answer(context.WithoutCancel(ctx))
	}
	return res, err
}

// answer lets the correspondent answer. The letter has gone, whatever becomes of this.
func (t *aliasing) answer(ctx context.Context) {
	now := time.Now
	if t.a.Channels.Now != nil {
		now = t.a.Channels.Now
	}
	if err := t.a.Channels.Answer(ctx, t.alias.ID, now().Add(t.a.Answer)); err != nil {
		t.a.Logger.Warn("channel not kept open for the answer", "channel", t.alias.ID, "err", err)
	}
}

// Close implements smtp.Transaction.
func (t *aliasing) Close() error {
	if t.tx == nil {
		return nil
	}
	err := t.tx.Close()
	t.tx = nil
	return err
}
