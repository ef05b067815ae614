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
	read := Read{IMAP: true, POP3: true, JMAP: true, Identical: true}
	for _, p := range reached {
		d := f.w.domain(p.Domain)
		h := f.hop("reading", d.mail(), d.user)
		one := f.readFrom(ctx, d, h)
		read.IMAP, read.POP3, read.JMAP, read.Identical = read.IMAP && one.IMAP, read.POP3 && one.POP3, read.JMAP && one.JMAP, read.Identical && one.Identical
		if one.Problem != "" {
			read.Problem = one.Problem
			h.end(false, one.Problem)
			continue
		}
		read.Mailbox = one.Mailbox
		if one.Mailbox != "" {
			h.end(true, "in "+one.Mailbox+", over IMAP and JMAP the same to the octet, below the trace fields")
			continue
		}
		h.end(true, "over IMAP, POP3 and JMAP the same to the octet, below the trace fields")
	}
	f.change(func(l *Letter) { l.Read = &read })
	f.end(Delivered, reply)
}

// readFrom reads the letter from one mailbox over each protocol.
func (f *flight) readFrom(ctx context.Context, d *domain, h *hop) (read Read) {
	d.reading.Lock()
	defer d.reading.Unlock()
	s := &search{m: f.msg, claimed: d.claimed}
	var problems []string
	over := func(name string, how func(context.Context, *domain, *search) (int64, error)) bool {
		s.problem = nil
		n, err := how(ctx, d, s)
		if err != nil {
			h.say("--", name+": "+err.Error())
			problems = append(problems, name+": "+err.Error())
			return false
		}
		h.say("--", fmt.Sprintf("%s: %d octets, %d of them trace fields", name, n, n-int64(len(f.msg.delivered))))
		return true
	}
	if read.IMAP = over("IMAP", f.w.readIMAP); read.IMAP && s.mailbox != inbox {
		read.Mailbox = s.mailbox
		h.say("--", "POP3 shows "+inbox+" alone, and this letter is in "+s.mailbox)
	} else {
		read.POP3 = over("POP3", f.w.readPOP3)
	}
	read.JMAP = over("JMAP", readJMAP)
	read.Identical = read.IMAP && read.JMAP && (read.POP3 || read.Mailbox != "")
	read.Problem = strings.Join(problems, "; ")
	if s.want != nil {
		d.claimed[sha256.Sum256(s.want)] = true
	}
	return read
}

// fits says whether a message of that size can be the letter.
func (m *Message) fits(size int64) bool {
	return size >= int64(len(m.delivered)) && size <= int64(len(m.Bytes))+maxTrace
}

// A search looks for a letter among the messages of a mailbox, the newest first. The first protocol finds it by its
// octets, the others have to find the very same message.
type search struct {
	m       *Message
	want    []byte // what another protocol has found; nil: not yet
	mailbox string // where IMAP has found it
	claimed map[[sha256.Size]byte]bool
	problem error
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
	account, list, err := newest(ctx, d.jmap, mail.EmailCondition{MinSize: uint(len(m.delivered)), MaxSize: &limit}, maxCandidates, "blobId", "size")
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
			return e.Size, nil
		}
	}
	return 0, s.fail()
}

func (w *World) readPOP3(ctx context.Context, d *domain, s *search) (int64, error) {
	config := w.ca.client()
	config.ServerName = d.mail()
	c, err := pop3.Dial(ctx, netip.AddrPortFrom(d.mailAddr, portPOP3S).String(), pop3.Options{TLS: pop3.TLSImplicit, TLSConfig: config, DialFunc: w.net.dialer(netip.IPv4Unspecified())})
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
		if !s.m.fits(list[i].Size) {
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
