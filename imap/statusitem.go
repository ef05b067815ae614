package imap

import "slices"

// A StatusItem is what STATUS asks for.
type StatusItem string

// Items of STATUS (RFC 9051 §6.3.11, RFC 7162 §3.1.7, RFC 7889 §4, RFC 8474 §4.3).
const (
	StatusMessages      StatusItem = "MESSAGES"
	StatusUIDNext       StatusItem = "UIDNEXT"
	StatusUIDValidity   StatusItem = "UIDVALIDITY"
	StatusUnseen        StatusItem = "UNSEEN"
	StatusDeleted       StatusItem = "DELETED"
	StatusSize          StatusItem = "SIZE"
	StatusRecent        StatusItem = "RECENT" // RFC 3501 §6.3.10
	StatusHighestModSeq StatusItem = "HIGHESTMODSEQ"
	StatusAppendLimit   StatusItem = "APPENDLIMIT"
	StatusMailboxID     StatusItem = "MAILBOXID"

	StatusDeletedStorage StatusItem = "DELETED-STORAGE" // RFC 9208 §4.1.4
)

// StatusItems reads the items of STATUS in parentheses, each once. extra are further names that an item may have.
func (d *Decoder) StatusItems(extra ...StatusItem) []StatusItem {
	var items []StatusItem
	seen := map[StatusItem]bool{}
	d.List(func() {
		it := StatusItem(d.Keyword())
		if !it.Known() && !slices.Contains(extra, it) {
			d.Want("an item of STATUS")
			return
		}
		if !seen[it] {
			seen[it] = true
			items = append(items, it)
		}
	})
	if len(items) == 0 {
		d.Want("an item of STATUS")
	}
	return items
}

// Known reports whether StatusItems reads the item of itself.
func (it StatusItem) Known() bool {
	switch it {
	case StatusMessages, StatusUIDNext, StatusUIDValidity, StatusUnseen, StatusDeleted, StatusSize, StatusRecent,
		StatusHighestModSeq, StatusAppendLimit, StatusMailboxID, StatusDeletedStorage:
		return true
	}
	return false
}
