package policy_test

import (
	"fmt"
	"testing"

	"github.com/mailbricks/mailbricks/smtp/policy"
)

// TestDecide is the table of the pure function: evidence, and what each preset makes of it.
func TestDecide(t *testing.T) {
	signed := policy.Auth{Domain: "a.example", SPF: "fail", DKIM: "pass", DMARC: "pass"}
	const unknown, accept, trusted, request = "550 5.7.1 Unknown sender, capability not established", "accept open", "accept trusted", "request request"
	const later = "451 4.7.1 Cannot decide now, try again later"
	for _, tt := range []struct {
		name                       string
		e                          policy.Evidence
		strict, transitional, open string // reply and price, or action and class
	}{
		{"nothing known", policy.Evidence{}, "550 5.7.20 No passing DKIM signature found", unknown + " 28", accept},
		{"signed stranger", policy.Evidence{Auth: signed}, unknown + " 20", unknown + " 20", accept},
		{"paid", policy.Evidence{Auth: signed, Postage: 20}, request + " 20", request + " 20", accept},
		{"paid too little", policy.Evidence{Auth: signed, Postage: 19}, unknown + " 20", unknown + " 20", accept},
		{"paid more", policy.Evidence{Auth: signed, Postage: 30}, request + " 20", request + " 20", accept},
		{"unsigned and paid", policy.Evidence{Postage: 28}, "550 5.7.20 No passing DKIM signature found", request + " 28", accept},
		{"unsigned and paid as if signed", policy.Evidence{Postage: 20}, "550 5.7.20 No passing DKIM signature found", unknown + " 28", accept},
		{"capability", policy.Evidence{Capability: policy.Valid}, trusted, trusted, trusted},
		{"capability that is not good", policy.Evidence{Auth: signed, Capability: policy.Invalid}, unknown + " 20", unknown + " 20", accept},
		{"acquaintance", policy.Evidence{Auth: signed, Relation: policy.Known}, trusted, trusted, trusted},
		{"acquaintance who may be anybody", policy.Evidence{Relation: policy.Known}, "550 5.7.20 No passing DKIM signature found", unknown + " 28", accept},
		{"blocked", policy.Evidence{Auth: signed, Relation: policy.Blocked, Capability: policy.Valid, Postage: 40}, unknown, unknown, unknown},
		{"blocked, and postmaster", policy.Evidence{Exempt: true, Relation: policy.Blocked}, accept, accept, accept},
		{"an address that is open", policy.Evidence{Auth: signed, Capability: policy.Valid, Address: policy.Valid}, trusted, trusted, trusted},
		{"an address that is closed", policy.Evidence{Auth: signed, Capability: policy.Invalid, Address: policy.Invalid, Postage: 40, Relation: policy.Known}, unknown, unknown, unknown},
		{"an address that is closed to users too", policy.Evidence{Auth: policy.Auth{User: "ann"}, Address: policy.Invalid}, unknown, unknown, unknown},
		{"an address that may be open", policy.Evidence{Address: policy.Invalid, Auth: policy.Auth{DKIM: "temperror"}}, later, later, later},
		{"own user", policy.Evidence{Auth: policy.Auth{User: "ann"}}, trusted, trusted, trusted},
		{"store down", policy.Evidence{Auth: signed, Unavailable: true}, "451 4.7.1 Cannot decide now, try again later", "451 4.7.1 Cannot decide now, try again later", "451 4.7.1 Cannot decide now, try again later"},
		{"rate used up", policy.Evidence{Auth: signed, Capability: policy.Deferred, Postage: 40}, "450 4.7.1 Too many messages for now, try again later", "450 4.7.1 Too many messages for now, try again later", "450 4.7.1 Too many messages for now, try again later"},
		{"rate of the address used up", policy.Evidence{Auth: signed, Capability: policy.Deferred, Address: policy.Invalid, Relation: policy.Known}, "450 4.7.1 Too many messages for now, try again later", "450 4.7.1 Too many messages for now, try again later", "450 4.7.1 Too many messages for now, try again later"},
		{"rate used up, known all the same", policy.Evidence{Auth: signed, Capability: policy.Deferred, Relation: policy.Known}, trusted, trusted, trusted},
		{"store down, known all the same", policy.Evidence{Auth: signed, Unavailable: true, Relation: policy.Known}, trusted, trusted, trusted},
		{"of good reputation", policy.Evidence{Auth: signed, Risk: -20}, request, request, accept},
		{"of better reputation", policy.Evidence{Auth: signed, Risk: -100}, request, request, accept},
		{"of bad reputation", policy.Evidence{Auth: signed, Postage: 24, Risk: 5}, unknown + " 25", unknown + " 25", accept},
		{"of the worst reputation", policy.Evidence{Auth: signed, Risk: 1000}, unknown + " 48", unknown + " 48", accept},
		{"put aside, and paid", policy.Evidence{Postage: 28, Quarantine: true}, "550 5.7.20 No passing DKIM signature found", "request quarantine 28", "accept quarantine"},
		{"put aside, with a bearer's capability", policy.Evidence{Capability: policy.Valid, Quarantine: true}, "accept quarantine", "accept quarantine", "accept quarantine"},
		{"notification from a stranger", policy.Evidence{Auth: signed, Bounce: true}, unknown + " 20", unknown + " 20", accept},
		{"notification from a domain written to", policy.Evidence{Auth: signed, Bounce: true, Relation: policy.Known}, accept, accept, accept},
		{"notification that claims to be", policy.Evidence{Bounce: true, Relation: policy.Known}, "550 5.7.20 No passing DKIM signature found", request, accept},
		{"DKIM of another", policy.Evidence{Auth: policy.Auth{SPF: "fail", DKIM: "pass", DMARC: "none"}}, "550 5.7.22 No valid author-matched DKIM signature found", unknown + " 28", accept},
		{"SPF fails, DKIM not asked", policy.Evidence{Auth: policy.Auth{SPF: "fail"}}, "550 5.7.23 SPF validation failed", unknown + " 28", accept},
		{"both fail", policy.Evidence{Auth: policy.Auth{SPF: "fail", DKIM: "fail"}}, "550 5.7.26 Multiple authentication checks failed", unknown + " 28", accept},
		{"SPF does not answer", policy.Evidence{Auth: policy.Auth{SPF: "temperror", DKIM: "none"}}, "451 4.7.24 SPF validation error", "451 4.7.0 Cannot decide now, try again later", accept},
		{"a key does not answer", policy.Evidence{Auth: policy.Auth{SPF: "fail", DKIM: "temperror"}}, "451 4.7.0 Cannot decide now, try again later", "451 4.7.0 Cannot decide now, try again later", accept},
		{"a key does not answer, paid all the same", policy.Evidence{Postage: 28, Auth: policy.Auth{DKIM: "temperror"}}, "451 4.7.0 Cannot decide now, try again later", request + " 28", accept},
		{"SPF does not answer, DKIM does", policy.Evidence{Auth: policy.Auth{Domain: "a.example", SPF: "temperror", DKIM: "pass"}}, unknown + " 20", unknown + " 20", accept},
	} {
		for name, want := range map[string]string{"strict": tt.strict, "transitional": tt.transitional, "open": tt.open} {
			rules := map[string]policy.Rules{"strict": policy.Strict(), "transitional": policy.Transitional(), "open": policy.Open()}[name]
			d := rules.Decide(tt.e)
			if got := told(d); got != want || d.Reason == "" {
				t.Errorf("%s, %s: %q (%s), want %q", tt.name, name, got, d.Reason, want)
			}
		}
	}
	none := policy.Rules{Bits: -1, Surcharge: -1}
	if got := told(none.Decide(policy.Evidence{Auth: signed, Postage: 40})); got != unknown {
		t.Errorf("postage is not taken: %q", got)
	}
	flat := policy.Rules{AllowUnauthenticated: true, Bits: 12, Surcharge: -1}
	if got := told(flat.Decide(policy.Evidence{})); got != unknown+" 12" {
		t.Errorf("no surcharge: %q", got)
	}
}

