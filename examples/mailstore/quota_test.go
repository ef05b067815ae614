package mailstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

// TestQuotaEverywhere: the limit holds on every way in, and IMAP and JMAP tell the same.
func TestQuotaEverywhere(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{Quota: Quota{Octets: 8 << 10, Messages: 4}})
	a, b := user(t, s, "alice@example.com"), user(t, s, "bob@example.com")
	octets := func(n int) string { return letter("x", "x", strings.Repeat("x", n-len(letter("x", "x", "")))) }
	add(t, a, "INBOX", octets(3000), octets(3001))
	j, err := s.Accounts(t.Context(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	told := func(storage, messages, used int64) {
		t.Helper()
		roots, err := a.Quoter.QuotaRoots(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := roots[0].Resources; r[0] != (imap.QuotaResource{Name: imap.QuotaStorage, Usage: storage, Limit: 8}) || r[1] != (imap.QuotaResource{Name: imap.QuotaMessage, Usage: messages, Limit: 4}) {
			t.Errorf("IMAP tells %v", r)
		}
		list, err := j[0].Quotas.Quotas(t.Context())
		if err != nil || list[0].Used != uint(used) || list[0].HardLimit != 8<<10 || list[1].Used != uint(messages) || list[1].HardLimit != 4 {
			t.Errorf("JMAP tells %+v, %v", list, err)
		}
	}
	told(6, 2, 6001)
	over := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, imap.ErrOverQuota) {
			t.Errorf("%s: %v, want ErrOverQuota", what, err)
		}
	}
	big := octets(3000)
	_, err = a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: int64(len(big)), Body: strings.NewReader(big)}})
	over("append", err)
	var one imap.UIDSet
	one.Add(1, 1)
	_, err = a.Copier.Copy(t.Context(), "INBOX", one, "Archive", 0)
	over("copy", err)
	if _, err = a.Mover.Move(t.Context(), "INBOX", one, "Archive", 0); err != nil {
		t.Errorf("a move adds nothing: %v", err)
	}
	emails, err := j[0].Emails.Getter.Get(t.Context(), &jmap.GetRequest[mail.EmailWant]{})
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := j[0].Mailboxes.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[jmap.ID]bool{boxes.List[0].ID: true, boxes.List[1].ID: true, boxes.List[2].ID: true}
	set, err := j[0].Emails.Setter.Set(t.Context(), &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{
		Update: map[jmap.ID]mail.EmailUpdate{emails.List[0].ID: {Mailboxes: mail.SetUpdate[jmap.ID]{Replace: true, Members: all}}}})
	if err != nil || set.NotUpdated[emails.List[0].ID] == nil || set.NotUpdated[emails.List[0].ID].Type != jmap.SetOverQuota {
		t.Errorf("two mailboxes more: %+v, %v", set, err)
	}
	told(6, 2, 6001)

	deliver := func(size int64, body string, to ...string) (smtp.Results, error) {
		t.Helper()
		tx, err := s.Mail(t.Context(), nil, smtp.Path{Local: "c", Domain: "example.org"}, smtp.MailParams{Size: size})
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		for _, local := range to {
			if err := tx.Rcpt(t.Context(), smtp.Path{Local: local, Domain: "example.com"}, smtp.RcptParams{}); err != nil {
				return nil, err
			}
		}
		return tx.Data(t.Context(), strings.NewReader(body))
	}
	_, err = deliver(3000, big, "bob", "alice")
	if e, ok := errors.AsType[*smtp.Error](err); !ok || e.Reply.Code != 452 || e.Reply.Enhanced != (smtp.EnhancedCode{4, 2, 2}) {
		t.Errorf("RCPT with a SIZE too big: %v", err)
	}
	res, err := deliver(0, big, "bob", "alice")
	if err != nil || res[0].Reply.Code != 250 || res[1].Reply.Code != 452 {
		t.Errorf("delivery to one of two: %v, %v", res, err)
	}
	if m, err := b.Store.OpenMailbox(t.Context(), "INBOX"); err != nil || read(t, m, 1) == "" {
		t.Errorf("bob has nothing: %v", err)
	}
	told(6, 2, 6001)
}
