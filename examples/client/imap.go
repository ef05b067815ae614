package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// imapBox is INBOX on an IMAP server. IDs are UIDs.
type imapBox struct {
	c      *imapclient.Client
	events []imapclient.Event // told outside of watch's loop
}

const wanted = imap.FieldFlags | imap.FieldEnvelope | imap.FieldInternalDate | imap.FieldSize

func (c *common) openIMAP(ctx context.Context, scheme, addr string) (mailbox, error) {
	conf, err := c.tls()
	if err != nil {
		return nil, err
	}
	b := &imapBox{}
	o := imapclient.Options{TLSConfig: conf, Unilateral: func(ev imapclient.Event) { b.events = append(b.events, ev) }}
	switch here := cli.Loopback(addr); {
	case scheme == "imaps":
		o.TLS = imapclient.TLSImplicit
	case c.ca == "" && (here || c.plaintext): // nobody listens on this machine, or nobody minds
		o.TLS, o.AllowPlaintextAuth = imapclient.TLSOpportunistic, true
		o.TLSConfig.InsecureSkipVerify = here
	}
	if b.c, err = imapclient.Dial(ctx, addr, o); err != nil {
		return nil, err
	}
	name, password, _ := c.login()
	if err = b.c.Login(ctx, name, password); err == nil {
		_, err = b.c.Examine(ctx, "INBOX")
	}
	if err != nil {
		return nil, errors.Join(err, b.c.Close())
	}
	return b, nil
}

func (b *imapBox) close() error { return b.c.Close() }

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

func (b *imapBox) watch(ctx context.Context, ready func()) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		w := &imapWatch{b: b, yield: yield}
		if err := w.run(ctx, ready); err != nil && err != errStopped {
			yield(item{}, err)
		}
	}
}

// An imapWatch follows a mailbox. It knows the UIDs by sequence number, because that is all EXPUNGE tells.
type imapWatch struct {
	b     *imapBox
	yield func(item, error) bool
	uids  []imap.UID
}

func (w *imapWatch) run(ctx context.Context, ready func()) error {
	for m, err := range w.b.c.Fetch(ctx, imap.AllUIDs(), 0) {
		if m == nil {
			return err
		}
		w.uids = append(w.uids, m.UID)
	}
	ready() // what comes before IDLE is told when it begins
	for ctx.Err() == nil {
		if err := w.tell(ctx); err != nil {
			return err
		}
		for ev, err := range w.b.c.Idle(ctx) {
			if err != nil {
				return err
			}
			w.b.events = append(w.b.events, ev)
			break // IDLE has to end before anything can be asked
		}
	}
	return nil
}

// tell yields what the events are about.
func (w *imapWatch) tell(ctx context.Context) error {
	for len(w.b.events) > 0 {
		ev := w.b.events[0]
		w.b.events = w.b.events[1:]
		var err error
		switch ev.Kind {
		case imapclient.EventExists:
			if int(ev.Number) > len(w.uids) {
				err = w.created(ctx)
			}
		case imapclient.EventExpunge:
			if n := int(ev.Number); n > 0 && n <= len(w.uids) {
				err = w.destroyed(w.uids[n-1])
			}
		case imapclient.EventVanished:
			for _, uid := range slices.Clone(w.uids) {
				if ev.UIDs.Contains(uid) && err == nil {
					err = w.destroyed(uid)
				}
			}
		case imapclient.EventFetch:
			if n := int(ev.Message.Seq); n > 0 && n <= len(w.uids) {
				err = w.show(ctx, "updated", imap.UIDs(w.uids[n-1]))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// created shows the messages behind the last one that is known.
func (w *imapWatch) created(ctx context.Context) error {
	var beyond imap.UIDSet
	last := imap.UID(0)
	if n := len(w.uids); n > 0 {
		last = w.uids[n-1]
	}
	beyond.Add(last+1, math.MaxUint32)
	return w.show(ctx, "created", beyond)
}

func (w *imapWatch) show(ctx context.Context, change string, uids imap.UIDSet) error {
	for m, err := range w.b.c.Fetch(ctx, uids, wanted) {
		if m == nil {
			return err
		}
		if change == "created" {
			w.uids = append(w.uids, m.UID)
		}
		it := imapItem(m)
		if it.Change = change; !w.yield(it, nil) {
			return errStopped
		}
	}
	return nil
}

func (w *imapWatch) destroyed(uid imap.UID) error {
	w.uids = slices.DeleteFunc(w.uids, func(u imap.UID) bool { return u == uid })
	if !w.yield(item{Change: "destroyed", ID: strconv.FormatUint(uint64(uid), 10), Keywords: []string{}}, nil) {
		return errStopped
	}
	return nil
}
