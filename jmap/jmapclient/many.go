package jmapclient

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
)

// limits returns what the Session allows; 0 where it does not say.
func (c *Client) limits(ctx context.Context) (l jmap.Limits, err error) {
	s, err := c.current(ctx)
	if err != nil || s.Capabilities[jmap.CapabilityCore] == nil {
		return l, err
	}
	if err := jmap.Unmarshal(s.Capabilities[jmap.CapabilityCore], &l); err != nil {
		return l, fmt.Errorf("jmapclient: limits in the session: %w", err)
	}
	return l, nil
}

// Get reads records by typ+"/get" ("Email"), in as many requests as the Session's maxObjectsInGet makes of r.IDs. State
// is that of the first: what changed since then may be in the list already, and /changes tells of it again.
func Get[T, Args any](ctx context.Context, c *Client, capability, typ string, r jmap.GetRequest[Args]) (*jmap.GetResponse[T], error) {
	limits, err := c.limits(ctx)
	if err != nil {
		return nil, err
	}
	var out *jmap.GetResponse[T]
	for ids := range pieces(r.IDs, limits.MaxObjectsInGet) {
		r.IDs = ids
		resp, err := Do[jmap.GetResponse[T]](ctx, c, capability, typ+"/get", r)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = resp
			continue
		}
		out.List = append(out.List, resp.List...)
		out.NotFound = append(out.NotFound, resp.NotFound...)
	}
	return out, nil
}

// pieces cuts ids in pieces of at most n, 0 being any number. There is one piece at least, nil where ids is.
func pieces(ids []jmap.ID, n int) iter.Seq[[]jmap.ID] {
	return func(yield func([]jmap.ID) bool) {
		for n > 0 && len(ids) > n {
			if !yield(ids[:n:n]) {
				return
			}
			ids = ids[n:]
		}
		yield(ids)
	}
}

// Set changes records by typ+"/set", in as many calls as the Session's maxObjectsInSet makes of it, one after the
// other: creations, updates, destructions. Where it takes several it is not one transaction: r.IfInState holds for all,
// since each call names the state that the one before left, and the response has what was done before an error.
// Creations that refer to each other have to fit one call.
func Set[T, C, U, Args any](ctx context.Context, c *Client, capability, typ string, r jmap.SetRequest[C, U, Args]) (*jmap.SetResponse[T], error) {
	limits, err := c.limits(ctx)
	if err != nil {
		return nil, err
	}
	var out *jmap.SetResponse[T]
	for piece := range setPieces(&r, limits.MaxObjectsInSet) {
		if out != nil && r.IfInState != nil {
			piece.IfInState = &out.NewState
		}
		resp, err := Do[jmap.SetResponse[T]](ctx, c, capability, typ+"/set", piece)
		if err != nil {
			return out, err
		}
		if out == nil {
			out = resp
			continue
		}
		out.NewState = resp.NewState
		add(&out.Created, resp.Created)
		add(&out.Updated, resp.Updated)
		out.Destroyed = append(out.Destroyed, resp.Destroyed...)
		add(&out.NotCreated, resp.NotCreated)
		add(&out.NotUpdated, resp.NotUpdated)
		add(&out.NotDestroyed, resp.NotDestroyed)
	}
	return out, nil
}

func add[V any](to *map[jmap.ID]V, from map[jmap.ID]V) {
	if *to == nil {
		*to = from
		return
	}
	maps.Copy(*to, from)
}

// setPieces cuts a request in such of at most n objects, 0 being any number; one at least.
func setPieces[C, U, Args any](r *jmap.SetRequest[C, U, Args], n int) iter.Seq[jmap.SetRequest[C, U, Args]] {
	return func(yield func(jmap.SetRequest[C, U, Args]) bool) {
		if n <= 0 || len(r.Create)+len(r.Update)+len(r.Destroy) <= n {
			yield(*r)
			return
		}
		empty := jmap.SetRequest[C, U, Args]{AccountID: r.AccountID, IfInState: r.IfInState, Args: r.Args}
		piece, room := empty, n
		next := func() bool { // makes room for one more
			if room == 0 {
				if !yield(piece) {
					return false
				}
				piece, room = empty, n
			}
			room--
			return true
		}
		for _, id := range slices.Sorted(maps.Keys(r.Create)) {
			if !next() {
				return
			}
			add(&piece.Create, map[jmap.ID]C{id: r.Create[id]})
		}
		for _, id := range slices.Sorted(maps.Keys(r.Update)) {
			if !next() {
				return
			}
			add(&piece.Update, map[jmap.ID]U{id: r.Update[id]})
		}
		for _, id := range r.Destroy {
			if !next() {
				return
			}
			piece.Destroy = append(piece.Destroy, id)
		}
		yield(piece)
	}
}

// Query yields the ids of all results of typ+"/query", page after page of r.Limit or what the server thinks fit. A page
// hangs on to the last id of the one before that is still a result, so that what comes and goes meanwhile neither hides
// a result nor shows one twice; where the whole page is gone, the next one stands in its place.
func Query[F, S, Args any](ctx context.Context, c *Client, capability, typ string, r jmap.QueryRequest[F, S, Args]) iter.Seq2[jmap.ID, error] {
	return func(yield func(jmap.ID, error) bool) {
		r := r
		var last []jmap.ID
		for position := 0; ; {
			page, err := Do[jmap.QueryResponse](ctx, c, capability, typ+"/query", r)
			if len(last) > 0 && jmap.IsMethodError(err, jmap.AnchorNotFound) {
				last = last[:len(last)-1]
				if r.Anchor, r.AnchorOffset, r.Position = "", 0, position; len(last) > 0 {
					r.Anchor, r.AnchorOffset = last[len(last)-1], 1
				}
				continue
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range page.IDs {
				if !yield(id, nil) {
					return
				}
			}
			n := len(page.IDs)
			if n == 0 || r.Limit != nil && page.Limit == nil && n < int(*r.Limit) {
				return
			}
			last, position = page.IDs, int(page.Position)
			r.Anchor, r.AnchorOffset = last[n-1], 1
		}
	}
}
