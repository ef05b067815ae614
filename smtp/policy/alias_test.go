package policy_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// TestAliaser: a letter to the correspondent of a channel comes from it, and tells the mailbox nowhere; all others stay.
func TestAliaser(t *testing.T) {
	book := channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1}}
	c, err := book.NewBare(t.Context(), channel.Channel{Owner: bob, Pinned: "shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	inbox := &mailbox{}
	r := &rig{T: t, inbox: inbox, h: policy.Aliaser{Channels: book}.Handler(inbox)}
	letter := "Delivery-Capability-Offer: x\r\nFrom: Bob <Bob@example.org>\r\nReply-To: bob@example.org\r\nTo: orders@shop.example\r\nSubject: yes\r\n\r\nbob@example.org\r\n"
	send := func(from string, to ...string) []string {
		t.Helper()
		var rs []smtp.Recipient
		for _, a := range to {
			rs = append(rs, rcpt(a, "", ""))
		}
		return r.send(from, strings.NewReader(letter), rs...)
	}
	if got := send(bob, "orders@shop.example", "news@shop.example"); got[0] != taken || got[1] != taken {
		t.Fatal(got)
	}
	m, _ := inbox.last()
	if want := "From: \"Bob\" <" + c.Address + ">\r\nReply-To: <" + c.Address + ">\r\nTo: orders@shop.example\r\nSubject: yes\r\n\r\nbob@example.org\r\n"; m != want {
		t.Errorf("%q", m)
	}
	if inbox.reverse.Address() != c.Address {
		t.Errorf("reverse-path %s", inbox.reverse)
	}
	for name, tt := range map[string][2]string{
		"to another":              {bob, "ann@a.example"},
		"of another":              {carol, "orders@shop.example"},
		"a notification":          {"", "orders@shop.example"},
		"to a domain that is not": {bob, "a@evilshop.example"},
	} {
		if got := send(tt[0], tt[1]); got[0] != taken {
			t.Errorf("%s: %s", name, got)
		}
		if m, _ := inbox.last(); m != letter || inbox.reverse.Address() != tt[0] {
			t.Errorf("%s: %s %q", name, inbox.reverse, m)
		}
	}
	if got := send(bob, "ann@a.example", "orders@shop.example"); got[0] != taken || !strings.HasPrefix(got[1], "452 4.5.3") {
		t.Errorf("both in one: %q", got)
	}
	if err := book.Disconnect(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if got := send(bob, "orders@shop.example"); got[0] != taken || inbox.reverse.Address() != bob {
		t.Errorf("after the end: %s from %s", got, inbox.reverse)
	}
	r.h = policy.Aliaser{Channels: channel.Book{Store: downStore{}}}.Handler(inbox)
	before := r.count()
	if got := send(bob, "orders@shop.example"); !strings.HasPrefix(got[0], "451 4.3.0") || r.count() != before {
		t.Errorf("store down: %s", got)
	}
}
