package jmap

import "slices"

// Page returns the response to r of a query whose whole result is ids: its anchor, position and limit applied (RFC 8620
// §5.5). QueryState is left to the caller. The error is a *MethodError of type AnchorNotFound.
func Page[F, S, Args any](r *QueryRequest[F, S, Args], ids []ID) (*QueryResponse, error) {
	total := len(ids)
	at := r.Position
	switch {
	case r.Anchor != "":
		i := slices.Index(ids, r.Anchor)
		if i < 0 {
			return nil, Errorf(AnchorNotFound, "%.80q is not among the results", r.Anchor)
		}
		at = max(0, addClamped(i, r.AnchorOffset))
	case at < 0:
		at = max(0, addClamped(total, at))
	}
	out := &QueryResponse{AccountID: r.AccountID, Position: uint(at)}
	rest := ids[min(at, total):]
	if r.Limit != nil && uint(len(rest)) > *r.Limit {
		rest = rest[:*r.Limit]
	}
	out.IDs = rest
	if r.CalculateTotal {
		out.Total = new(uint(total))
	}
	return out, nil
}

// addClamped adds without wrapping; i is not negative.
func addClamped(i, n int) int {
	if n > 0 && i+n < 0 {
		return int(^uint(0) >> 1)
	}
	return i + n
}
