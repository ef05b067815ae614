package jmaptest

import (
	"bytes"
	"context"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Limit gives a user's account quotas: so many octets and so many emails. It panics for an unknown user.
func (s *Store) Limit(user string, octets, emails uint) {
	s.mu.Lock()
	a := s.users[user]
	s.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limits = &limits{octets, emails}
	a.notify()
}

type limits struct{ octets, emails uint }

// quotas are a mail.Quoter.
type quotas struct{ *account }

// Quotas is mail.Quoter's.
func (a quotas) Quotas(context.Context) ([]mail.Quota, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	octets, emails := a.used()
	types := []string{"Email"}
	return []mail.Quota{
		{ID: "octets", ResourceType: mail.QuotaOctets, Used: octets, HardLimit: a.limits.octets, Scope: mail.QuotaAccount, Name: a.name, Types: types},
		{ID: "emails", ResourceType: mail.QuotaCount, Used: emails, HardLimit: a.limits.emails, Scope: mail.QuotaAccount, Name: a.name, Types: types},
	}, nil
}

func (a *account) used() (octets, emails uint) {
	for _, e := range a.emails {
		if e.gone == 0 {
			octets, emails = octets+uint(e.Size), emails+1
		}
	}
	return octets, emails
}

// full refuses an email of so many octets that the limits do not allow.
func (a *account) full(size int64) *jmap.SetError {
	if a.limits == nil {
		return nil
	}
	if octets, emails := a.used(); octets+uint(size) > a.limits.octets || emails+1 > a.limits.emails {
		return &jmap.SetError{Type: jmap.SetOverQuota}
	}
	return nil
}

// quotas checks that the quotas of octets follow the emails, and hold them.
func (b *bench) quotas() {
	if b.a.Quotas == nil {
		b.Skip("the account has no Quotas")
	}
	read := func() map[jmap.ID]mail.Quota {
		b.Helper()
		list, err := b.a.Quotas.Quotas(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		out := make(map[jmap.ID]mail.Quota)
		for _, q := range list {
			if _, twice := out[q.ID]; twice || !q.ID.Valid() || q.HardLimit == 0 || len(q.Types) == 0 || q.Scope == "" {
				b.Errorf("quota %+v", q)
			}
			out[q.ID] = q
		}
		return out
	}
	before := read()
	raw, box := b.message(), b.mailboxes()[0].ID
	made := b.add(raw, day, nil, box)
	for id, q := range read() {
		was := before[id]
		want := was.Used + 1
		if q.ResourceType == mail.QuotaOctets {
			want = was.Used + uint(len(raw))
		}
		if q.Scope == mail.QuotaAccount && q.Used != want {
			b.Errorf("an email of %d octets makes %d of %d %s", len(raw), q.Used, was.Used, q.ResourceType)
		}
		if q.ResourceType == mail.QuotaOctets && q.HardLimit < 64<<20 {
			big := append(raw[:len(raw):len(raw)], bytes.Repeat([]byte("x"), int(q.HardLimit-q.Used))...)
			out := b.do(&emailSet{Create: map[jmap.ID]mail.EmailCreate{"k": {MailboxIDs: []jmap.ID{box}, Size: int64(len(big)), Body: bytes.NewReader(big)}}})
			if e := out.NotCreated["k"]; e == nil || e.Type != jmap.SetOverQuota {
				b.Errorf("%d octets where there are %d of %d: %v, want overQuota", len(big), q.Used, q.HardLimit, e)
			}
		}
	}
	b.do(&emailSet{Destroy: []jmap.ID{made.ID}})
	for id, q := range read() {
		if q.Scope == mail.QuotaAccount && q.Used != before[id].Used {
			b.Errorf("%d %s are left of %d", q.Used, q.ResourceType, before[id].Used)
		}
	}
}
