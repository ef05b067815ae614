package imapserver_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// TestContexts changes a mailbox at random and compares what ADDTO and REMOVEFROM lead to with new searches.
func TestContexts(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &imaptest.Memory{}
			m.AddUser("alice")
			if seed%2 == 1 {
				m.MaxExpunged = 2 // the server has to compare the whole mailbox
			}
			a, err := m.OpenAccount(t.Context(), "alice")
			must(t, err)
			s := server(t)
			s.Backend = m
			addr := start(t, s)
			imaptest.Contexts(t, func() (net.Conn, error) { return net.Dial("tcp", addr) },
				imaptest.ContextOptions{User: "alice", Password: "secret", Account: a, Seed: seed})
		})
	}
}

// TestContextLimits refuses what would take too much, at once or when it gets there.
func TestContextLimits(t *testing.T) {
	s := server(t)
	s.Limits.Contexts, s.Limits.ContextMessages = 3, 7
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	must(t, err)
	p := dial(t, start(t, s)).login()
	p.do("s", "SELECT INBOX")
	p.send("a UID SORT RETURN (UPDATE COUNT) (SIZE) UTF-8 ALL\r\n")
	wants(p, `* ESEARCH (TAG "a") UID COUNT 3`, "a OK ...")
	p.send("b UID SORT RETURN (UPDATE COUNT) (SIZE) UTF-8 ALL\r\n")
	wants(p, `* ESEARCH (TAG "b") UID COUNT 3`, "b OK ...")
	p.send("c UID SORT RETURN (UPDATE COUNT) (SIZE) UTF-8 UNDELETED\r\n")
	wants(p, `* ESEARCH (TAG "c") UID COUNT 3`, `* NO [NOUPDATE "c"] too many messages`, "c OK ...")
	p.send("d UID SEARCH RETURN (UPDATE COUNT) UNDELETED\r\n")
	wants(p, `* ESEARCH (TAG "d") UID COUNT 3`, "d OK ...")
	p.send("e UID SEARCH RETURN (UPDATE COUNT) UNDELETED\r\n")
	wants(p, `* ESEARCH (TAG "e") UID COUNT 3`, `* NO [NOUPDATE "e"] too many contexts`, "e OK ...")
	deliver(t, a, "INBOX", "Subject: four\r\n\r\n")
	p.send("f NOOP\r\n")
	wants(p, "* 4 EXISTS", `* ESEARCH (TAG "a") UID ADDTO (1 4)`, `* ESEARCH (TAG "b") UID ADDTO (1 4)`, `* NO [NOUPDATE "b"] too many messages by now`,
		`* ESEARCH (TAG "d") UID ADDTO (0 4)`, "f OK ...")
	deliver(t, a, "INBOX", "Subject: five\r\n\r\n")
	p.send("g NOOP\r\n")
	wants(p, "* 5 EXISTS", `* ESEARCH (TAG "a") UID ADDTO (2 5)`, `* ESEARCH (TAG "d") UID ADDTO (0 5)`, "g OK ...")
	// The place is free again, and so is the tag.
	p.send("b UID SEARCH RETURN (UPDATE COUNT) " + strings.Repeat("SUBJECT nothing-like-this ", 700) + "ALL\r\n")
	wants(p, `* ESEARCH (TAG "b") UID COUNT 0`, `* NO [NOUPDATE "b"] too many keys`, "b OK ...")
	p.send("b UID SEARCH RETURN (UPDATE COUNT) ALL\r\n")
	wants(p, `* ESEARCH (TAG "b") UID COUNT 5`, "b OK ...")
}

