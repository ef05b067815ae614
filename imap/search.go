package imap

import "time"

// SearchCriteria is a search key tree (RFC 9051 §6.4.4). Everything given must match; the zero value matches all.
type SearchCriteria struct {
	UIDs          UIDSet    // nil: any; empty: none
	Flags         []Flag    // all of these
	NotFlags      []Flag    // none of these
	Since, Before time.Time // days as ParseDate returns them, of the internal date where it was set; Before is exclusive
	SentSince     time.Time // the same for the day in the Date field, whatever its time and zone
	SentBefore    time.Time
	SavedSince    time.Time // the same for the day on which it came into the mailbox, in UTC (RFC 8514)
	SavedBefore   time.Time
	Older         uint32 // seconds at least since the internal date, when it is tested (RFC 5032); 0: any
	Younger       uint32 // seconds at most; 0: any
	Larger        int64  // octets, exclusive; 0: no bound
	Smaller       int64  // octets, exclusive; 0: no bound
	ModSeq        ModSeq // at least; 0: any
	Header        []HeaderCriterion
	Body          []string // substring of the decoded body, by i;unicode-casemap (RFC 5051)
	Text          []string // substring of header or body
	Not           []SearchCriteria
	Or            [][2]SearchCriteria
	Fuzzy         []SearchCriteria // these are matched as a FuzzySearcher does (RFC 6203); Match matches them exactly
	EmailID       string
	ThreadID      string
	Other         []OtherKey // keys that this package does not know
}

// A HeaderCriterion is HEADER name value; an empty Value asks for presence only.
type HeaderCriterion struct {
	Name, Value string
}
