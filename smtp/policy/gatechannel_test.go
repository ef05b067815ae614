package policy_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

const closedTo = "550 5.7.1 Unknown sender, capability not established"

// channelRig is a gate with channels; leaks are what it was told.
func channelRig(t *testing.T, change ...func(*policy.Gate)) (*rig, *[]channel.Leaked) {
	var mu sync.Mutex
	leaks := &[]channel.Leaked{}
	r := newRig(t, append([]func(*policy.Gate){func(g *policy.Gate) {
		g.Channels = channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1},
			Leaked: func(_ context.Context, l channel.Leaked) {
				mu.Lock()
				defer mu.Unlock()
				*leaks = append(*leaks, l)
			}}
	}}, change...)...)
	return r, leaks
}

func (r *rig) channel(c channel.Channel) channel.Channel {
	r.Helper()
	c.Owner = bob
	c, err := r.gate.Channels.New(r.Context(), c)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) again(c channel.Channel) channel.Channel {
	r.Helper()
	c, err := r.gate.Channels.Store.Get(r.Context(), c.ID)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) to(address, message string) string {
	r.Helper()
	return r.send("x@esp.example", strings.NewReader(message), rcpt(address, "", ""))[0]
}

// TestAnswer: a channel for one letter takes one more for each letter that its owner writes to the correspondent, which a
// robot does not.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := channelRig(t)
		book := r.gate.Channels
		c := r.channel(channel.Channel{Peer: "ann@a.example", Exact: true, Max: 1, Expires: time.Now().Add(24 * time.Hour)})
		answer := func(life time.Duration, fields string) {
			t.Helper()
			out := &rig{T: t, inbox: &mailbox{}}
			out.h = policy.Aliaser{Channels: book, Answer: life}.Handler(out.inbox)
			if got := out.send(bob, strings.NewReader(fields+"From: bob@example.org\r\n\r\nYes.\r\n"), rcpt("ann@a.example", "", "")); got[0] != taken {
				t.Fatal(got)
			}
			if out.inbox.reverse.Address() != c.Address {
				t.Errorf("from %s", out.inbox.reverse)
			}
		}
		n := 0
		ann := func(want string) {
			t.Helper()
			n++
			if got := r.to(c.Address, fromAuthor("ann@a.example", fmt.Sprintf("Message-ID: <%d@a.example>\r\n", n))); got != want {
				t.Errorf("letter %d: %s", n, got)
			}
		}
		ann(taken)
		ann(closedTo)
		answer(0, "Auto-Submitted: auto-replied\r\n")
		answer(-1, "")
		ann(closedTo)
		answer(0, "Auto-Submitted: no\r\n")
		time.Sleep(29 * 24 * time.Hour) // longer than it was to live
		ann(taken)
		ann(closedTo)
		answer(time.Hour, "")
		answer(time.Hour, "") // not two
		n -= 2                // the very letter that was taken last
		ann(taken)
		n--
		ann(closedTo)
		time.Sleep(30 * 24 * time.Hour)
		if err := book.Answer(t.Context(), c.ID, time.Now().Add(time.Hour)); !errors.Is(err, channel.ErrClosed) {
			t.Errorf("expired: %v", err)
		}
	})
}

// TestChannel is the life of a channel: the first is pinned, another is refused and told of, paused, disconnected.
func TestChannel(t *testing.T) {
	r, leaks := channelRig(t)
	c := r.channel(channel.Channel{Note: "shop"})
	shop, ads, unsigned := fromAuthor("orders@shop.example"), fromAuthor("x@ads.example", "X-Hashcash: "+r.stamp(price, bob)+"\r\n"), "From: orders@shop.example\r\n\r\nHello.\r\n"
	book := r.gate.Channels
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	step := func(name, message, want string, told int) {
		t.Helper()
		before := r.count()
		if got := r.to(c.Address, message); got != want || (got == taken) != (r.count() == before+1) || len(*leaks) != told {
			t.Errorf("%s: %s, %d leaks", name, got, len(*leaks))
		}
	}
	step("nobody before the first", unsigned, closedTo, 0)
	step("the first", shop, taken, 0)
	if m, _ := r.inbox.last(); !strings.HasPrefix(m, "Mailbricks-Decision: class=trusted; channel="+c.ID.String()+"\r\n") {
		t.Errorf("%q", m)
	}
	if got := r.again(c); got.Pinned != "shop.example" || got.Uses != 1 || got.LastUse.IsZero() {
		t.Errorf("%+v", got)
	}
	step("the pinned one", fromAuthor("news@shop.example"), taken, 0)
	step("another, who pays", ads, closedTo, 1)
	l := (*leaks)[0]
	if l.Pinned != "shop.example" || l.Seen != "ads.example" || l.Author != "x@ads.example" || l.MailFrom != "x@esp.example" || l.Channel.Note != "shop" || len(l.Results) != 1 || !strings.Contains(string(l.Header), "Subject: hello") {
		t.Errorf("%+v", l)
	}
	step("who claims to be the pinned one", unsigned, closedTo, 2)
	step("DNS does not answer", "Authentication-Results: mx.example.org; dkim=temperror; dmarc=temperror\r\n"+unsigned, "451 4.7.1 Cannot decide now, try again later", 2)
	if got := r.send("", strings.NewReader(fromAuthor("mailer-daemon@esp.example")), rcpt(c.Address, "", ""))[0]; got != closedTo || len(*leaks) != 2 {
		t.Errorf("a notification of a host on the way: %s, %d leaks", got, len(*leaks))
	}
	ok(book.Pause(t.Context(), c.ID))
	step("paused", shop, "450 4.2.1 Takes no mail now, try again later", 2)
	ok(book.Resume(t.Context(), c.ID))
	step("resumed", shop, taken, 2)
	next, err := book.Rotate(t.Context(), c.ID, time.Hour)
	ok(err)
	step("rotated, old address", shop, taken, 2)
	ok(book.Disconnect(t.Context(), c.ID))
	step("disconnected", shop, closedTo, 2)
	if got := r.to(next.Address, shop); got != taken {
		t.Errorf("new address: %s", got)
	}
	if got := r.to(next.Address, ads); got != closedTo || len(*leaks) != 3 {
		t.Errorf("the pin is kept: %s", got)
	}
	// A user of this host writes to whom it wants, but not to what is closed.
	peer := &smtp.Peer{Identity: "carol"}
	for address, want := range map[string]string{next.Address: "250", c.Address: closedTo} {
		if got := r.as(peer, address, "From: carol@example.org\r\n\r\nHello.\r\n"); got != want {
			t.Errorf("a user: %s", got)
		}
	}
}

