package imapclient

import (
	"bufio"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// EventKind says what an Event is about.
type EventKind uint8

const (
	// EventExists: the mailbox has Number messages now; more of them are new ones.
	EventExists EventKind = iota + 1
	// EventExpunge: the message with the sequence number Number has gone, and those behind it have moved up.
	EventExpunge
	// EventVanished: the messages UIDs have gone (RFC 7162 §3.2.10).
	EventVanished
	// EventFetch: Message has what the server told, flags most often.
	EventFetch
	// EventAlert: Text is to be shown to the user (RFC 9051 §7.1).
	EventAlert
	// EventStatus: a mailbox that is not selected has the counters Told of Status (RFC 5465 §5.1 to §5.3).
	EventStatus
	// EventListing: a mailbox has come, or its name or subscription has changed, as Listing says; it has gone if that has \NonExistent
	// (RFC 5465 §5.4, §5.5).
	EventListing
	// EventMetadata: the annotations Entries of Mailbox, of the server for "", have been set or removed (RFC 5464 §4.4.2, RFC 5465
	// §5.6, §5.7). Client.Metadata returns what they are now.
	EventMetadata
	// EventOverflow: Notify is over, and nothing is told any more (RFC 5465 §5.8).
	EventOverflow
	// EventProgress: a command has come as far as Progress tells (RFC 9585).
	EventProgress
	// EventReset: the mailbox is another one than before, and nothing that was known of it holds. A Follower tells it.
	EventReset
	// EventContext: the results of Context have changed as Updates say, or Context.Err is no longer nil (RFC 5267).
	EventContext
)

// An Event is something that the server said unasked.
type Event struct {
	Kind    EventKind
	Number  uint32
	UIDs    imap.UIDSet
	Message *Message
	Text    string
	Status  *imap.MailboxStatus
	Told    []imap.StatusItem // the others of Status are zero
	Listing *imap.Listing
	Mailbox string   // of EventMetadata
	Entries []string // of EventMetadata

	Progress imap.Progress

	Context *SearchContext
	Updates []imap.SearchUpdate
}

func (c *Client) event(e Event) {
	switch {
	case c.sink != nil:
		c.sink(e)
	case c.o.Unilateral != nil:
		c.o.Unilateral(e)
	}
}

// Selected is the mailbox that is selected, as the server has described it so far.
type Selected struct {
	Name           string
	ReadOnly       bool
	Messages       uint32
	FirstUnseen    uint32 // sequence number; 0: not told
	UIDValidity    uint32
	UIDNext        imap.UID // 0: not told
	HighestModSeq  imap.ModSeq
	ID             string      // MAILBOXID of RFC 8474, "" if not told
	Flags          []imap.Flag // known there
	PermanentFlags []imap.Flag // that can be changed; imap.FlagAny among them: new keywords too
}

// Selected returns a copy of what is known of the selected mailbox, nil if there is none. Messages follows what the
// server says during any method.
func (c *Client) Selected() *Selected {
	if c.selected == nil {
		return nil
	}
	s := *c.selected
	return &s
}

// Capabilities is the set of what a server can do, in upper case: "IDLE", "AUTH=PLAIN".
type Capabilities map[string]bool

// Has reports whether name, in upper case, is there.
func (c Capabilities) Has(name string) bool { return c[name] }

// rev2 reports whether the session is IMAP4rev2. A server that offers both revisions wants that enabled (RFC 9051 §6.3.1).
func (c *Client) rev2() bool {
	return c.caps.Has("IMAP4REV2") && (!c.caps.Has("IMAP4REV1") || c.enabled.Has("IMAP4REV2"))
}

// inUTF8 reports whether names of mailboxes are in UTF-8.
func (c *Client) inUTF8() bool { return c.rev2() || c.enabled.Has("UTF8=ACCEPT") }

// mechanisms returns the SASL mechanisms.
func (c Capabilities) mechanisms() []string {
	var out []string
	for name := range c {
		if m, ok := strings.CutPrefix(name, "AUTH="); ok {
			out = append(out, m)
		}
	}
	return out
}

// maxCapabilities is how many capabilities are kept.
const maxCapabilities = 1000

func parseCapabilities(s string) Capabilities {
	caps := Capabilities{}
	for f := range strings.FieldsSeq(strings.ToUpper(s)) {
		if len(caps) < maxCapabilities {
			caps[f] = true
		}
	}
	return caps
}

// limited notes MESSAGELIMIT.
func (cmd *command) limited(s *imap.Status) {
	if l, err := imap.ParseMessageLimit(s.Args); s.Code == imap.CodeMessageLimit && s.Type != imap.StatusBad && err == nil && l.Lowest > 0 {
		cmd.limit = l
	}
}

// untagged takes in a response that no command asked for.
func (cmd *command) untagged(r response) {
	c, d := cmd.c, cmd.c.d
	switch r.kind {
	case "EXISTS":
		if c.selected != nil {
			c.selected.Messages = r.number
		}
		c.event(Event{Kind: EventExists, Number: r.number})
	case "EXPUNGE":
		if c.selected != nil && c.selected.Messages > 0 {
			c.selected.Messages--
		}
		c.event(Event{Kind: EventExpunge, Number: r.number})
	case "VANISHED":
		cmd.vanished()
	case "FETCH", "UIDFETCH":
		m := cmd.message(r)
		if m.parse(false); m.err == nil {
			c.event(Event{Kind: EventFetch, Message: m})
		}
	case "ESEARCH":
		_ = d.Keyword()
		if s := d.ESearchData(c.inUTF8()); d.Err() == nil {
			c.updateContext(s)
		}
	case "STATUS":
		if s, told := c.readStatus(); s != nil {
			c.event(Event{Kind: EventStatus, Status: s, Told: told})
		}
	case "LIST":
		_ = d.Keyword()
		d.SP()
		if l := d.Listing(c.inUTF8()); d.Err() == nil {
			c.event(Event{Kind: EventListing, Listing: l})
		}
	case "METADATA":
		_ = c.readMetadata()
	case "CAPABILITY":
		_ = d.Keyword()
		c.caps, c.told = parseCapabilities(d.Line()), true
	case "FLAGS":
		_ = d.Keyword()
		d.SP()
		if flags := d.FlagList(); c.selected != nil && d.Err() == nil {
			c.selected.Flags = flags
		}
	case "OK", "NO", "BAD", "BYE":
		s := d.Status()
		if d.Err() != nil {
			return
		}
		if s.Type == imap.StatusBye {
			c.bye = &s
		}
		switch s.Code {
		case imap.CodeAlert:
			c.event(Event{Kind: EventAlert, Text: s.Text})
		case imap.CodeNoUpdate:
			c.noUpdate(&s)
		case imap.CodeNotificationOverflow:
			c.event(Event{Kind: EventOverflow, Text: s.Text})
		}
		c.codes(&s)
		cmd.limited(&s)
	case "":
		d.Want("a response")
	}
}

// readMetadata returns the annotations of a METADATA response; one with names alone is an event.
func (c *Client) readMetadata() []imap.Annotation {
	_ = c.d.Keyword()
	mailbox, list, changed := c.d.Metadata(c.inUTF8())
	if len(changed) > 0 && c.d.Err() == nil {
		c.event(Event{Kind: EventMetadata, Mailbox: mailbox, Entries: changed})
	}
	return list
}

// vanished takes in VANISHED (RFC 7162 §3.2.10). With EARLIER the messages do not count as EXPUNGE does.
func (cmd *command) vanished() {
	c, d := cmd.c, cmd.c.d
	_ = d.Keyword()
	d.SP()
	earlier := d.Accept('(')
	if earlier {
		_ = d.Keyword()
		d.Expect(')')
		d.SP()
	}
	uids := d.SequenceSet().Resolve(0)
	if d.Err() != nil {
		return
	}
	if n := uids.Len(); c.selected != nil && !earlier {
		c.selected.Messages -= uint32(min(n, int64(c.selected.Messages)))
	}
	c.event(Event{Kind: EventVanished, UIDs: uids})
}

// codes takes in a response code.
func (c *Client) codes(s *imap.Status) {
	if s.Code == imap.CodeCapability {
		c.caps, c.told = parseCapabilities(s.Args), true
		return
	}
	if s.Code == imap.CodeInProgress {
		if p, err := imap.ParseProgress(s.Args); err == nil {
			c.event(Event{Kind: EventProgress, Progress: p})
		}
		return
	}
	m := c.selected
	if m == nil {
		return
	}
	switch s.Code {
	case imap.CodeClosed: // RFC 7162 §3.2.11: what came before was about the mailbox before
		*m = Selected{Name: m.Name, ReadOnly: m.ReadOnly}
	case imap.CodeReadOnly:
		m.ReadOnly = true
	case imap.CodeReadWrite:
		m.ReadOnly = false
	case imap.CodeUnseen:
		m.FirstUnseen = number32(s.Args)
	case imap.CodeUIDValidity:
		m.UIDValidity = number32(s.Args)
	case imap.CodeUIDNext:
		m.UIDNext = imap.UID(number32(s.Args))
	case imap.CodeHighestModSeq:
		n, _ := strconv.ParseUint(s.Args, 10, 63)
		m.HighestModSeq = imap.ModSeq(n)
	case imap.CodeMailboxID:
		m.ID = strings.Trim(s.Args, "()")
	case imap.CodePermanentFlags:
		if d := decoder(s.Args); d.Next() == nil {
			if flags := d.FlagList(); d.Err() == nil {
				m.PermanentFlags = flags
			}
		}
	}
}

func number32(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// decoder reads the arguments of a response code.
func decoder(args string) *imap.Decoder {
	return imap.NewDecoder(bufio.NewReader(strings.NewReader(args+"\r\n")), imap.DecoderOptions{MaxLine: len(args) + 2, Lenient: true})
}
