package imap

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
)

// Contains reports whether u is in the set.
func (s UIDSet) Contains(u UID) bool {
	i, ok := slices.BinarySearchFunc(s, u, func(r UIDRange, u UID) int {
		switch {
		case r.Last < u:
			return -1
		case r.First > u:
			return 1
		}
		return 0
	})
	return ok && s[i].First <= u
}

// Len returns how many UIDs are in the set.
func (s UIDSet) Len() int64 {
	n := int64(0)
	for _, r := range s {
		n += int64(r.Last) - int64(r.First) + 1
	}
	return n
}

// All yields the UIDs in ascending order. That can be 2^32 of them: see Contains and Intersect for open sets.
func (s UIDSet) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.First; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.Last {
					break
				}
			}
		}
	}
}

// Add puts the UIDs from first to last, in either order, into the set. Adding in ascending order is cheap.
func (s *UIDSet) Add(first, last UID) {
	if first > last {
		first, last = last, first
	}
	set := *s
	if n := len(set); n > 0 && first >= set[n-1].First {
		if r := &set[n-1]; r.Last == MaxUID || first <= r.Last+1 {
			r.Last = max(r.Last, last)
			return
		}
	} else if n > 0 {
		*s = set.Union(UIDSet{{first, last}})
		return
	}
	*s = append(set, UIDRange{first, last})
}

// Union returns what is in s or in t. Neither is changed.
func (s UIDSet) Union(t UIDSet) UIDSet {
	out := make(UIDSet, 0, len(s)+len(t))
	for len(s) > 0 || len(t) > 0 {
		if len(t) == 0 || len(s) > 0 && s[0].First <= t[0].First {
			out.Add(s[0].First, s[0].Last)
			s = s[1:]
		} else {
			out.Add(t[0].First, t[0].Last)
			t = t[1:]
		}
	}
	return out
}

// Intersect returns what is in both.
func (s UIDSet) Intersect(t UIDSet) UIDSet {
	var out UIDSet
	for len(s) > 0 && len(t) > 0 {
		if first, last := max(s[0].First, t[0].First), min(s[0].Last, t[0].Last); first <= last {
			out = append(out, UIDRange{first, last})
		}
		if s[0].Last < t[0].Last {
			s = s[1:]
		} else {
			t = t[1:]
		}
	}
	return out
}

// Minus returns what is in s and not in t.
func (s UIDSet) Minus(t UIDSet) UIDSet {
	var not UIDSet // the complement of t
	next := UID(1)
	for _, r := range t {
		if r.First > next {
			not = append(not, UIDRange{next, r.First - 1})
		}
		if r.Last == MaxUID {
			return s.Intersect(not)
		}
		next = r.Last + 1
	}
	return s.Intersect(append(not, UIDRange{next, MaxUID}))
}

// String returns the set as IMAP writes it, "" for an empty one.
func (s UIDSet) String() string { return string(AppendUIDSet(nil, s)) }

// AppendUIDSet appends the set as IMAP writes it: 1:3,5. An empty set is nothing at all.
func AppendUIDSet(dst []byte, s UIDSet) []byte {
	for i, r := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(r.First), 10)
		if r.Last != r.First {
			dst = append(dst, ':')
			dst = strconv.AppendUint(dst, uint64(r.Last), 10)
		}
	}
	return dst
}

// UIDs returns the set of the given UIDs.
func UIDs(uids ...UID) UIDSet {
	uids = slices.Sorted(slices.Values(uids))
	var s UIDSet
	for _, u := range uids {
		s.Add(u, u)
	}
	return s
}

// AppendUIDs appends UIDs in the order given, runs of ascending neighbours as ranges: the form of APPENDUID and
// COPYUID, in which the order matters (RFC 4315 §3).
func AppendUIDs(dst []byte, uids []UID) []byte {
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendUIDSet(dst, UIDSet{{uids[i], uids[j]}})
		i = j + 1
	}
	return dst
}

// A SequenceSet is a set of sequence numbers or UIDs as written: in any order, overlapping, with "*" in it
// (RFC 9051 §9, sequence-set).
type SequenceSet []SequenceRange

// A SequenceRange is one member of a SequenceSet, its ends in either order. 0 stands for "*", the largest number in
// use.
type SequenceRange struct {
	First, Last uint32
}

