// Package contactserver makes the methods of the capability of package contact.
//
//	jmapserver.Server ─ Mux ─ Grant/get changes set   Channel/get changes set   Request/get changes query set
//	                             │
//	                          contact.Account: Grants Channels Requests
//
// States are digests of all records, and the last ones of each account are remembered: what changed since one of them is
// told, since another it is cannotCalculateChanges, and the client gets all. A Set is atomic with respect to other Sets of
// the same Service.
package contactserver

import (
	"context"
	"slices"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
)

// A Service is the methods over a Backend.
type Service struct {
	backend contact.Backend
	setting sync.Mutex
	history history
}

// New returns a Service over b.
func New(b contact.Backend) *Service { return &Service{backend: b} }

// Register adds the methods.
func (s *Service) Register(m *jmapserver.Mux) {
	grants := kind[contact.Grant, *contact.Grant]{s: s, name: "Grant", role: func(a contact.Account) contact.Records[contact.Grant] { return a.Grants },
		id: func(r *contact.Grant) *jmap.ID { return &r.ID }, create: []string{"correspondent", "state"}, update: []string{"state"}}
	channels := kind[contact.Channel, *contact.Channel]{s: s, name: "Channel", role: func(a contact.Account) contact.Records[contact.Channel] { return a.Channels },
		id: func(r *contact.Channel) *jmap.ID { return &r.ID }, create: []string{"note", "peer", "exact", "maxUses", "expires"}, update: []string{"note", "state", "expires"}}
	requests := kind[contact.Request, *contact.Request]{s: s, name: "Request", role: func(a contact.Account) contact.Records[contact.Request] { return a.Requests },
		id: func(r *contact.Request) *jmap.ID { return &r.ID }, update: []string{"decision"}}
	grants.register(m)
	channels.register(m)
	requests.register(m)
	jmapserver.Register(m, contact.Capability, "Request/query", requests.query)
}

// Offer adds the capability to those of the accounts that have it. It is for Accounts of a jmapserver.Server.
func (s *Service) Offer(ctx context.Context, user string, accounts []jmapserver.Account) error {
	have, err := s.backend.Accounts(ctx, user)
	if err != nil {
		return err
	}
	for i := range accounts {
		if slices.ContainsFunc(have, func(a contact.Account) bool { return a.ID == accounts[i].ID }) {
			accounts[i].AccountCapabilities[contact.Capability] = jmap.Raw("{}")
		}
	}
	return nil
}

type accountsKey struct{}

// account returns an account of the user's.
func (s *Service) account(ctx context.Context, c *jmapserver.Call, id jmap.ID) (contact.Account, error) {
	list, err := jmapserver.Once(c, accountsKey{}, func() ([]contact.Account, error) { return s.backend.Accounts(ctx, c.User) })
	if err != nil {
		return contact.Account{}, err
	}
	for _, a := range list {
		if a.ID == id {
			return a, nil
		}
	}
	return contact.Account{}, jmap.Errorf(jmap.AccountNotFound, "no account %.80q", id)
}
