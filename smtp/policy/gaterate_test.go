package policy_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// TestRate: what is above a grant's rate is told to come again later, by token and by tag, and comes then. Who pays
// instead needs no capability.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const later = "450 4.7.1 Too many messages for now, try again later"
		r, _ := tagRig(t, func(g *policy.Gate) { g.Now = time.Now })
		l := capability.Limits{Scope: "a.example", Rate: capability.Rate{Count: 2, Per: time.Hour}}
		token, _ := r.token(l, bob)
		tag, _ := r.tag("bob", l)
		n := 0
		letter := func(fields ...string) string {
			n++
			return fromAuthor("ann@a.example", append(fields, "Message-ID: <"+strings.Repeat("x", n)+"@a.example>\r\n")...)
		}
		for name, send := range map[string]func() string{
			"parameter": func() string { return r.one(token, "", letter()) },
			"tag":       func() string { return r.send("ann@a.example", strings.NewReader(letter()), rcpt(tag, "", ""))[0] },
		} {
			for i, want := range []string{taken, taken, later, later} {
				if got := send(); got != want {
					t.Errorf("%s %d: %s", name, i, got)
				}
			}
		}
		if got := r.one("", "", letter("Delivery-Capability: "+token+"\r\n")); got != later {
			t.Errorf("in the header: %s", got)
		}
		if got := r.one(token, "", fromAuthor("eve@evil.example")); got != later {
			t.Errorf("another's, before it is known whose: %s", got)
		}
		if got := r.one(token, "", letter("X-Hashcash: "+r.stamp(price, bob)+"\r\n")); got != later {
			t.Errorf("a token that must wait is refused at RCPT: %s", got)
		}
		if got := r.one("", r.stamp(price, bob), letter()); got != taken {
			t.Errorf("who leaves the token out and pays: %s", got)
		}
		time.Sleep(61 * time.Minute)
		if got := r.one(token, "", letter()); got != taken {
			t.Errorf("an hour later: %s", got)
		}
		if got := r.send("ann@a.example", strings.NewReader(letter()), rcpt(tag, "", ""))[0]; got != taken {
			t.Errorf("an hour later, tag: %s", got)
		}
	})
}

// TestClassOfMail: a grant for orders lets in no newsletter, in whatever way that says what it is.
func TestClassOfMail(t *testing.T) {
	const closed = "550 5.7.1 Unknown sender, capability not established"
	r, _ := tagRig(t)
	for _, tt := range []struct {
		field string
		class capability.Class
	}{
		{"", capability.Personal},
		{"Auto-Submitted: no\r\n", capability.Personal},
		{"Precedence: first-class\r\n", capability.Personal},
		{"Auto-Submitted: auto-generated; owner-email=x\r\n", capability.Transactional},
		{"VBR-Info: md=a.example; mc=transaction; mv=v.example\r\n", capability.Transactional},
		{"List-Unsubscribe: <mailto:x@a.example>\r\nAuto-Submitted: auto-generated\r\n", capability.Bulk},
		{"List-Id: <l.a.example>\r\n", capability.Bulk},
		{"PRECEDENCE:\r\n Bulk\r\n", capability.Bulk},
		{"VBR-Info: md=a.example; mc=list; mv=v.example\r\n", capability.Bulk},
	} {
		for _, class := range []capability.Class{0, capability.Personal, capability.Transactional, capability.Bulk} {
			l := capability.Limits{Scope: "a.example", Class: class}
			token, _ := r.token(l, bob)
			tag, _ := r.tag("bob", l)
			in := class == 0 || tt.class <= class
			letter := fromAuthor("ann@a.example", tt.field)
			want := map[bool]string{true: taken, false: asks}[in]
			if got := r.one(token, "", letter); got != want {
				t.Errorf("%q for %v, parameter: %s", tt.field, class, got)
			}
			if got := r.one("", "", fromAuthor("ann@a.example", tt.field, "Delivery-Capability: "+token+"\r\n")); got != want {
				t.Errorf("%q for %v, header: %s", tt.field, class, got)
			}
			want = map[bool]string{true: taken, false: closed}[in]
			if got := r.send("ann@a.example", strings.NewReader(letter), rcpt(tag, "", ""))[0]; got != want {
				t.Errorf("%q for %v, tag: %s", tt.field, class, got)
			}
		}
	}
}
