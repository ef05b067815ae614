package imapserver

import (
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// threadCommand is THREAD and UID THREAD (RFC 5256 §3).
func (c *session) threadCommand() (*imap.Status, error) {
	var s searching
	c.d.SP()
	s.thread = c.d.ThreadAlgorithm()
	c.d.SP()
	if err := c.charset(); err != nil {
		return nil, err
	}
	return nil, c.find(&s)
}

// references returns the References field of a message, where the algorithm looks at it.
func (t *searchText) references(a imap.ThreadAlgorithm) (string, error) {
	if a != imap.ThreadReferences {
		return "", nil
	}
	m, err := t.Header()
	if err != nil {
		return "", err
	}
	var b []byte
	for v := range m.Root().Values("References") {
		b = append(message.AppendUnfolded(b, v), ' ')
	}
	return string(b), nil
}

func (c *session) tellThreads(s *searching) {
	b := append(c.bw.AvailableBuffer(), "* THREAD"...)
	if len(s.threaded) > 0 {
		b = imap.AppendThreads(append(b, ' '), imap.Threads(s.thread, s.threaded))
	}
	_, _ = c.bw.Write(append(b, "\r\n"...))
}
