package jmapserver

import (
	"context"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Find returns a role of the store of an account, nil where the account has none.
type Find[Role any] func(ctx context.Context, c *Call, account jmap.ID) (Role, error)

// A record is a pointer to T, which embeds a jmap.Selection.
type record[T any] interface {
	*T
	SetSelection(jmap.Selection)
}

// RegisterGet adds Foo/get (RFC 8620 §5.1) for records whose properties are the fields of T.
func RegisterGet[Args, T any, P record[T]](m *Mux, capability, typ string, find Find[jmap.Getter[Args, T]]) {
	Register(m, capability, typ+"/get", func(ctx context.Context, c *Call, r *jmap.GetRequest[Args]) (*jmap.GetResponse[T], error) {
		if err := CheckIDs(c, &r.IDs); err != nil {
			return nil, err
		}
		properties := r.Properties
		if properties == nil {
			properties = jmap.Properties[T]()
		}
		sel, err := jmap.Select[T](properties, nil)
		if err != nil {
			return nil, err
		}
		store, err := find(ctx, c, r.AccountID)
		if err != nil {
			return nil, err
		}
		if store == nil {
			return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "no %s in this account", typ)
		}
		out, err := store.Get(ctx, r)
		if err != nil {
			return nil, err
		}
		if len(out.List) > c.Limits.MaxObjectsInGet {
			return nil, jmap.Errorf(jmap.RequestTooLarge, "more than %d objects", c.Limits.MaxObjectsInGet)
		}
		out.AccountID = r.AccountID
		for i := range out.List {
			P(&out.List[i]).SetSelection(sel)
		}
		return out, nil
	})
}

// RegisterChanges adds Foo/changes (RFC 8620 §5.2).
func RegisterChanges(m *Mux, capability, typ string, find Find[jmap.Changer]) {
	Register(m, capability, typ+"/changes", func(ctx context.Context, c *Call, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
		if err := CheckChanges(r); err != nil {
			return nil, err
		}
		store, err := find(ctx, c, r.AccountID)
		if err != nil {
			return nil, err
		}
		if store == nil {
			return nil, jmap.Errorf(jmap.CannotCalculateChanges, "this server keeps no history")
		}
		out, err := store.Changes(ctx, r)
		if err != nil {
			return nil, err
		}
		out.AccountID, out.OldState = r.AccountID, r.SinceState
		return out, nil
	})
}

// CheckIDs refuses ids of Foo/get that are none, or more than the server's limit, and drops repeated ones.
func CheckIDs(c *Call, ids *[]jmap.ID) error {
	if len(*ids) > c.Limits.MaxObjectsInGet {
		return jmap.Errorf(jmap.RequestTooLarge, "more than %d ids", c.Limits.MaxObjectsInGet)
	}
	seen := make(map[jmap.ID]bool, len(*ids))
	kept := (*ids)[:0]
	for _, id := range *ids {
		if !id.Valid() {
			return jmap.Errorf(jmap.InvalidArguments, "ids: %.80q is not an id", id)
		}
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	*ids = kept
	return nil
}

// CheckChanges refuses a MaxChanges of 0.
func CheckChanges(r *jmap.ChangesRequest) error {
	if r.MaxChanges != nil && *r.MaxChanges == 0 {
		return jmap.Errorf(jmap.InvalidArguments, "maxChanges must be above 0")
	}
	return nil
}
