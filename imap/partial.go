package imap

import "strconv"

// A PartialRange is a window on the results of SEARCH, or on the messages of a UID FETCH (RFC 9394), from the first or, with
// FromEnd, from the last. First and Last count from 1, both inclusive, in either order.
type PartialRange struct {
	First, Last uint32
	FromEnd     bool
}

// PartialRange reads a partial-range.
func (d *Decoder) PartialRange() PartialRange {
	r := PartialRange{FromEnd: d.Accept('-')}
	r.First = d.NzNumber()
	d.Expect(':')
	if r.FromEnd {
		d.Expect('-')
	}
	r.Last = d.NzNumber()
	return r
}

// AppendPartialRange appends r as it was given.
func AppendPartialRange(dst []byte, r PartialRange) []byte {
	for i, n := range [...]uint32{r.First, r.Last} {
		if i > 0 {
			dst = append(dst, ':')
		}
		if r.FromEnd {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	return dst
}

// Cut returns the part of n results that r means: those from start up to end, which is exclusive.
func (r PartialRange) Cut(n int64) (start, end int64) {
	start, end = int64(min(r.First, r.Last))-1, int64(max(r.First, r.Last))
	start, end = min(max(start, 0), n), min(end, n)
	if r.FromEnd {
		start, end = n-end, n-start
	}
	return start, end
}

// Slice returns the members of a set from the place start up to end, counted from 0.
func (s UIDSet) Slice(start, end int64) UIDSet {
	var out UIDSet
	for _, r := range s {
		n := int64(r.Last-r.First) + 1
		if from, to := max(start, 0), min(end, n); from < to {
			out = append(out, UIDRange{First: r.First + UID(from), Last: r.First + UID(to-1)})
		}
		start, end = start-n, end-n
	}
	return out
}
