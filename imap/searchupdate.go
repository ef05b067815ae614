package imap

import (
	"slices"
	"strconv"
)

// A SearchUpdate is one pair of ADDTO or REMOVEFROM: a change of the list that a SEARCH or SORT with UPDATE has found (RFC 5267
// §4.3.2). Updates are applied in their order.
type SearchUpdate struct {
	Remove bool // REMOVEFROM; else ADDTO
	// Position is where the first of Numbers stands in the list, after it was added or before it is removed, counted from 1; 0,
	// of SEARCH alone: wherever the order of the mailbox has each of them.
	Position uint32
	Numbers  SequenceSet // in the order of the list, without "*"
}

// MaxSearchUpdates is how many pairs one ESEARCH response has at most.
const MaxSearchUpdates = 100_000

// searchUpdates reads what follows ADDTO or REMOVEFROM, and adds it to list.
func (d *Decoder) searchUpdates(list []SearchUpdate, remove bool) []SearchUpdate {
	d.SP()
	d.Expect('(')
	for d.err == nil {
		if len(list) == MaxSearchUpdates {
			d.Fail(&LimitError{What: "updates of a search", Limit: MaxSearchUpdates})
		}
		u := SearchUpdate{Remove: remove, Position: d.Number()}
		d.SP()
		u.Numbers = d.SequenceSet()
		if slices.ContainsFunc(u.Numbers, func(r SequenceRange) bool { return r.First == 0 || r.Last == 0 }) {
			d.Want("numbers, not *")
		}
		list = append(list, u)
		if !d.Accept(' ') {
			break
		}
	}
	d.Expect(')')
	return list
}

// AppendSearchUpdates appends updates as the data of an ESEARCH response, each ADDTO and REMOVEFROM with a space before it.
func AppendSearchUpdates(dst []byte, updates []SearchUpdate) []byte {
	for i, u := range updates {
		switch {
		case i > 0 && updates[i-1].Remove == u.Remove:
			dst = append(dst, ' ')
		case u.Remove:
			dst = append(dst, " REMOVEFROM ("...)
		default:
			dst = append(dst, " ADDTO ("...)
		}
		dst = append(strconv.AppendUint(dst, uint64(u.Position), 10), ' ')
		dst = AppendSequenceSet(dst, u.Numbers)
		if i+1 == len(updates) || updates[i+1].Remove != u.Remove {
			dst = append(dst, ')')
		}
	}
	return dst
}

// UpdateItems reads what UPDATE among the options of RETURN may be followed by: the items of FETCH that are told of new messages
// (RFC 5465 §7). nil: there are none.
func (d *Decoder) UpdateItems() []FetchItem {
	if b := d.rest(); len(b) < 2 || b[0] != ' ' || b[1] != '(' {
		return nil
	}
	d.SP()
	return d.FetchItems()
}

// Ordered returns numbers as a set in their order, runs of ascending neighbours as ranges: the form of what SORT has found (RFC
// 5267 §3.2).
func Ordered(numbers []UID) SequenceSet {
	var s SequenceSet
	for _, n := range numbers {
		if k := len(s) - 1; k >= 0 && s[k].Last == uint32(n)-1 {
			s[k].Last = uint32(n)
		} else {
			s = append(s, SequenceRange{uint32(n), uint32(n)})
		}
	}
	return s
}

// Numbers returns the members of the set in its order, those of each range ascending, at most limit: more are a *LimitError. "*"
// is a *SyntaxError.
func (s SequenceSet) Numbers(limit int) ([]UID, error) {
	var out []UID
	for _, r := range s {
		first, last := min(r.First, r.Last), max(r.First, r.Last)
		if first == 0 {
			return nil, &SyntaxError{Want: "numbers, not *"}
		}
		if int64(last)-int64(first) >= int64(limit-len(out)) {
			return nil, &LimitError{What: "members of a set", Limit: int64(limit)}
		}
		for n := first; ; n++ {
			out = append(out, UID(n))
			if n == last {
				break
			}
		}
	}
	return out, nil
}

// Apply returns list, which it may change, after the update. One that does not fit the list is a *SyntaxError, a list of more than
// limit numbers a *LimitError.
func (u *SearchUpdate) Apply(list []UID, limit int) ([]UID, error) {
	numbers, err := u.Numbers.Numbers(limit)
	if err != nil {
		return nil, err
	}
	at, end := int64(u.Position)-1, int64(u.Position)-1+int64(len(numbers))
	switch {
	case u.Remove && u.Position == 0:
		set := UIDs(numbers...)
		return slices.DeleteFunc(list, set.Contains), nil
	case u.Remove:
		if end > int64(len(list)) || !slices.Equal(list[at:end], numbers) {
			return nil, &SyntaxError{Want: "to remove what stands there"}
		}
		return slices.Delete(list, int(at), int(end)), nil
	case u.Position == 0:
		list = append(list, numbers...)
		slices.Sort(list)
		list = slices.Compact(list)
	case at > int64(len(list)):
		return nil, &SyntaxError{Want: "a position within the list"}
	default:
		list = slices.Insert(list, int(at), numbers...)
	}
	if len(list) > limit {
		return nil, &LimitError{What: "results of a search", Limit: int64(limit)}
	}
	return list, nil
}

// ApplySet returns set after the update, for a list in the order of the mailbox: positions do not matter there.
func (u *SearchUpdate) ApplySet(set UIDSet) UIDSet {
	if u.Remove {
		return set.Minus(u.Numbers.Resolve(0))
	}
	return set.Union(u.Numbers.Resolve(0))
}