// TestContextNotify is told between commands, before the items that NOTIFY fetches (RFC 5465 §5.2), and expunges at once although
// they wait for a command.
func TestContextNotify(t *testing.T) {
	p, a := notifyPair(t, server(t))
	p.do("b", "SELECT INBOX")
	p.do("c", "NOTIFY SET (SELECTED-DELAYED (MessageNew (UID) MessageExpunge FlagChange))")
	p.do("d", "UID SEARCH RETURN (UPDATE ALL) UNSEEN")
	deliver(t, a, "INBOX", "Subject: four\r\n\r\nx\r\n")
	wants(p, "* 4 EXISTS", `* ESEARCH (TAG "d") UID ADDTO (0 4)`, "* 4 FETCH (UID 4)")
	_, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(2), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
	must(t, err)
	wants(p, `* 2 FETCH (UID 2 FLAGS (\Seen))`, `* ESEARCH (TAG "d") UID REMOVEFROM (0 2)`)
	_, err = a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1), true)
	must(t, err)
	wants(p, `* ESEARCH (TAG "d") UID REMOVEFROM (0 1)`)
	p.send("e NOOP\r\n")
	wants(p, "* 1 EXPUNGE", "e OK ...")
}

// countingBox counts the messages that are read.
type countingBox struct {
	imap.Mailbox
	read *int
}

func (m countingBox) Messages(ctx context.Context, uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	return func(yield func(*imap.Message, error) bool) {
		for x, err := range m.Mailbox.Messages(ctx, uids, want) {
			if *m.read++; !yield(x, err) {
				return
			}
		}
	}
}

func (m countingBox) Body(ctx context.Context, uid imap.UID) (imap.Body, error) {
	*m.read++
	return m.Mailbox.Body(ctx, uid)
}

type countingStore struct {
	imap.Store
	read *int
}

func (s countingStore) OpenMailbox(ctx context.Context, name string) (imap.Mailbox, error) {
	m, err := s.Store.OpenMailbox(ctx, name)
	return countingBox{m, s.read}, err
}

// TestContextCost has an update read the messages that have changed, and no others.
func TestContextCost(t *testing.T) {
	read := 0
	s := server(t)
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	must(t, err)
	s.Backend = wrapped{s.Backend, func(a *imap.Account) { a.Store = countingStore{a.Store, &read} }}
	for range 500 {
		deliver(t, a, "INBOX", "Subject: many\r\n\r\nwords\r\n")
	}
	p := dial(t, start(t, s)).login()
	p.do("s", "SELECT INBOX")
	p.do("a", "UID SEARCH RETURN (UPDATE COUNT) BODY words")
	p.do("b", "UID SORT RETURN (UPDATE COUNT) (SUBJECT REVERSE SIZE) UTF-8 UNSEEN")
	read = 0
	_, err = a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(7, 9), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
	must(t, err)
	deliver(t, a, "INBOX", "Subject: one\r\n\r\nwords\r\n")
	_, err = a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(10), true)
	must(t, err)
	p.send("c NOOP\r\n")
	wants(p, "* 504 EXISTS", "* 7 FETCH ...", "* 9 FETCH ...", `* ESEARCH (TAG "a") UID REMOVEFROM (0 10) ADDTO (0 504)`,
		`* ESEARCH (TAG "b") UID REMOVEFROM ...`, "* 10 EXPUNGE", "c OK ...")
	if read > 10 { // flags of two, and for three their fields and text
		t.Errorf("%d messages and bodies read", read)
	}
}

// TestContextFailing tells what a backend failed to tell at first: nothing is lost, nothing is told twice.
func TestContextFailing(t *testing.T) {
	s := server(t)
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	must(t, err)
	f := &failing{Store: a.Store, Appender: a.Appender}
	s.Backend = wrapped{s.Backend, func(a *imap.Account) { a.Store = f }}
	p := dial(t, start(t, s)).login()
	p.do("s", "SELECT INBOX")
	p.send("a UID SEARCH RETURN (UPDATE COUNT) BODY third\r\n")
	wants(p, `* ESEARCH (TAG "a") UID COUNT 1`, "a OK ...")
	f.body = errors.New("broken")
	deliver(t, a, "INBOX", "Subject: four\r\n\r\nthe third again\r\n")
	p.send("b NOOP\r\n")
	wants(p, "* 4 EXISTS", "b NO [UNAVAILABLE] ...")
	f.body = nil
	p.send("c NOOP\r\nd NOOP\r\n")
	wants(p, `* ESEARCH (TAG "a") UID ADDTO (0 4)`, "c OK ...", "d OK ...")
}
