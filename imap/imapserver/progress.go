package imapserver

import (
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// A progress tells, now and then, how far a command has come (RFC 9585), so that the client goes on waiting.
type progress struct {
	c    *session
	goal int64
	done int64
	next time.Time
}

func (c *session) progress(goal int64) *progress {
	return &progress{c: c, goal: goal, next: time.Now().Add(c.progressEvery())}
}

func (c *session) progressEvery() time.Duration { return def(c.s.Timeouts.Progress, 10*time.Second) }

// step counts an item that is about to be done.
func (p *progress) step() error {
	p.done++
	if p.done%8 != 0 || time.Now().Before(p.next) || p.c.s.Timeouts.Progress < 0 {
		return nil
	}
	p.next = time.Now().Add(p.c.progressEvery())
	p.c.ok(imap.CodeInProgress, imap.Progress{Tag: p.c.tag, Done: p.done - 1, Goal: p.goal}.String(), "still at work")
	return p.c.bw.Flush()
}
