package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// imapBox is INBOX on an IMAP server. IDs are UIDs.
type imapBox struct {
	dial func(ctx context.Context) (*imapclient.Client, error) // and logs in
	c    *imapclient.Client                                    // INBOX is selected there
}

const wanted = imap.FieldFlags | imap.FieldEnvelope | imap.FieldInternalDate | imap.FieldSize

func (c *common) openIMAP(ctx context.Context, scheme, addr string) (mailbox, error) {
	conf, err := c.tls()
	if err != nil {
		return nil, err
	}
	o := imapclient.Options{TLSConfig: conf}
	switch here := cli.Loopback(addr); {
	case scheme == "imaps":
		o.TLS = imapclient.TLSImplicit
	case c.ca == "" && (here || c.plaintext): // nobody listens on this machine, or nobody minds
		o.TLS, o.AllowPlaintextAuth = imapclient.TLSOpportunistic, true
		o.TLSConfig.InsecureSkipVerify = here
	}
	name, password, _ := c.login()
	b := &imapBox{dial: func(ctx context.Context) (*imapclient.Client, error) {
		c, err := imapclient.Dial(ctx, addr, o)
		if err == nil {
			err = c.Login(ctx, name, password)
		}
		if err != nil && c != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, err
	}}
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// open connects, in the place of a connection that was lost if need be.
func (b *imapBox) open(ctx context.Context) error {
	_ = b.close()
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	b.c = c
	_, err = c.Examine(ctx, "INBOX")
	return err
}

func (b *imapBox) close() error {
	if b.c == nil {
		return nil
	}
	c := b.c
	b.c = nil
	return c.Close()
}

func (b *imapBox) list(ctx context.Context, words []string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		uids := imap.AllUIDs()
		if len(words) > 0 {
			var err error
			if uids, err = b.c.Search(ctx, &imap.SearchCriteria{Text: words}); err != nil {
				yield(item{}, err)
				return
			}
			if uids.Len() == 0 {
				return
			}
		}
		var all []item
		for m, err := range b.c.Fetch(ctx, uids, wanted) {
			if err != nil && m == nil {
				yield(item{}, err)
				return
			}
			all = append(all, imapItem(m))
		}
		for _, it := range slices.Backward(all) {
			if !yield(it, nil) {
				return
			}
		}
	}
}

func imapItem(m *imapclient.Message) item {
	it := item{ID: strconv.FormatUint(uint64(m.UID), 10), Date: m.InternalDate, Size: m.Size, Keywords: []string{}}
	for _, f := range m.Flags {
		if k := mail.Keyword(string(f)); k != "" {
			it.Keywords = append(it.Keywords, k)
		}
	}
	if e := m.Envelope; e != nil {
		it.Subject = mail.DecodeText(e.Subject)
		if len(e.From) > 0 {
			it.From = e.From[0].Mailbox + "@" + e.From[0].Host
		}
		for _, a := range e.To {
			if a.Host != "" {
				it.To = append(it.To, a.Mailbox+"@"+a.Host)
			}
		}
	}
	return it
}

func (b *imapBox) get(ctx context.Context, id string, w io.Writer) error {
	uid, err := strconv.ParseUint(id, 10, 32)
	if err != nil || uid == 0 {
		return cli.Usagef("%q is not a UID", id)
	}
	found := false
	for m, err := range b.c.Fetch(ctx, imap.UIDs(imap.UID(uid)), 0, imapclient.Body("")) {
		if m == nil {
			return err
		}
		if body := m.Body(); body != nil && !body.Absent {
			found = true
			if _, err := io.Copy(w, body); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("no message %s", id)
	}
	return nil
}

// watch follows the mailbox over connections of its own, and looks at messages over the other one.
func (b *imapBox) watch(ctx context.Context, note func(string)) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		there, err := b.c.Search(ctx, &imap.SearchCriteria{})
		if err != nil {
			yield(item{}, err)
			return
		}
		s := b.c.Selected()
		f := &imapclient.Follower{Dial: b.dial, Known: imapclient.Known{UIDValidity: s.UIDValidity, ModSeq: s.HighestModSeq, UIDs: there},
			Trouble: func(err error, wait time.Duration) {
				note(fmt.Sprintf("connection lost, again in %s: %v", wait.Round(time.Second/10), err))
			}}
		note("watching") // what comes from now on is told
		for e, err := range f.Changes(ctx) {
			var all []item
			if err == nil {
				all, err = b.items(ctx, e, &there)
			}
			if err != nil {
				yield(item{}, err)
				return
			}
			for _, it := range all {
				if !yield(it, nil) {
					return
				}
			}
		}
	}
}

// items returns what an event is about. there are the messages that have been told of.
func (b *imapBox) items(ctx context.Context, e imapclient.Event, there *imap.UIDSet) (all []item, err error) {
	gone := e.UIDs
	if e.Kind == imapclient.EventReset {
		gone = *there
	}
	for uid := range gone.All() {
		all = append(all, item{Change: "destroyed", ID: strconv.FormatUint(uint64(uid), 10), Keywords: []string{}})
	}
	*there = there.Minus(gone)
	if e.Kind != imapclient.EventFetch {
		return all, nil
	}
	uid := e.Message.UID
	change := "updated"
	if !there.Contains(uid) {
		change = "created"
	}
	it, err := b.item(ctx, uid)
	if err != nil { // the connection has been lost with the other one
		if err = b.open(ctx); err == nil {
			it, err = b.item(ctx, uid)
		}
	}
	if err != nil || it == nil { // it has gone again
		return all, err
	}
	there.Add(uid, uid)
	it.Change = change
	return append(all, *it), nil
}

// item returns a message, nil if there is none.
func (b *imapBox) item(ctx context.Context, uid imap.UID) (out *item, err error) {
	if err := b.c.Noop(ctx); err != nil { // so that this connection hears of the message, too
		return nil, err
	}
	for m, err := range b.c.Fetch(ctx, imap.UIDs(uid), wanted) {
		if m == nil {
			return nil, err
		}
		out = new(imapItem(m))
	}
	return out, nil
}
