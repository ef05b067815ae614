package mailrelay

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// A Stage is a place in a Relay that a letter passes.
type Stage string

// Stages.
const (
	MX         Stage = "mx"         // taken in, or refused, from a stranger
	Submission Stage = "submission" // taken in, or refused, from a user
	Deliver    Stage = "deliver"    // one attempt to hand it to the store
	Next       Stage = "next"       // one attempt to hand it on
)

// An Event is one step of a letter through a Relay: a transaction that has ended.
type Event struct {
	Stage Stage
	// Start is when the transaction began, Duration how long it took.
	Start    time.Time
	Duration time.Duration
	// Envelope has every recipient that was asked for. Its Peer is nil where the queue sends.
	Envelope smtp.Envelope
	// Results are what became of the recipients, by index; a zero Reply where nothing was answered.
	Results smtp.Results
	// Err is the error that stood for all of them, or nil.
	Err error
	// MessageID is the message's, with its brackets, as far as the header was read; Size is what was read of it.
	MessageID string
	Size      int64
}

// observe returns a Handler that tells OnEvent and the metrics of what passes through it.
func (r *Relay) observe(s Stage, h smtp.Handler) smtp.Handler { return observer{r, s, h} }

type observer struct {
	r     *Relay
	stage Stage
	next  smtp.Handler
}

func (o observer) begin(e smtp.Envelope) *observed {
	return &observed{o: o, ev: Event{Stage: o.stage, Start: time.Now(), Envelope: e}}
}

// Mail implements smtp.Handler.
func (o observer) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	t := o.begin(smtp.Envelope{Peer: peer, From: from, Params: p})
	var err error
	if t.tx, err = o.next.Mail(ctx, peer, from, p); err != nil {
		t.end(err)
		return nil, err
	}
	return t, nil
}

// Deliver implements smtp.BatchHandler.
func (o observer) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	t := o.begin(e)
	in := &sniffer{r: body}
	results, err := smtp.Deliver(ctx, o.next, e, in)
	t.ev.Results = results
	t.saw(in)
	t.end(err)
	return results, err
}

// An observed is a transaction that is watched.
type observed struct {
	o        observer
	tx       smtp.Transaction
	ev       Event
	accepted []int
	over     bool
}

func (t *observed) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	err := t.tx.Rcpt(ctx, to, p)
	t.ev.Envelope.Recipients = append(t.ev.Envelope.Recipients, smtp.Recipient{To: to, Params: p})
	var res smtp.Result
	if err != nil {
		res.Reply = smtp.ReplyOf(err)
	} else {
		t.accepted = append(t.accepted, len(t.ev.Results))
	}
	t.ev.Results = append(t.ev.Results, res)
	return err
}

func (t *observed) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	in := &sniffer{r: body}
	results, err := t.tx.Data(ctx, in)
	for k, i := range t.accepted {
		switch {
		case err != nil:
			t.ev.Results[i].Reply = smtp.ReplyOf(err)
		case k < len(results):
			t.ev.Results[i] = results[k]
		}
	}
	t.saw(in)
	t.end(err)
	return results, err
}

// errAbandoned is the Err of a transaction without DATA.
var errAbandoned = errors.New("transaction ended without a message")

func (t *observed) Close() error {
	err := t.tx.Close()
	t.end(errAbandoned)
	return err
}

func (t *observed) saw(in *sniffer) { t.ev.MessageID, t.ev.Size = in.messageID(), in.n }

// end tells of the transaction, once.
func (t *observed) end(err error) {
	if t.over {
		return
	}
	t.over = true
	t.ev.Err, t.ev.Duration = err, time.Since(t.ev.Start)
	t.o.r.counts.transaction(&t.ev)
	if f := t.o.r.c.OnEvent; f != nil {
		f(t.ev)
	}
}

// verified is told by the Verifier of each incoming message.
func (r *Relay) verified(ctx context.Context, rep *policy.Report) {
	r.counts.verdict(string(rep.DMARC.Value))
	attrs := []any{"from", rep.From.String(), "ip", rep.Peer.IP().String(), "spf", string(rep.SPF.Result), "dmarc", string(rep.DMARC.Value)}
	if rep.Refusal != nil {
		attrs = append(attrs, "refused", rep.Refusal.Reply.String())
	}
	r.log.Info("verified", attrs...)
	if f := r.c.OnReport; f != nil {
		f(ctx, rep)
	}
}
