package sandbox

import (
	"context"
	"io"
	"net/netip"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
)

func (w *World) readIMAP(ctx context.Context, d *domain, s *search) (int64, error) {
	config := w.ca.client()
	config.ServerName = d.mail()
	c, err := imapclient.Dial(ctx, netip.AddrPortFrom(d.mailAddr, portIMAPS).String(),
		imapclient.Options{TLS: imapclient.TLSImplicit, TLSConfig: config, DialFunc: w.net.dialer(netip.IPv4Unspecified())})
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
		if s.m.fits(m.Size) {
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