// as sends a message of a peer.
func (r *rig) as(peer *smtp.Peer, address, message string) string {
	r.Helper()
	tx, err := r.h.Mail(r.Context(), peer, smtp.Path{Local: "carol", Domain: "example.org"}, smtp.MailParams{})
	if err != nil {
		r.Fatal(err)
	}
	defer tx.Close()
	if err := tx.Rcpt(r.Context(), rcpt(address, "", "").To, smtp.RcptParams{}); err != nil {
		return smtp.ReplyOf(err).String()
	}
	if _, err := tx.Data(r.Context(), strings.NewReader(message)); err != nil {
		return smtp.ReplyOf(err).String()
	}
	return "250"
}

// TestChannelEnds: by use and by time; and a failed delivery uses nothing.
func TestChannelEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := channelRig(t)
		once, late := r.channel(channel.Channel{Max: 1}), r.channel(channel.Channel{Expires: time.Now().Add(time.Hour)})
		shop := fromAuthor("orders@shop.example")
		r.inbox.fail = 1
		if got := r.to(once.Address, shop); !strings.HasPrefix(got, "451") {
			t.Error(got)
		}
		if got := r.again(once); got.Uses != 0 {
			t.Errorf("a failed delivery used it: %+v", got)
		}
		for i, want := range []string{taken, closedTo} {
			if got := r.to(once.Address, shop+fmt.Sprint(i)); got != want {
				t.Errorf("letter %d: %s", i, got)
			}
		}
		time.Sleep(time.Hour - time.Second)
		if got := r.to(late.Address, shop); got != taken {
			t.Error(got)
		}
		time.Sleep(time.Second)
		if got := r.to(late.Address, shop); got != closedTo {
			t.Error(got)
		}
	})
}

// downStore does not answer.
type downStore struct{ channel.Store }

func (downStore) Get(context.Context, capability.ID) (channel.Channel, error) {
	return channel.Channel{}, errDown
}

func (downStore) List(context.Context, string) iter.Seq2[channel.Channel, error] {
	return func(yield func(channel.Channel, error) bool) { yield(channel.Channel{}, errDown) }
}

// TestChannelUnknown: an address whose channel is not there, or cannot be looked up; and one of a grant beside the channels.
func TestChannelUnknown(t *testing.T) {
	shop := fromAuthor("orders@shop.example")
	r, _ := channelRig(t)
	c := r.channel(channel.Channel{})
	for name, tt := range map[string]struct {
		store channel.Store
		want  string
	}{
		"down":  {downStore{}, "451 4.7.1 Cannot decide now, try again later"},
		"empty": {channel.NewMemoryStore(), closedTo},
	} {
		gate := r.gate
		gate.Channels.Store = tt.store
		h := gate.Handler(r.inbox)
		res, err := smtp.Deliver(t.Context(), h, smtp.Envelope{From: smtp.Path{Local: "x", Domain: "esp.example"}, Recipients: []smtp.Recipient{rcpt(c.Address, "", "")}}, strings.NewReader(shop))
		if err != nil || res[0].Reply.String() != tt.want || r.count() != 0 {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
	grants := capability.NewMemoryStore(nil)
	r, _ = channelRig(t, func(g *policy.Gate) { g.Capabilities.Store, g.Capabilities.Grants = grants, grants })
	c = r.channel(channel.Channel{})
	r.gate.Tags = r.gate.Channels.Tags
	tag, _ := r.tag("bob", capability.Limits{Scope: "shop.example"})
	for _, to := range []string{tag, c.Address} {
		if got := r.to(to, shop); got != taken {
			t.Errorf("%s: %s", to, got)
		}
	}
	// All that was given before, at one stroke.
	if err := grants.Revoke(t.Context(), capability.Revocation{Issuer: bob, Before: 1}); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{tag, c.Address} {
		if got := r.to(to, shop); got != closedTo {
			t.Errorf("%s: %s", to, got)
		}
	}
}

// TestChannelRace: of two first senders at once, one gets in, and the other is told of as a leak.
func TestChannelRace(t *testing.T) {
	r, leaks := channelRig(t)
	c := r.channel(channel.Channel{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { r.to(c.Address, fromAuthor(fmt.Sprintf("x@d%d.example", i))) })
	}
	wg.Wait()
	if r.count() != 1 || len(*leaks) != 7 {
		t.Errorf("%d messages, %d leaks", r.count(), len(*leaks))
	}
}
