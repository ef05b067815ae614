package imap

// A UID is a message's unique identifier in its mailbox (RFC 9051 §2.3.1.1). 0 is none.
type UID uint32

// MaxUID is the highest UID.
const MaxUID UID = 1<<32 - 1

// A ModSeq is a modification sequence (RFC 7162 §3.1), at most 2^63-1. 0 is before every change.
type ModSeq uint64

// A UIDRange is the UIDs from First to Last, both included.
type UIDRange struct {
	First, Last UID
}

// A UIDSet is a set of UIDs: ranges ascending, not touching each other, none empty. "*" has been resolved. The nil
// set is empty.
type UIDSet []UIDRange

// AllUIDs is the set of every UID.
func AllUIDs() UIDSet { return UIDSet{{1, MaxUID}} }
