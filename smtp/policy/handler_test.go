package policy_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestHandlers: each Handler of this package keeps the rules of smtp.Transaction.
func TestHandlers(t *testing.T) {
	from := smtp.Path{Local: "a", Domain: "test.example"}
	to := []smtp.Path{{Local: "b", Domain: "test.example"}, {Local: "c", Domain: "test.example"}}
	known := &policystore.MemoryRelations{}
	for _, p := range to {
		if err := known.SetRelation(t.Context(), p.Address(), from.Address(), policy.Relation{State: policy.Known}); err != nil {
			t.Fatal(err)
		}
	}
	dns := dnstest.New()
	key := zone{}.keyFor(t, "s", "test.example")
	for name, wrap := range map[string]func(smtp.Handler) smtp.Handler{
		"Verifier": policy.Verifier{ID: "mx.test.example", Resolver: dns}.Handler,
		"Gate":     policy.Gate{Rules: policy.Open(), Relations: known}.Handler,
		"Opener":   policy.Opener{Relations: &policystore.MemoryRelations{}}.Handler,
		"Signer":   policy.Signer{Keys: policy.KeyRing(key)}.Handler,
		"Payer":    policy.Payer{Wallet: &policystore.MemoryWallet{}}.Handler,
		"Aliaser":  policy.Aliaser{Channels: aliases(t, from)}.Handler,
		"all": func(next smtp.Handler) smtp.Handler {
			next = policy.Gate{Rules: policy.Open(), Relations: known, AuthServID: "mx.test.example"}.Handler(next)
			return policy.Opener{Relations: &policystore.MemoryRelations{}}.Handler(policy.Signer{Keys: policy.KeyRing(key)}.Handler(
				policy.Payer{}.Handler(policy.Verifier{ID: "mx.test.example", Resolver: dns}.Handler(next))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			refused := smtp.Path{Local: "refused", Domain: "test.example"}
			if name == "Payer" || name == "all" { // which gathers first
				refused = smtp.Path{}
			}
			smtptest.TestHandler(t, smtptest.HandlerTest{
				New: func(*testing.T) smtp.Handler {
					rec := smtptest.CorpusHandler()
					return wrapped{wrap(rec), rec}
				},
				From: from, To: to, Refused: refused,
				Taken: func(_ *testing.T, h smtp.Handler) [][]byte {
					var out [][]byte
					for _, m := range h.(wrapped).rec.Messages() {
						out = append(out, m.Body)
					}
					return out
				},
			})
		})
	}
}

// aliases is a book with no channel of these recipients, but one of another.
func aliases(t *testing.T, from smtp.Path) channel.Book {
	book := channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1}}
	if _, err := book.New(t.Context(), channel.Channel{Owner: from.Address(), Pinned: "other.example"}); err != nil {
		t.Fatal(err)
	}
	return book
}

// wrapped is a Handler with what stands behind it.
type wrapped struct {
	smtp.Handler
	rec *smtptest.Recorder
}