// ParseSequenceSet reads a sequence-set. The error is a *SyntaxError, or a *LimitError for more than MaxSetMembers.
func ParseSequenceSet(b []byte) (SequenceSet, error) {
	var s SequenceSet
	i := 0
	for {
		first, n := parseSeq(b[i:])
		if n == 0 {
			return nil, &SyntaxError{Offset: i, Want: "a number from 1 to 4294967295 or *"}
		}
		i += n
		last := first
		if i < len(b) && b[i] == ':' {
			i++
			if last, n = parseSeq(b[i:]); n == 0 {
				return nil, &SyntaxError{Offset: i, Want: "a number from 1 to 4294967295 or *"}
			}
			i += n
		}
		if len(s) == MaxSetMembers {
			return nil, &LimitError{What: "members of a sequence set", Limit: MaxSetMembers}
		}
		s = append(s, SequenceRange{first, last})
		switch {
		case i == len(b):
			return s, nil
		case b[i] != ',':
			return nil, &SyntaxError{Offset: i, Want: "a comma"}
		}
		i++
	}
}

// MaxSetMembers is how many members a SequenceSet has at most.
const MaxSetMembers = 100_000

// parseSeq reads a seq-number and returns its length, 0 if there is none.
func parseSeq(b []byte) (uint32, int) {
	if len(b) > 0 && b[0] == '*' {
		return 0, 1
	}
	v, n := uint64(0), 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		if v = v*10 + uint64(b[n]-'0'); v > uint64(MaxUID) {
			return 0, 0
		}
		n++
	}
	if v == 0 || b[0] == '0' {
		return 0, 0
	}
	return uint32(v), n
}

// Resolve returns the set with largest for "*", which is the largest number in use. largest 0, an empty mailbox,
// makes "*" name nothing.
func (s SequenceSet) Resolve(largest uint32) UIDSet {
	ranges := make([]UIDRange, 0, len(s))
	for _, r := range s {
		first, last := r.First, r.Last
		if largest == 0 && (first == 0 || last == 0) {
			if first == last {
				continue
			}
			first, last = max(first, last), max(first, last) // n:* names at least n
		}
		if first == 0 {
			first = largest
		}
		if last == 0 {
			last = largest
		}
		ranges = append(ranges, UIDRange{UID(min(first, last)), UID(max(first, last))})
	}
	slices.SortFunc(ranges, func(a, b UIDRange) int {
		if a.First < b.First {
			return -1
		}
		return int(min(1, a.First-b.First))
	})
	out := make(UIDSet, 0, len(ranges))
	for _, r := range ranges {
		out.Add(r.First, r.Last)
	}
	return out
}

// Max returns the largest number that is written in the set, 0 if it has only "*".
func (s SequenceSet) Max() uint32 {
	m := uint32(0)
	for _, r := range s {
		m = max(m, r.First, r.Last)
	}
	return m
}

// Set returns s as a SequenceSet.
func (s UIDSet) Set() SequenceSet {
	out := make(SequenceSet, len(s))
	for i, r := range s {
		out[i] = SequenceRange{uint32(r.First), uint32(r.Last)}
	}
	return out
}

// AppendSequenceSet appends the set as it is.
func AppendSequenceSet(dst []byte, s SequenceSet) []byte {
	for i, r := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendSeq(dst, r.First)
		if r.Last != r.First {
			dst = append(dst, ':')
			dst = appendSeq(dst, r.Last)
		}
	}
	return dst
}

func appendSeq(dst []byte, n uint32) []byte {
	if n == 0 {
		return append(dst, '*')
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// String returns the set as IMAP writes it.
func (s SequenceSet) String() string { return string(AppendSequenceSet(nil, s)) }

// ParseUIDSet reads a uid-set of a response: numbers only, no "*".
func ParseUIDSet(b []byte) (UIDSet, error) {
	s, err := ParseSequenceSet(b)
	if err != nil {
		return nil, err
	}
	for _, r := range s {
		if r.First == 0 || r.Last == 0 {
			return nil, fmt.Errorf("imap: uid-set %.40q: %w", b, &SyntaxError{Want: "numbers, not *"})
		}
	}
	return s.Resolve(0), nil
}

// ParseUIDs reads a uid-set of APPENDUID or COPYUID in its order, at most limit UIDs.
func ParseUIDs(b []byte, limit int) ([]UID, error) {
	s, err := ParseSequenceSet(b)
	if err != nil {
		return nil, err
	}
	return s.Numbers(limit)
}
