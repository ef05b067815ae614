package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/imap/pop3"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

// Where a delivered letter is looked for: among the newest messages that are as long as it, or longer by its trace
// fields.
const (
	maxCandidates = 50
	maxTrace      = 64 << 10
)

const inbox = "INBOX"

// errAbsent says that none of the messages in a mailbox is the letter.
var errAbsent = errors.New("the letter is not there")

// readBack reads a letter from the mailboxes that it was delivered to, over IMAP, POP3 and JMAP, and ends its flight.
func (f *flight) readBack(ctx context.Context, reached []smtp.Path, reply string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	read := story.Read{IMAP: true, POP3: true, JMAP: true, Identical: true}
	for _, p := range reached {
		d := f.w.domain(p.Domain)
		h := f.hop("reading", d.mail(), d.user)
		one := f.readFrom(ctx, d, h)
		read.IMAP, read.POP3, read.JMAP, read.Identical = read.IMAP && one.IMAP, read.POP3 && one.POP3, read.JMAP && one.JMAP, read.Identical && one.Identical
		if one.Problem != "" {
			read.Problem = one.Problem
			h.End(false, one.Problem)
			continue
		}
		read.Mailbox = one.Mailbox
		if one.Mailbox != "" {
			h.End(true, "in "+one.Mailbox+", over IMAP and JMAP the same to the octet, below the trace fields")
			continue
		}
		h.End(true, "over IMAP, POP3 and JMAP the same to the octet, below the trace fields")
	}
	f.Change(func(l *story.Letter) { l.Read = &read })
	f.End(story.Delivered, reply)
}

// readFrom reads the letter from one mailbox over each protocol.
func (f *flight) readFrom(ctx context.Context, d *domain, h *story.Teller) (read story.Read) {
	d.reading.Lock()
	defer d.reading.Unlock()
	s := &search{m: f.msg, claimed: d.claimed}
	var problems []string
	over := func(name string, how func(context.Context, *domain, *search) (int64, error)) bool {
		s.problem = nil
		n, err := how(ctx, d, s)
		if err != nil {
			h.Say("--", name+": "+err.Error())
			problems = append(problems, name+": "+err.Error())
			return false
		}
		h.Say("--", fmt.Sprintf("%s: %d octets, %d of them trace fields", name, n, n-int64(len(f.msg.Delivered))))
		return true
	}
	if read.IMAP = over("IMAP", f.w.readIMAP); read.IMAP && s.mailbox != inbox {
		read.Mailbox = s.mailbox
		h.Say("--", "POP3 shows "+inbox+" alone, and this letter is in "+s.mailbox)
	} else {
		read.POP3 = over("POP3", f.w.readPOP3)
	}
	read.JMAP = over("JMAP", readJMAP)
	read.Identical = read.IMAP && read.JMAP && (read.POP3 || read.Mailbox != "")
	read.Problem = strings.Join(problems, "; ")
	f.Change(func(l *story.Letter) {
		if l.Mails == nil {
			l.Mails = make(map[string]string)
		}
		l.Mails[d.user] = s.id
	})
	if s.want != nil {
		d.claimed[sha256.Sum256(s.want)] = true
	}
	return read
}

// A search looks for a letter among the messages of a mailbox, the newest first. The first protocol finds it by its
// octets, the others have to find the very same message.
type search struct {
	m       *letter.Message
	want    []byte // what another protocol has found; nil: not yet
	mailbox string // where IMAP has found it
	id      string // what JMAP calls it
	claimed map[[sha256.Size]byte]bool
	problem error
}

// fits says whether a message of that size can be the letter.
func (s *search) fits(size int64) bool {
	return size >= int64(len(s.m.Delivered)) && size <= int64(len(s.m.Bytes))+maxTrace
}

// look reports whether a message is the one.
func (s *search) look(b []byte, err error) bool {
	switch {
	case err != nil:
	case s.want != nil && bytes.Equal(b, s.want):
		return true
	case s.want != nil:
		err = errors.New("not the octets that another protocol gives")
	case s.claimed[sha256.Sum256(b)]:
		err = errAbsent // a copy that came earlier
	default:
		if err = s.m.Compare(b); err == nil {
			s.want = b
			return true
		}
	}
	if s.problem == nil {
		s.problem = err
	}
	return false
}

// fail says why the letter was not found.
func (s *search) fail() error {
	if s.problem != nil {
		return s.problem
	}
	return errAbsent
}

