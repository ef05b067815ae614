package nats

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mailbricks/mailbricks/capability"
)

// GrantStore is a capability.Store and a capability.GrantStore in a bucket of keys and values. What a call did is as
// durable, when it returns, as the server's sync_interval says: set it to "always". With several replicas, what was taken back
// by relationship or epoch is seen when the replica that is asked has it. Commit is idempotent for the last MaxDigests
// messages of a grant.
type GrantStore struct {
	docs documents
	now  func() time.Time
}

// OpenGrants opens or makes the bucket, with so many replicas. now is the clock of Commit; nil is time.Now.
func OpenGrants(ctx context.Context, js jetstream.JetStream, bucket string, replicas int, now func() time.Time) (*GrantStore, error) {
	if now == nil {
		now = time.Now
	}
	docs, err := openDocuments(ctx, js, bucket, replicas)
	if err != nil {
		return nil, err
	}
	return &GrantStore{docs: docs, now: now}, nil
}

func tallyKey(id capability.ID) string { return "tally." + id.String() }
func grantKey(id capability.ID) string { return "grant." + id.String() }
func issuerKey(issuer string) string   { return "issuer." + hashed(issuer) }

// issuer is what an issuer has taken back, by epoch and relationship.
type issuer struct {
	Revoked []capability.Revocation `json:"revoked"`
}

// Reserve implements capability.Store.
func (s *GrantStore) Reserve(ctx context.Context, u capability.Use) (capability.Reservation, error) {
	r := capability.Reservation{Grant: u.Grant}
	body, err := u.Grant.MarshalBinary()
	if err != nil {
		return r, err
	}
	if err := s.revoked(ctx, u.Grant); err != nil {
		return r, err
	}
	err = change(ctx, s.docs, tallyKey(u.Grant.ID), func(t *tally, _ bool) (keep bool, err error) {
		r.Number, err = t.reserve(u, body)
		return true, err
	})
	return r, err
}

// Commit implements capability.Store.
func (s *GrantStore) Commit(ctx context.Context, r capability.Reservation, sum [32]byte) error {
	now := s.now().Unix()
	return change(ctx, s.docs, tallyKey(r.Grant.ID), func(t *tally, _ bool) (bool, error) {
		if t.committed(sum) {
			return t.release(r.Number), nil
		}
		h, err := t.holds(r.Number, now)
		if err != nil {
			return false, err
		}
		var g capability.Grant
		if err := g.UnmarshalBinary(h.Grant); err != nil {
			return false, err
		}
		if t.Revoked {
			return false, capability.ErrRevoked
		}
		if err := s.revoked(ctx, g); err != nil {
			return false, err
		}
		t.commit(h, sum, now)
		return true, nil
	})
}

// Release implements capability.Store.
func (s *GrantStore) Release(ctx context.Context, r capability.Reservation) error {
	return change(ctx, s.docs, tallyKey(r.Grant.ID), func(t *tally, _ bool) (bool, error) { return t.release(r.Number), nil })
}

// Revoke implements capability.Store.
func (s *GrantStore) Revoke(ctx context.Context, r capability.Revocation) error {
	if r.ID != (capability.ID{}) {
		return change(ctx, s.docs, tallyKey(r.ID), func(t *tally, _ bool) (bool, error) {
			t.Revoked = true
			return true, nil
		})
	}
	r.Issuer, r.Scope = strings.ToLower(r.Issuer), strings.ToLower(r.Scope)
	return change(ctx, s.docs, issuerKey(r.Issuer), func(v *issuer, _ bool) (bool, error) {
		i := slices.IndexFunc(v.Revoked, func(x capability.Revocation) bool { return x.Scope == r.Scope })
		switch {
		case i < 0:
			v.Revoked = append(v.Revoked, r)
		case v.Revoked[i].Before < r.Before:
			v.Revoked[i].Before = r.Before
		default:
			return false, nil
		}
		return true, nil
	})
}

// revoked tells of what the issuer took back by epoch and relationship.
func (s *GrantStore) revoked(ctx context.Context, g capability.Grant) error {
	var v issuer
	if _, err := s.docs.get(ctx, issuerKey(g.Issuer), &v); err != nil {
		return err
	}
	if slices.ContainsFunc(v.Revoked, func(r capability.Revocation) bool { return r.Revokes(g) }) {
		return capability.ErrRevoked
	}
	return nil
}

// PutGrant implements capability.GrantStore.
func (s *GrantStore) PutGrant(ctx context.Context, g capability.Grant) error {
	body, err := g.MarshalBinary()
	if err != nil {
		return err
	}
	return change(ctx, s.docs, grantKey(g.ID), func(b *[]byte, _ bool) (bool, error) {
		*b = body
		return true, nil
	})
}

// Grant implements capability.Grants.
func (s *GrantStore) Grant(ctx context.Context, id capability.ID) (capability.Grant, error) {
	var body []byte
	revision, err := s.docs.get(ctx, grantKey(id), &body)
	if err != nil {
		return capability.Grant{}, err
	}
	if revision == 0 {
		return capability.Grant{}, capability.ErrUnknown
	}
	var g capability.Grant
	return g, g.UnmarshalBinary(body)
}
