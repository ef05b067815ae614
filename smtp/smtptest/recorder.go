package smtptest

import (
	"context"
	"io"
	"sync"

	"github.com/mailbricks/mailbricks/smtp"
)

// A Recorder is a Handler that takes messages into memory. The zero value takes everything. Its fields must not be changed
// once it is in use; its methods may be called at any time.
type Recorder struct {
	// OnMail, OnRcpt and OnData, if not nil, are asked first; an error refuses. OnData is asked when the message has been
	// read, and may give the Results; nil Results take it for everybody.
	OnMail func(peer *smtp.Peer, from smtp.Path, p smtp.MailParams) error
	OnRcpt func(to smtp.Path, p smtp.RcptParams) error
	OnData func(m *Message) (smtp.Results, error)
	// Next, if not nil, is told of each message that was taken, after it is kept. It may block.
	Next func(m *Message)

	mu        sync.Mutex
	messages  []*Message
	open      int
	abandoned int
}

// A Message is one message with its envelope.
type Message struct {
	Peer       smtp.Peer
	From       smtp.Path
	Params     smtp.MailParams
	Recipients []smtp.Recipient
	Body       []byte
}

// Messages returns the messages taken so far, in their order.
func (r *Recorder) Messages() []*Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Message(nil), r.messages...)
}

// Open returns the number of transactions that are not closed.
func (r *Recorder) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// Abandoned returns the number of transactions that ended without a message taken.
func (r *Recorder) Abandoned() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.abandoned
}

// Reset forgets the messages.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages, r.abandoned = nil, 0
}

// Mail implements smtp.Handler.
func (r *Recorder) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if r.OnMail != nil {
		if err := r.OnMail(peer, from, p); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	return &recording{r: r, m: &Message{Peer: *peer, From: from, Params: p}}, nil
}

type recording struct {
	r     *Recorder
	m     *Message
	taken bool
}

func (t *recording) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	if t.r.OnRcpt != nil {
		if err := t.r.OnRcpt(to, p); err != nil {
			return err
		}
	}
	t.m.Recipients = append(t.m.Recipients, smtp.Recipient{To: to, Params: p})
	return nil
}

func (t *recording) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	t.m.Body = b
	var res smtp.Results
	if t.r.OnData != nil {
		if res, err = t.r.OnData(t.m); err != nil {
			return nil, err
		}
	}
	if res == nil {
		res = smtp.SameResult(len(t.m.Recipients), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Taken"))
	}
	t.taken = true
	t.r.mu.Lock()
	t.r.messages = append(t.r.messages, t.m)
	t.r.mu.Unlock()
	if t.r.Next != nil {
		t.r.Next(t.m)
	}
	return res, nil
}

func (t *recording) Close() error {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.r.open--
	if !t.taken {
		t.r.abandoned++
	}
	return nil
}