func readJMAP(ctx context.Context, d *domain, s *search) (int64, error) {
	m := s.m
	limit := uint(len(m.Bytes) + maxTrace + 1)
	account, list, err := newest(ctx, d.jmap, mail.EmailCondition{MinSize: uint(len(m.Delivered)), MaxSize: &limit}, maxCandidates, "id", "blobId", "size")
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		body, err := d.jmap.Download(ctx, account, e.BlobID, "message/rfc822", "letter.eml")
		if err != nil {
			return 0, err
		}
		b, err := io.ReadAll(io.LimitReader(body, e.Size+1))
		_ = body.Close() // it was read
		if s.look(b, err) {
			s.id = string(e.ID)
			return e.Size, nil
		}
	}
	return 0, s.fail()
}

func (w *World) readPOP3(ctx context.Context, d *domain, s *search) (int64, error) {
	config := w.ca.client()
	config.ServerName = d.mail()
	c, err := pop3.Dial(ctx, netip.AddrPortFrom(d.mailAddr, portPOP3S).String(), pop3.Options{TLS: pop3.TLSImplicit, TLSConfig: config, DialFunc: w.dialer(netip.IPv4Unspecified())})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Login(ctx, d.user, d.password); err != nil {
		return 0, err
	}
	list, err := c.List(ctx)
	if err != nil {
		return 0, err
	}
	for i, tried := len(list)-1, 0; i >= 0 && tried < maxCandidates; i-- {
		if !s.fits(list[i].Size) {
			continue
		}
		tried++
		body, err := c.Retr(ctx, list[i].Number)
		if err != nil {
			return 0, err
		}
		b, err := io.ReadAll(body)
		if s.look(b, err) {
			return int64(len(b)), c.Quit(ctx)
		}
	}
	return 0, s.fail()
}

func (w *World) readIMAP(ctx context.Context, d *domain, s *search) (int64, error) {
	config := w.ca.client()
	config.ServerName = d.mail()
	c, err := imapclient.Dial(ctx, netip.AddrPortFrom(d.mailAddr, portIMAPS).String(),
		imapclient.Options{TLS: imapclient.TLSImplicit, TLSConfig: config, DialFunc: w.dialer(netip.IPv4Unspecified())})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Login(ctx, d.user, d.password); err != nil {
		return 0, err
	}
	boxes, err := mailboxes(ctx, c)
	if err != nil {
		return 0, err
	}
	for _, box := range boxes {
		n, err := s.examine(ctx, c, box)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			s.mailbox = box
			return n, c.Logout(ctx)
		}
	}
	return 0, s.fail()
}

// mailboxes lists where a letter may be: INBOX first.
func mailboxes(ctx context.Context, c *imapclient.Client) ([]string, error) {
	boxes := []string{inbox}
	for l, err := range c.List(ctx, "*") {
		if err != nil {
			return nil, err
		}
		if l.Name != inbox && !l.Has(`\Noselect`) {
			boxes = append(boxes, l.Name)
		}
	}
	return boxes, nil
}

// examine looks for the letter in a mailbox and returns its length, 0 if it is not there.
func (s *search) examine(ctx context.Context, c *imapclient.Client, box string) (int64, error) {
	if _, err := c.Examine(ctx, box); err != nil {
		return 0, err
	}
	uids, err := s.candidates(ctx, c)
	if err != nil {
		return 0, err
	}
	for i := len(uids) - 1; i >= 0; i-- {
		b, err := fetch(ctx, c, uids[i])
		if err != nil {
			return 0, err
		}
		if s.look(b, nil) {
			return int64(len(b)), nil
		}
	}
	return 0, nil
}

// candidates returns the newest messages whose length fits.
func (s *search) candidates(ctx context.Context, c *imapclient.Client) ([]imap.UID, error) {
	var uids []imap.UID
	for m, err := range c.Fetch(ctx, imap.AllUIDs(), imap.FieldSize) {
		if err != nil {
			return nil, err
		}
		if s.fits(m.Size) {
			uids = append(uids, m.UID)
		}
	}
	return uids[max(0, len(uids)-maxCandidates):], nil
}

// fetch reads one message.
func fetch(ctx context.Context, c *imapclient.Client, uid imap.UID) (b []byte, err error) {
	for m, err := range c.Fetch(ctx, imap.UIDs(uid), 0, imapclient.Body("")) {
		if err != nil {
			return nil, err
		}
		if p := m.Body(); p != nil {
			if b, err = io.ReadAll(p); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}
