package smtp

import (
	"context"
	"fmt"
	"io"
)

// An Envelope is a whole SMTP envelope.
type Envelope struct {
	// Peer is who handed the message over; nil: this process itself.
	Peer       *Peer
	From       Path
	Params     MailParams
	Recipients []Recipient
}

// A Recipient is one forward-path of an Envelope.
type Recipient struct {
	To     Path
	Params RcptParams
}

// A BatchHandler takes a whole envelope in one call, where that is faster than one call a recipient: a client that
// pipelines, a store that writes once. Deliver uses it where the Handler has it; a wrapper that hides it loses
// speed only.
type BatchHandler interface {
	Handler
	// Deliver has the rules of the function Deliver.
	Deliver(ctx context.Context, e Envelope, body io.Reader) (Results, error)
}

// Deliver sends a whole envelope through h. Its Results cover every recipient of the Envelope by index, those that
// were refused at RCPT too. An error stands for all of them: MAIL was refused, every recipient was lost with the
// connection, or ctx ended. If every recipient is refused the body is not read and the error is nil.
func Deliver(ctx context.Context, h Handler, e Envelope, body io.Reader) (Results, error) {
	if b, ok := h.(BatchHandler); ok {
		return b.Deliver(ctx, e, body)
	}
	peer := e.Peer
	if peer == nil {
		peer = &Peer{}
	}
	tx, err := h.Mail(ctx, peer, e.From, e.Params)
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	out := make(Results, len(e.Recipients))
	var accepted []int
	for i, r := range e.Recipients {
		if err := tx.Rcpt(ctx, r.To, r.Params); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			out[i] = ResultOf(err)
			continue
		}
		accepted = append(accepted, i)
	}
	if len(accepted) == 0 {
		return out, nil
	}
	res, err := tx.Data(ctx, body)
	if err == nil && len(res) != len(accepted) {
		err = fmt.Errorf("smtp: Handler gave %d results for %d accepted recipients", len(res), len(accepted))
	}
	for k, i := range accepted {
		if err != nil {
			out[i] = ResultOf(err)
		} else {
			out[i] = res[k]
		}
	}
	return out, nil
}
