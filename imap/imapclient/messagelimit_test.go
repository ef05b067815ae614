package imapclient

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// limited is a session with a server of these limits, whose INBOX has 2500 messages, every other one with \Deleted, and UIDs that begin at 3.
func limited(t *testing.T, l imapserver.Limits) *Client {
	t.Helper()
	backend, users := &imaptest.Memory{}, sasl.NewUsers()
	backend.AddUser("alice")
	if err := users.Set("alice", "secret"); err != nil {
		t.Fatal(err)
	}
	s := &imapserver.Server{Backend: backend, Authenticator: sasl.New(sasl.Plain(users.Check)), AllowPlaintextAuth: true, Limits: l}
	a, err := backend.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	msgs := make([]imap.AppendMessage, 2502)
	for i := range msgs {
		if msgs[i] = (imap.AppendMessage{Size: 1, Body: strings.NewReader("x")}); i%2 == 1 {
			msgs[i].Flags = []imap.Flag{imap.FlagDeleted}
		}
	}
	_, err = a.Appender.Append(t.Context(), "INBOX", msgs)
	if err == nil {
		_, err = a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1, 2), true)
	}
	if err == nil {
		_, err = a.Editor.Create(t.Context(), "Trash", imap.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := Dial(t.Context(), ln.Addr().String(), plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Authenticate(t.Context(), sasl.Credentials{Username: "alice", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMessageLimit has methods that need several commands each, and those that cannot be split (RFC 9738).
func TestMessageLimit(t *testing.T) {
	c, ctx := limited(t, imapserver.Limits{Messages: 1000}), t.Context()
	if a, s := c.MessageLimit(); a != 1000 || s != 1000 {
		t.Error(a, s)
	}
	all := imap.UIDSet{{First: 3, Last: 2502}}
	fetched := func(name string, msgs func(func(*Message, error) bool)) imap.UIDSet {
		t.Helper()
		var uids []imap.UID
		for m, err := range msgs {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			uids = append(uids, m.UID)
		}
		set := imap.UIDs(uids...)
		if int(set.Len()) != len(uids) {
			t.Errorf("%s: %d messages, %d of them once", name, len(uids), set.Len())
		}
		return set
	}
	for name, msgs := range map[string]func(func(*Message, error) bool){
		"Fetch": c.Fetch(ctx, imap.AllUIDs(), imap.FieldFlags), "FetchSeq": c.FetchSeq(ctx, imap.SequenceSet{{First: 1, Last: 0}}, 0),
		"FetchSince": c.FetchSince(ctx, all, 1, 0),
	} {
		for range 2 { // a loop may be begun again
			if got := fetched(name, msgs); !slices.Equal(got, all) {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	n := 0
	for range c.Fetch(ctx, all, 0) {
		if n++; n == 1500 {
			break
		}
	}
	found, err := c.Search(ctx, &imap.SearchCriteria{NotFlags: []imap.Flag{imap.FlagDeleted}})
	if err != nil || found.Len() != 1250 {
		t.Errorf("%d found, %v", found.Len(), err)
	}
	if found, err = c.Search(ctx, &imap.SearchCriteria{UIDs: imap.UIDSet{{First: 400, Last: 1999}}}); err != nil || found.Len() != 1600 {
		t.Errorf("%d found, %v", found.Len(), err)
	}
	if found, err = c.Search(ctx, &imap.SearchCriteria{UIDs: imap.UIDSet{}}); err != nil || found.Len() != 0 {
		t.Errorf("%d found, %v", found.Len(), err)
	}
	seen := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}
	if _, err := c.Store(ctx, all, seen, imap.NoUnchangedSince); err != nil {
		t.Fatal(err)
	}
	if stored, err := c.Store(ctx, all, seen, 1); err != nil || !slices.Equal(stored.Modified, all) {
		t.Errorf("%v, %v", stored, err)
	}
	refused := map[string]func() error{
		"Copy": func() error { _, err := c.Copy(ctx, all, "Trash"); return err },
		"Sort": func() error {
			_, err := c.Sort(ctx, []imap.SortKey{{Key: imap.SortArrival}}, &imap.SearchCriteria{})
			return err
		},
		"Thread": func() error { _, err := c.Thread(ctx, imap.ThreadReferences, &imap.SearchCriteria{}); return err },
		"FetchPartial": func() error {
			for _, err := range c.FetchPartial(ctx, all, imap.PartialRange{First: 1, Last: 1001}, 0) {
				return err
			}
			return nil
		},
		"SearchContext": func() error { _, err := c.SearchContext(ctx, &imap.SearchCriteria{}); return err },
		"MultiSearch": func() error {
			for _, err := range c.MultiSearch(ctx, []imap.SearchSource{{Filter: imap.NotifyPersonal}}, &imap.SearchCriteria{}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"SearchPartial": func() error {
			_, err := c.SearchPartial(ctx, imap.PartialRange{First: 1, Last: 10}, &imap.SearchCriteria{})
			return err
		},
	}
	for name, f := range refused {
		if err := f(); !errors.Is(err, &imap.Status{Code: imap.CodeMessageLimit}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Expunge(ctx, all); err != nil || c.Selected().Messages != 1250 {
		t.Error(err, c.Selected().Messages)
	}
	moved, err := c.Move(ctx, all, "Trash")
	if err != nil || len(moved.From) != 1250 || imap.UIDs(moved.To...).Len() != 1250 || c.Selected().Messages != 0 {
		t.Error(err, len(moved.From), len(moved.To), c.Selected().Messages)
	}
	if a, s := limited(t, imapserver.Limits{Saves: 2000}).MessageLimit(); a != 0 || s != 2000 {
		t.Error(a, s)
	}
}

// TestMessageLimitHostile has servers whose limit leads nowhere, or is told in the other place (RFC 9738 §3.1).
func TestMessageLimitHostile(t *testing.T) {
	fetch := func(dialogue string) (uids []imap.UID, last error) {
		c, err := New(t.Context(), script(t, "S: * PREAUTH [CAPABILITY IMAP4rev1 MESSAGELIMIT=x] hello\n"+dialogue), plain)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if a, s := c.MessageLimit(); a != 0 || s != 0 {
			t.Error(a, s)
		}
		for m, err := range c.Fetch(t.Context(), imap.UIDSet{{First: 1, Last: 9}}, 0) {
			if err != nil {
				return uids, err
			}
			uids = append(uids, m.UID)
		}
		return uids, nil
	}
	uids, err := fetch("C: a2 UID FETCH 1:9 (UID)\nS: * 9 FETCH (UID 9)\nS: * NO [MESSAGELIMIT 1 9] part\nS: a2 OK [X] done\n" +
		"C: a3 UID FETCH 1:8 (UID)\nS: * 4 FETCH (UID 4)\nS: a3 OK [MESSAGELIMIT 1 1] done\n")
	if err != nil || !slices.Equal(uids, []imap.UID{9, 4}) {
		t.Error(uids, err)
	}
	uids, err = fetch("C: a2 UID FETCH 1:9 (UID)\nS: a2 OK [MESSAGELIMIT 1 10] done\n")
	if _, ok := errors.AsType[*ProtocolError](err); !ok || len(uids) != 0 {
		t.Error(uids, err)
	}
	uids, err = fetch("C: a2 UID FETCH 1:9 (UID)\nS: a2 OK [MESSAGELIMIT 1 0] done\n")
	if err != nil || len(uids) != 0 {
		t.Error(uids, err)
	}
}
