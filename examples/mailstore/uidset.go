package mailstore

import (
	"iter"

	"github.com/mailbricks/mailbricks/imap"
)

// nearGap is how far two ranges of a set may lie apart to be read by one query.
const nearGap = 64

// spans yields ranges that cover the set, and for each a function that says whether a UID belongs to it. The
// function must be called with ascending UIDs.
func spans(set imap.UIDSet) iter.Seq2[imap.UIDRange, func(imap.UID) bool] {
	return func(yield func(imap.UIDRange, func(imap.UID) bool) bool) {
		for len(set) > 0 {
			n := 1
			for n < len(set) && set[n].First-set[n-1].Last <= nearGap {
				n++
			}
			part, i := set[:n], 0
			set = set[n:]
			in := func(u imap.UID) bool {
				for i < len(part) && part[i].Last < u {
					i++
				}
				return i < len(part) && part[i].First <= u
			}
			if !yield(imap.UIDRange{First: part[0].First, Last: part[len(part)-1].Last}, in) {
				return
			}
		}
	}
}
