package imapserver

import (
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

// leastMessages is the least that Limits.Messages and Saves may be (RFC 9738 §3).
const leastMessages = 1000

// checkMessageLimits finds limits that contradict each other.
func (l *Limits) checkMessageLimits() error {
	announced := max(l.Messages, l.Saves)
	switch {
	case l.Messages != 0 && l.Messages < leastMessages, l.Saves != 0 && l.Saves < leastMessages:
		return fmt.Errorf("imapserver: Limits: fewer than %d Messages or Saves", leastMessages)
	case l.Messages != 0 && l.Saves != 0:
		return fmt.Errorf("imapserver: Limits: Messages and Saves exclude each other")
	case announced > int(imap.MaxUID) || l.Tolerated > int(imap.MaxUID):
		return fmt.Errorf("imapserver: Limits: more than %d messages", imap.MaxUID)
	case l.Tolerated != 0 && (announced == 0 || l.Tolerated < announced):
		return fmt.Errorf("imapserver: Limits: Tolerated without Messages or Saves, or below them")
	}
	return nil
}

// maxMessages is how many messages a command works on; 0: any number.
func (l *Limits) maxMessages() int64 {
	if l.Messages == 0 {
		return 0
	}
	return l.maxSaves()
}

// maxSaves is the same for commands that add messages.
func (l *Limits) maxSaves() int64 { return int64(max(l.Messages, l.Saves, l.Tolerated)) }

// messageLimit is the capability, "" without a limit.
func (l *Limits) messageLimit() string {
	switch {
	case l.Messages > 0:
		return "MESSAGELIMIT=" + strconv.Itoa(l.Messages)
	case l.Saves > 0:
		return "SAVELIMIT=" + strconv.Itoa(l.Saves)
	}
	return ""
}

// tooMany is the answer to a command that does nothing because it would have to do too much.
func tooMany(limit int64, lowest imap.UID) error {
	return &imap.Status{Type: imap.StatusNo, Code: imap.CodeMessageLimit, Args: imap.MessageLimit{Messages: uint32(limit), Lowest: lowest}.String(),
		Text: "too many messages for one command"}
}

// most returns those of uids that the command may work on, the highest, and notes the lowest of them where they are not all.
func (c *session) most(uids imap.UIDSet) imap.UIDSet {
	limit := c.s.Limits.maxMessages()
	if limit == 0 {
		return uids
	}
	uids, c.lowest = c.box.highest(uids, limit)
	return uids
}

// highest returns the n highest of uids that the client knows. lowest is the least of them, 0 if there are no others.
func (v *view) highest(uids imap.UIDSet, n int64) (top imap.UIDSet, lowest imap.UID) {
	seqs := v.seqs(uids)
	all := seqs.Len()
	if all <= n {
		return uids, 0
	}
	for _, r := range seqs.Slice(all-n, all) {
		top.Add(v.uids[r.First-1], v.uids[r.Last-1])
	}
	return top, top[0].First
}

// cutShort puts MESSAGELIMIT into the tagged response, or before it where that has a code of its own (RFC 9738 §3.1).
func (c *session) cutShort(st *imap.Status) {
	limit := imap.MessageLimit{Messages: uint32(c.s.Limits.maxMessages()), Lowest: c.lowest}
	if st.Code == "" && st.Type == imap.StatusOK {
		st.Code, st.Args = imap.CodeMessageLimit, limit.String()
		st.Text += " for part of the messages"
		return
	}
	c.respond("*", &imap.Status{Type: imap.StatusNo, Code: imap.CodeMessageLimit, Args: limit.String(), Text: "part of the messages"})
}

// reverseBatch is how many messages are held to be told in reverse.
const reverseBatch = 100

// messages is Mailbox.Messages, from the highest UID down if the command works on part of its messages (RFC 9738 §3.1).
func (c *session) messages(uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	if c.lowest == 0 {
		return c.box.Mailbox.Messages(c.ctx, uids, want)
	}
	return func(yield func(*imap.Message, error) bool) {
		for len(uids) > 0 {
			batch, lowest := c.box.highest(uids, reverseBatch)
			uids = uids.Minus(batch)
			if lowest == 0 {
				uids = nil
			}
			held := make([]*imap.Message, 0, reverseBatch)
			for m, err := range c.box.Mailbox.Messages(c.ctx, batch, want) {
				if err != nil {
					yield(nil, err)
					return
				}
				held = append(held, m)
			}
			for _, m := range slices.Backward(held) {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}
