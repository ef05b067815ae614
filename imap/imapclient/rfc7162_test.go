package imapclient

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// TestRFC7162 plays the examples of RFC 7162, with commands that name messages by UID and without known UIDs.
func TestRFC7162(t *testing.T) {
	t.Run("3.1.2.1 SELECT", func(t *testing.T) {
		c := connect(t, plain, "CONDSTORE", `
			C: a2 SELECT INBOX (CONDSTORE)
			S: * 172 EXISTS
			S: * 1 RECENT
			S: * OK [UNSEEN 12] Message 12 is first unseen
			S: * OK [UIDVALIDITY 3857529045] UIDs valid
			S: * OK [UIDNEXT 4392] Predicted next UID
			S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
			S: * OK [PERMANENTFLAGS (\Deleted \Seen \*)] Limited
			S: * OK [HIGHESTMODSEQ 715194045007]
			S: a2 OK [READ-WRITE] SELECT completed, CONDSTORE is now enabled`)
		if s, err := c.Select(t.Context(), "INBOX"); err != nil || s.HighestModSeq != 715194045007 || s.Messages != 172 || s.FirstUnseen != 12 {
			t.Errorf("%+v, %v", s, err)
		}
	})
	seen := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}
	for _, tt := range []struct{ name, answer, want string }{
		{"3.1.3 example 5", "S: * 5 FETCH (MODSEQ (320162350))\nS: a2 OK [MODIFIED 7,9] Conditional STORE failed", "&{320162350  7,9}"},
		{"3.1.3 example 13, NO", "S: * 1 FETCH (MODSEQ (320172342) FLAGS (\\SEEN))\nS: * 3 FETCH (MODSEQ (320172342) FLAGS (\\SEEN))\nS: a2 NO [MODIFIED 2] Some of the messages no longer exist.", "&{320172342  2}"},
		{"all done", "S: * 1 FETCH (UID 4 MODSEQ (12121231000))\nS: * 2 FETCH (UID 6 MODSEQ (12121230852))\nS: a2 OK Conditional Store completed", "&{12121231000  }"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, plain, "CONDSTORE", "C: a2 UID STORE 1:9 (UNCHANGEDSINCE 320162338) +FLAGS.SILENT (\\Seen)\n"+tt.answer)
			stored, err := c.Store(t.Context(), imap.UIDSet{{First: 1, Last: 9}}, seen, 320162338)
			if got := fmt.Sprint(stored); err != nil || got != tt.want {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	t.Run("3.1.4.1 CHANGEDSINCE", func(t *testing.T) {
		c := connect(t, plain, "CONDSTORE", `
			C: a2 UID FETCH 1:4294967295 (UID FLAGS) (CHANGEDSINCE 12345)
			S: * 1 FETCH (UID 4 MODSEQ (65402) FLAGS (\Seen))
			S: * 2 FETCH (UID 6 MODSEQ (75403) FLAGS (\Deleted))
			S: * 4 FETCH (UID 8 MODSEQ (29738) FLAGS ($NoJunk $AutoJunk $MDNSent))
			S: a2 OK FETCH completed`)
		var got []string
		for m, err := range c.FetchSince(t.Context(), imap.AllUIDs(), 12345, imap.FieldFlags) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(m.UID, m.ModSeq, m.Flags))
		}
		if s := strings.Join(got, ", "); s != `4 65402 [\Seen], 6 75403 [\Deleted], 8 29738 [$NoJunk $AutoJunk $MDNSent]` {
			t.Errorf("got %s", s)
		}
	})
	t.Run("3.2.5.2 QRESYNC", func(t *testing.T) {
		c := connect(t, plain, "ENABLE QRESYNC", `
			C: a2 ENABLE QRESYNC
			S: * ENABLED QRESYNC
			S: a2 OK
			C: a3 SELECT INBOX (QRESYNC (67890007 90060115194045000))
			S: * 7 EXISTS
			S: * OK [CLOSED]
			S: * 100 EXISTS
			S: * 11 RECENT
			S: * OK [UIDVALIDITY 67890007] UIDVALIDITY
			S: * OK [UIDNEXT 600] Predicted next UID
			S: * OK [HIGHESTMODSEQ 90060115205545359] Highest mailbox mod-sequence
			S: * OK [UNSEEN 7] There are some unseen messages in the mailbox
			S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen)
			S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Permanent flags
			S: * VANISHED (EARLIER) 41,43:116,118,120:211,214:540
			S: * 49 FETCH (UID 117 FLAGS (\Seen \Answered) MODSEQ (90060115194045001))
			S: * 50 FETCH (UID 119 FLAGS (\Draft $MDNSent) MODSEQ (90060115194045308))
			S: * 51 FETCH (UID 541 FLAGS (\Seen $Forwarded) MODSEQ (90060115194045001))
			S: a3 OK [READ-WRITE] mailbox selected`)
		var got []string
		s, err := c.Resync(t.Context(), "INBOX", Known{67890007, 90060115194045000, imap.UIDSet{{First: 41, Last: 211}, {First: 214, Last: 541}}}, func(e Event) {
			if e.Kind == EventVanished {
				got = append(got, e.UIDs.String())
			} else {
				got = append(got, fmt.Sprint(e.Message.UID, e.Message.Flags))
			}
		})
		if err != nil || s.Messages != 100 || s.HighestModSeq != 90060115205545359 {
			t.Errorf("%+v, %v", s, err)
		}
		if s := strings.Join(got, "; "); s != `41,43:116,118,120:211,214:540; 117 [\Seen \Answered]; 119 [\Draft $MDNSent]; 541 [\Seen $Forwarded]` {
			t.Errorf("got %s", s)
		}
	})
	t.Run("3.2.7 VANISHED for EXPUNGE", func(t *testing.T) {
		var events []Event
		o := plain
		o.Unilateral = func(e Event) { events = append(events, e) }
		c := connect(t, o, "UIDPLUS QRESYNC", `
			C: a2 SELECT INBOX (CONDSTORE)
			S: * 20 EXISTS
			S: a2 OK
			C: a3 UID EXPUNGE 400:500
			S: * VANISHED 405,407,410,425
			S: a3 OK [HIGHESTMODSEQ 20010715194045319] expunged`)
		if _, err := c.Select(t.Context(), "INBOX"); err != nil {
			t.Fatal(err)
		}
		if err := c.Expunge(t.Context(), imap.UIDSet{{First: 400, Last: 500}}); err != nil {
			t.Error(err)
		}
		if s := c.Selected(); s.Messages != 16 || s.HighestModSeq != 20010715194045319 || len(events) != 1 || events[0].UIDs.String() != "405,407,410,425" {
			t.Errorf("%+v, %+v", s, events)
		}
	})
}

