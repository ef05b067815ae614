package sandbox

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// A flight is a letter on its way. What tells its story takes a nil flight and then does nothing.
type flight struct {
	w *World
	*story.Entry

	// Set before it starts: the letter, nil for a notice, and what is done to it on purpose.
	msg      *letter.Message
	source   netip.Addr // from where its relay connects, if not from its own address
	wrongKey bool
	unpaid   bool

	mu      sync.Mutex
	look    *lookUp // for the next host
	minting *story.Teller
	check   *story.Teller // verification, from when the letter began to arrive at the recipient's relay
	waiting int           // recipients that are not settled
	reached []smtp.Path   // those that have got it
	refusal string
}

type flightKey struct{}

func withFlight(ctx context.Context, f *flight) context.Context {
	return context.WithValue(ctx, flightKey{}, f)
}

func flightFrom(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

// start puts a letter on its way.
func (w *World) start(l story.Letter, f *flight) *flight {
	f.w, f.Entry = w, w.book.Begin(l, f)
	return f
}

// flight returns the flight with an id, nil if there is none.
func (w *World) flight(id string) *flight {
	e := w.book.Entry(id)
	if e == nil {
		return nil
	}
	f, _ := e.Tag.(*flight)
	return f
}

// notice is the flight of a delivery report that a relay sends, and of whatever else no one put on its way.
func (w *World) notice(d *domain, e smtp.Envelope, head []byte) *flight {
	m := letter.ParseHeader(head)
	f := w.start(story.Letter{Kind: "notice", Subject: m.Subject, From: m.From.Address(), Sender: e.From.Address(), To: recipients(e),
		Size: len(head), Sent: now()}, &flight{waiting: len(e.Recipients)})
	f.hop("notice", d.mx(), "").End(true, "the relay tells the sender what became of a letter")
	return f
}

// hop begins a stage.
func (f *flight) hop(stage, from, to string) *story.Teller {
	if f == nil {
		return nil
	}
	return f.Hop(stage, from, to)
}

// arrive puts down that a relay begins to take the letter, and begins the hop of its verification.
func (f *flight) arrive(host string) {
	if f == nil {
		return
	}
	h := f.hop("verification", host, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = h
}

// checked ends that hop, once.
func (f *flight) checked(ok bool, summary string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	h := f.check
	f.check = nil
	f.mu.Unlock()
	h.End(ok, summary)
}

// settle puts down what became of recipients of a letter at the end of its way, and reads back what was delivered.
func (f *flight) settle(e smtp.Envelope, res smtp.Results, err error) {
	if f == nil {
		return
	}
	if err != nil {
		res = smtp.SameResult(len(e.Recipients), smtp.ReplyOf(err))
	}
	reply := ""
	f.mu.Lock()
	for i, r := range res {
		switch reply = r.Reply.String(); {
		case r.Reply.OK():
			f.waiting--
			f.reached = append(f.reached, e.Recipients[i].To)
		case r.Reply.Permanent():
			f.waiting--
			f.refusal = reply
		default: // the queue tries again
		}
	}
	over, refusal, reached := f.waiting <= 0, f.refusal, f.reached
	f.mu.Unlock()
	f.Change(func(l *story.Letter) {
		if l.State == story.Moving {
			l.Reply = reply
		}
	})
	switch {
	case over && refusal != "":
		f.End(story.Refused, refusal)
	case over && f.msg == nil:
		f.End(story.Delivered, reply)
	case over:
		f.w.running.Go(func() { f.readBack(f.w.ctx, reached, reply) })
	}
}

// fail ends a flight that has not got beyond its first relay.
func (f *flight) fail(err error) {
	if smtp.ReplyOf(err).Permanent() {
		f.End(story.Refused, replyOr(err))
		return
	}
	f.End(story.Failed, replyOr(err))
}

// pay begins the hop of postage, paid ends it: the letter sets out once more, with a stamp.
func (f *flight) pay(host string, price policy.Price) {
	if f == nil || f.unpaid {
		return
	}
	h := f.hop("postage", host, "")
	h.Say("--", attempts(price.Amount))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minting = h
}

func (f *flight) paid() {
	if f == nil {
		return
	}
	f.mu.Lock()
	h := f.minting
	f.minting = nil
	f.mu.Unlock()
	h.End(true, "a stamp is minted, the letter sets out once more")
}

func attempts(bits int) string {
	return fmt.Sprintf("a stamp of %d bits takes %d attempts on average", bits, uint64(1)<<min(bits, 63))
}
