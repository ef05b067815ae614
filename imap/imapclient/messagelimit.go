package imapclient

import (
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// MessageLimit returns how many messages the server lets one command work on: MESSAGELIMIT; and how many it lets COPY and APPEND
// add: that too, or SAVELIMIT (RFC 9738 §3). 0: it announces none. Fetch, FetchSeq, Search, Store, Expunge and Move go on by
// themselves until everything is done. Copy, Sort, Thread, FetchPartial, SearchPartial, MultiSearch, SearchContext and SortContext fail beyond it, with a *imap.Status
// of CodeMessageLimit: ask for less at once.
func (c *Client) MessageLimit() (messages, saves uint32) {
	for name := range c.caps {
		if s, ok := strings.CutPrefix(name, "MESSAGELIMIT="); ok {
			messages = number32(s)
		}
		if s, ok := strings.CutPrefix(name, "SAVELIMIT="); ok {
			saves = number32(s)
		}
	}
	if messages > 0 {
		saves = messages
	}
	return messages, saves
}

// maxRounds is how many commands a method goes on with.
const maxRounds = 100_000

// A remainder is what commands have left of the messages that a method is to work on.
type remainder struct {
	uids   imap.UIDSet
	rounds int
}

// next takes away what the command has worked on, and reports whether another one is needed.
func (r *remainder) next(cmd *command) (bool, error) {
	lowest := cmd.limit.Lowest
	if lowest == 0 || len(r.uids) == 0 {
		return false, nil
	}
	left := r.uids.Minus(imap.UIDSet{{First: lowest, Last: imap.MaxUID}})
	if r.rounds++; r.rounds == maxRounds || left.Len() == r.uids.Len() {
		return false, cmd.broken("MESSAGELIMIT "+strconv.FormatUint(uint64(lowest), 10)+" leads to no end", nil)
	}
	r.uids = left
	return len(left) > 0, nil
}

// whole is the error of a command that cannot go on, where it was cut short.
func (cmd *command) whole() error {
	if cmd.limit.Lowest == 0 {
		return nil
	}
	return &Error{cmd.name, &imap.Status{Type: imap.StatusNo, Code: imap.CodeMessageLimit, Args: cmd.limit.String(), Text: "part of the messages"}}
}

// all runs a command on uids, and again on those that the server's limit has left.
func (c *Client) all(uids imap.UIDSet, run func(imap.UIDSet) (*command, error)) error {
	r := remainder{uids: uids}
	for more := true; more; {
		cmd, err := run(r.uids)
		if err == nil {
			more, err = r.next(cmd)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
