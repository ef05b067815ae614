package policy_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// TestOpener: who is written to may answer, but not who gets an automatic answer.
func TestOpener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		o := policy.Opener{Relations: r.known, Key: r.key, Revoked: r.grants, Life: time.Hour, Uses: 3, Size: 1000}
		next := &recorder{}
		send := func(h smtp.Handler, from, fields string, to ...string) string {
			t.Helper()
			next.rcpts, next.message = nil, ""
			p, _, _ := smtp.ParsePath("<" + from + ">")
			e := smtp.Envelope{From: p, Params: smtp.MailParams{Size: 10}}
			for _, addr := range to {
				e.Recipients = append(e.Recipients, rcpt(addr, "", ""))
			}
			if _, err := smtp.Deliver(t.Context(), h, e, strings.NewReader(fields+letter)); err != nil {
				t.Fatal(err)
			}
			return next.message
		}
		state := func(owner, who string) policy.Relation { return must(r.known.Relation(t.Context(), owner, who)) }
		for _, fields := range []string{"Auto-Submitted: auto-replied\r\n", "Auto-Submitted:\r\n auto-generated; x=y\r\n"} {
			if m := send(o.Handler(next), bob, fields, "ann@a.example"); m != fields+letter || state(bob, "ann@a.example").State != policy.Stranger {
				t.Errorf("automatic: %q", m)
			}
		}
		if m := send(o.Handler(next), "", "", "ann@a.example"); m != letter || state("", "ann@a.example").State != policy.Stranger {
			t.Errorf("null reverse-path: %q", m)
		}
		m := send(o.Handler(next), "Bob@example.org", "Auto-Submitted: no\r\n", "Ann@a.example")
		token, err := capability.ParseToken(unfold(m))
		g := token.Grant()
		if err != nil || g.Issuer != bob || g.Scope != "ann@a.example" || g.Uses != 3 || g.Size != 1000 || !g.Expires.Equal(time.Now().Add(time.Hour).Truncate(time.Second)) || !strings.HasSuffix(m, "\r\nAuto-Submitted: no\r\n"+letter) {
			t.Fatalf("%+v, %v, %q", g, err, m)
		}
		first := g
		if got := state(bob, "ann@a.example"); got.State != policy.Known || got.Grant != g.ID {
			t.Errorf("%+v", got)
		}
		if next.params.Size < int64(len(m)-len(letter)) {
			t.Errorf("SIZE=%d", next.params.Size)
		}
		if m = send(o.Handler(next), bob, "", "ann@a.example"); m != letter {
			t.Errorf("offered twice: %q", m)
		}
		if m = send(o.Handler(next), bob, "", "ann@a.example", "dan@d.example"); m != letter || state(bob, "dan@d.example").State != policy.Known {
			t.Errorf("to two: %q", m)
		}
		o.Whole, o.Life = true, -1
		token, err = capability.ParseToken(unfold(send(o.Handler(next), bob, "", "x@bücher.example")))
		if g := token.Grant(); err != nil || g.Scope != "xn--bcher-kva.example" || !g.Expires.IsZero() {
			t.Errorf("%+v, %v", g, err)
		}
		o.Life = 0
		token, err = capability.ParseToken(unfold(send(o.Handler(next), bob, "", "x@e.example")))
		if g := token.Grant(); err != nil || !g.Expires.After(time.Now().AddDate(0, 11, 0)) {
			t.Errorf("%+v, %v", g, err)
		}
		// What is refused opens nothing.
		next.refuse = rcpt("no@n.example", "", "").To
		send(o.Handler(next), bob, "", "no@n.example")
		next.response = smtp.NewError(451, smtp.EnhancedCode{4, 3, 0}, "Full")
		send(o.Handler(next), bob, "", "full@n.example")
		for _, who := range []string{"no@n.example", "full@n.example"} {
			if got := state(bob, who); got != (policy.Relation{}) {
				t.Errorf("%s: %+v", who, got)
			}
		}
		next.response = nil
		// Without a key there is no offer; without a store that answers the mail goes out all the same.
		if m = send(policy.Opener{Relations: r.known}.Handler(next), bob, "", "k@k.example"); m != letter || state(bob, "k@k.example").State != policy.Known {
			t.Errorf("%q", m)
		}
		if m = send(policy.Opener{Relations: down{}, Key: r.key}.Handler(next), bob, "", "k@k.example"); m != letter {
			t.Errorf("%q", m)
		}
		if _, err := (policy.Opener{}).Handler(next).Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{}); err == nil {
			t.Error("no Relations: no error")
		}
		// The end, in one call.
		if err := o.Disconnect(t.Context(), bob, "ann@a.example", true); err != nil || state(bob, "ann@a.example") != (policy.Relation{State: policy.Blocked}) {
			t.Errorf("%v", err)
		}
		if _, err = r.grants.Reserve(t.Context(), capability.Use{Grant: first}); !errors.Is(err, capability.ErrRevoked) {
			t.Errorf("%v", err)
		}
		if err := (policy.Opener{Relations: down{}}).Disconnect(t.Context(), bob, "x@x.example", false); err == nil {
			t.Error("a store that is down: no error")
		}
	})
}