// TestRFC4315 plays the examples of RFC 4315 §3 and RFC 6851 §4.3.
func TestRFC4315(t *testing.T) {
	c := connect(t, plain, "UIDPLUS MOVE", `
		C: a2 UID COPY 304,319:320 meeting
		S: a2 OK [COPYUID 38505 304,319:320 3956:3958] Done
		C: a3 UID COPY 305:310 meeting
		S: a3 OK No matching messages, so nothing copied
		C: a4 UID MOVE 42:69 foo
		S: * OK [COPYUID 432432 42:69 1202:1229]
		S: * 22 EXPUNGE
		S: a4 OK Done`)
	copied, err := c.Copy(t.Context(), imap.UIDs(304, 319, 320), "meeting")
	if got := fmt.Sprint(copied); err != nil || got != "&{38505 [304 319 320] [3956 3957 3958]}" {
		t.Errorf("%s, %v", got, err)
	}
	if copied, err = c.Copy(t.Context(), imap.UIDSet{{First: 305, Last: 310}}, "meeting"); err != nil || len(copied.To) != 0 {
		t.Errorf("%+v, %v", copied, err)
	}
	copied, err = c.Move(t.Context(), imap.UIDSet{{First: 42, Last: 69}}, "foo")
	if err != nil || copied.UIDValidity != 432432 || len(copied.From) != 28 || copied.To[27] != 1229 {
		t.Errorf("%+v, %v", copied, err)
	}
}

// TestRFC5819 is the first example of RFC 5819 §3, with its double space.
func TestRFC5819(t *testing.T) {
	c := connect(t, plain, "LIST-EXTENDED LIST-STATUS", `
		C: a2 LIST "" "%" RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN))
		S: * LIST () "."  "INBOX"
		S: * STATUS "INBOX" (MESSAGES 17 UNSEEN 16)
		S: * LIST () "." "foo"
		S: * STATUS "foo" (MESSAGES 30 UNSEEN 29)
		S: * LIST (\NoSelect) "." "bar"
		S: a2 OK List completed.`)
	list, err := c.ListStatus(t.Context(), "%", imap.StatusMessages, imap.StatusUnseen)
	if err != nil || len(list) != 3 || list[0].Status.Messages != 17 || list[1].Status.Unseen != 29 || list[2].Status != nil || !list[2].Has(`\Noselect`) {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestProgress is RFC 9585 §4: what a server says of its progress is told, unless it cannot be.
func TestProgress(t *testing.T) {
	var events []string
	o := plain
	o.Unilateral = func(e Event) { events = append(events, fmt.Sprint(e.Kind == EventProgress, " ", e.Progress)) }
	c := connect(t, o, "INPROGRESS", `
		C: a2 NOOP
		S: * OK [INPROGRESS] Hang in there...
		S: * OK [INPROGRESS ("a2" 175 NIL)] Processed 175 items so far
		S: * OK [INPROGRESS ("a2" 175 175)] done
		S: * OK [INPROGRESS ("a2" 175 1000)] Processed 17% of the items
		S: a2 OK`)
	if err := c.Noop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(events, ", "); got != `true (NIL NIL NIL), true ("a2" 175 NIL), true ("a2" 175 1000)` {
		t.Error(got)
	}
}
