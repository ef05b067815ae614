package policy_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// TestRequestSize: a first letter is short, whether the sender says so or not; what is too long costs no stamp, and who is
// known writes as much as they like.
func TestRequestSize(t *testing.T) {
	r := newRig(t, func(g *policy.Gate) { g.RequestSize = 1000 })
	stamp := r.stamp(price, bob)
	send := func(size int64, length int) string {
		t.Helper()
		head := fromAuthor("ann@a.example")
		text := head + strings.Repeat("x", max(0, length-len(head)-2)) + "\r\n"
		e := smtp.Envelope{From: rcpt("ann@a.example", "", "").To, Params: smtp.MailParams{Size: size}, Recipients: []smtp.Recipient{rcpt(bob, "", stamp)}}
		res, err := smtp.Deliver(t.Context(), r.h, e, strings.NewReader(text))
		if err != nil {
			return smtp.ReplyOf(err).String()
		}
		return res[0].Reply.String()
	}
	const long = "552 5.3.4 Too long for a first letter, write less than 1001 octets"
	for _, tt := range []struct {
		size   int64
		length int
		want   string
	}{{1001, 500, long}, {0, 5000, long}, {0, 600, taken}, {0, 600, asks}} {
		if got := send(tt.size, tt.length); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
	if err := r.known.SetRelation(t.Context(), bob, "ann@a.example", policy.Relation{State: policy.Known}); err != nil {
		t.Fatal(err)
	}
	if got := send(5000, 5000); got != taken {
		t.Error(got)
	}
	any := newRig(t, func(g *policy.Gate) { g.RequestSize = -1 })
	r, stamp = any, any.stamp(price, bob)
	if got := send(500_000, 500_000); got != taken {
		t.Error(got)
	}
}