// told is a decision as text.
func told(d policy.Decision) string {
	var s string
	if d.Action == policy.Refuse || d.Action == policy.AskPostage {
		s = d.Reply.String()
	} else {
		s = d.Action.String() + " " + string(d.Class)
	}
	if d.Bits != 0 {
		s += fmt.Sprint(" ", d.Bits)
	}
	return s
}

func BenchmarkDecide(b *testing.B) {
	e := policy.Evidence{Auth: policy.Auth{Domain: "a.example", DKIM: "pass"}}
	for b.Loop() {
		policy.Strict().Decide(e)
	}
}

// FuzzDecide: whatever the evidence, there is an answer that can be given, what is closed or blocked is refused, and more
// evidence in the sender's favour does not make it worse.
func FuzzDecide(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint8(0), uint8(0), 0, 0, uint16(0))
	f.Add(uint8(1), uint8(2), uint8(2), uint8(1), 20, -4, uint16(0xffff))
	f.Add(uint8(2), uint8(1), uint8(1), uint8(2), 48, 1<<30, uint16(0x55))
	f.Fuzz(func(t *testing.T, preset, proof, address, relation uint8, postage, risk int, bits uint16) {
		rules := []policy.Rules{policy.Strict(), policy.Transitional(), policy.Open(), {Bits: -1}}[preset%4]
		bit := func(i int) bool { return bits>>i&1 != 0 }
		results := []string{"", "pass", "fail", "temperror"}
		e := policy.Evidence{Capability: policy.Proof(proof % 3), Address: policy.Proof(address % 3), Relation: policy.State(relation % 3), Postage: max(0, postage), Risk: risk,
			Bounce: bit(0), Exempt: bit(1), Quarantine: bit(2), Unavailable: bit(3), Auth: policy.Auth{SPF: results[bits>>4&3], DKIM: results[bits>>6&3], DMARC: results[bits>>8&3]}}
		if bit(10) {
			e.Auth.Domain = "a.example"
		}
		if bit(11) {
			e.Auth.User = "ann"
		}
		d := rules.Decide(e)
		in := d.Action == policy.Accept || d.Action == policy.Request
		if code := d.Reply.Code; in != (code == 0) || !in && (code < 400 || code > 599) || in == (d.Class == "") || d.Reason == "" {
			t.Errorf("%+v: %+v", e, d)
		}
		closed := e.Address == policy.Invalid || e.Relation == policy.Blocked && !e.Exempt && e.Auth.User == ""
		if closed && d.Action != policy.Refuse {
			t.Errorf("%+v: %v", e, d.Action)
		}
		if d.Action == policy.AskPostage && (d.Bits < 1 || d.Bits > 48 || e.Postage >= d.Bits) {
			t.Errorf("%+v: asked for %d", e, d.Bits)
		}
		better := e
		better.Postage += 50 - min(50, better.Postage)
		if d2 := rules.Decide(better); d2.Action < d.Action {
			t.Errorf("%+v: %v, and with postage %v", e, d.Action, d2.Action)
		}
		better.Capability, better.Unavailable = policy.Valid, false
		if d2 := rules.Decide(better); in && d2.Action < d.Action {
			t.Errorf("%+v: %v, and with a capability %v", e, d.Action, d2.Action)
		}
	})
}
