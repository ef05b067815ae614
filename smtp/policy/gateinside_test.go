package policy_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestInside: from this side of a Gate, a tag leads to its mailbox, nobody is asked who they are, nobody is pinned; a
// notification gets there even when the address has ended.
func TestInside(t *testing.T) {
	r, leaks := channelRig(t)
	inbox := &smtptest.Recorder{}
	h := r.gate.Inside(inbox)
	batch := false
	send := func(from, to string) string {
		t.Helper()
		e := smtp.Envelope{Recipients: []smtp.Recipient{{To: rcpt(to, "", "").To}}}
		if from != "" {
			e.From = rcpt(from, "", "").To
		}
		const text = "From: carol@example.org\r\n\r\nHello.\r\n"
		deliver := smtp.Deliver
		if batch = !batch; batch {
			deliver = oneByOne
		}
		res, err := deliver(t.Context(), h, e, strings.NewReader(text))
		if err != nil {
			return smtp.ReplyOf(err).String()
		}
		return res[0].Reply.String()
	}
	open := r.channel(channel.Channel{})
	bare, err := r.gate.Channels.NewBare(t.Context(), channel.Channel{Owner: bob})
	if err != nil {
		t.Fatal(err)
	}
	closed, paused := r.channel(channel.Channel{}), r.channel(channel.Channel{})
	if err := errors.Join(r.gate.Channels.Disconnect(t.Context(), closed.ID), r.gate.Channels.Pause(t.Context(), paused.ID)); err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(open.Address, "bob+", "carol+", 1)
	for _, tt := range []struct{ name, from, to, want string }{
		{"plain", carol, bob, "250"},
		{"open", carol, open.Address, "250"},
		{"bare", carol, bare.Address, "250"},
		{"closed", carol, closed.Address, "550 5.7.1"},
		{"paused", carol, paused.Address, "450 4.2.1"},
		{"forged", carol, forged, "550 5.1.1"},
		{"notification", "", open.Address, "250"},
		{"notification, bare", "", bare.Address, "250"},
		{"notification, closed", "", closed.Address, "250"},
		{"notification, paused", "", paused.Address, "250"},
		{"notification, forged", "", forged, "550 5.1.1"},
	} {
		for range 2 {
			before := len(inbox.Messages())
			got := send(tt.from, tt.to)
			if !strings.HasPrefix(got, tt.want) || (len(inbox.Messages()) > before) != strings.HasPrefix(tt.want, "250") {
				t.Errorf("%s: %s", tt.name, got)
			}
			if strings.HasPrefix(tt.want, "250") {
				r := inbox.Messages()[before].Recipients[0]
				if tagged := tt.to != bob; r.To.Address() != bob || (r.Params.Original == tt.to) != tagged {
					t.Errorf("%s: went to %+v", tt.name, r)
				}
			}
		}
	}
	if c := r.again(open); c.Pinned != "" || c.Uses != 0 || len(*leaks) != 0 {
		t.Errorf("%+v, %d leaks", c, len(*leaks))
	}
	r.gate.Channels.Store = lost{}
	h = r.gate.Inside(inbox)
	for _, from := range []string{carol, ""} {
		if got := send(from, bare.Address); !strings.HasPrefix(got, "45") {
			t.Errorf("store down, from %q: %s", from, got)
		}
	}
}

// oneByOne is smtp.Deliver for one recipient without a batch.
func oneByOne(ctx context.Context, h smtp.Handler, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	return smtp.Deliver(ctx, struct{ smtp.Handler }{h}, e, body)
}

// lost is a store that does not answer.
type lost struct{ channel.Store }

func (lost) Get(context.Context, capability.ID) (channel.Channel, error) {
	return channel.Channel{}, errors.New("down")
}
