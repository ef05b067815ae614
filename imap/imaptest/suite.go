package imaptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// TestBackend checks that a backend keeps the promises of imap.Backend. open returns a new one, and two users of it
// without mail, whose INBOX is there; it is called several times. Tests of roles that the account lacks are skipped, and
// all but a few need an Appender.
func TestBackend(t *testing.T, open func(t *testing.T) (b imap.Backend, user, other string)) {
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"Account", (*suite).account}, {"Append", (*suite).append}, {"Body", (*suite).body}, {"Messages", (*suite).messages},
		{"Flags", (*suite).flags}, {"UnchangedSince", (*suite).unchangedSince}, {"Expunge", (*suite).expunge}, {"Copy", (*suite).copy},
		{"Move", (*suite).move}, {"Changes", (*suite).changes}, {"Watch", (*suite).watch}, {"Editor", (*suite).editor}, {"Rename", (*suite).rename},
		{"Deleted", (*suite).deleted}, {"Search", (*suite).search}, {"Collation", (*suite).collation}, {"Fuzzy", (*suite).fuzzy}, {"AccountChanges", (*suite).accountChanges}, {"Interleaved", (*suite).interleaved},
		{"Quota", (*suite).quota}, {"SetQuota", (*suite).setQuota}, {"Annotations", (*suite).annotations}, {"Replace", (*suite).replace},
		{"KeptFlags", (*suite).keptFlags}, {"Share", (*suite).share}, {"SharedMail", (*suite).sharedMail}, {"SharedChanges", (*suite).sharedChanges},
		{"SharedTree", (*suite).sharedTree}, {"Lists", (*suite).lists}, {"Rights", (*suite).rights},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, user, other := open(t)
			a, err := b.OpenAccount(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			c.run(&suite{T: t, b: b, a: a, user: user, other: other})
		})
	}
}

type suite struct {
	*testing.T
	b imap.Backend
	a *imap.Account

	user, other string // whose account it is, and somebody else
}

// letter returns a message with CRLF line endings.
func letter(subject, body string) string {
	return "From: Alice <alice@example.com>\r\nTo: bob@example.org\r\nSubject: " + subject + "\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n" +
		"Message-ID: <" + strings.ReplaceAll(subject, " ", ".") + "@example.com>\r\n\r\n" + body
}

func (s *suite) need(role bool, name string) {
	s.Helper()
	if !role {
		s.Skip("the account has no " + name)
	}
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is fails unless err is target.
func (s *suite) is(err, target error, what string) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Errorf("%s: got %v, want %v", what, err, target)
	}
}

func (s *suite) box(name string) imap.Mailbox {
	s.Helper()
	m, err := s.a.Store.OpenMailbox(s.Context(), name)
	s.must(err)
	return m
}

func (s *suite) status(m imap.Mailbox) imap.MailboxStatus {
	s.Helper()
	st, err := m.Status(s.Context())
	s.must(err)
	return st
}

// add appends a message to a mailbox and returns its UID.
func (s *suite) add(mailbox, text string, flags ...imap.Flag) imap.UID {
	s.Helper()
	s.need(s.a.Appender != nil, "Appender")
	done, err := s.a.Appender.Append(s.Context(), mailbox, []imap.AppendMessage{{Flags: flags, Size: int64(len(text)), Body: strings.NewReader(text)}})
	s.must(err)
	if len(done.UIDs) != 1 {
		s.Fatalf("UIDs of one message: %v", done.UIDs)
	}
	return done.UIDs[0]
}

// list returns messages by UID, and fails unless they come in that order.
func (s *suite) list(m imap.Mailbox, uids imap.UIDSet, want imap.Fields) map[imap.UID]*imap.Message {
	s.Helper()
	out := map[imap.UID]*imap.Message{}
	last := imap.UID(0)
	for x, err := range m.Messages(s.Context(), uids, want) {
		s.must(err)
		if x.UID <= last || !uids.Contains(x.UID) {
			s.Errorf("UID %d after %d, of %s", x.UID, last, uids)
		}
		last = x.UID
		out[x.UID] = x
	}
	return out
}

func (s *suite) uids(m imap.Mailbox) []imap.UID {
	s.Helper()
	return slices.Sorted(maps.Keys(s.list(m, imap.AllUIDs(), 0)))
}

func (s *suite) text(m imap.Mailbox, u imap.UID) string {
	s.Helper()
	b, err := m.Body(s.Context(), u)
	s.must(err)
	defer b.Close()
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	s.must(err)
	return string(text)
}

// changed returns the changes since, by UID, and fails unless they come by mod-sequence and each once.
func (s *suite) changed(m imap.Mailbox, since imap.ModSeq) map[imap.UID]imap.Change {
	s.Helper()
	out := map[imap.UID]imap.Change{}
	last := since
	for c, err := range m.Changes(s.Context(), since) {
		s.must(err)
		if c.ModSeq < last || c.ModSeq <= since {
			s.Errorf("change %+v after mod-sequence %d", c, last)
		}
		if _, twice := out[c.UID]; twice {
			s.Errorf("change of %d twice", c.UID)
		}
		last = c.ModSeq
		out[c.UID] = c
	}
	return out
}

func (s *suite) account() {
	_, err := s.b.OpenAccount(s.Context(), "a user that is not there")
	s.is(err, imap.ErrNonexistent, "an unknown user")
	s.must(s.a.Check())
	if s.a.ID == "" {
		s.Fatalf("account %+v", s.a)
	}
	inboxes := 0
	for m, err := range s.a.Store.Mailboxes(s.Context()) {
		s.must(err)
		if m.Name == "INBOX" {
			inboxes++
		}
		if m.Name == "" || m.ID == "" {
			s.Errorf("mailbox %+v", m)
		}
	}
	if inboxes != 1 {
		s.Errorf("%d INBOXes", inboxes)
	}
	x, y := s.status(s.box("INBOX")), s.status(s.box("iNbOx"))
	if x.ID != y.ID || x.UIDValidity == 0 || x.UIDNext == 0 || x.Messages != 0 || x.Name != "INBOX" {
		s.Errorf("status %+v, %+v", x, y)
	}
	_, err = s.a.Store.OpenMailbox(s.Context(), "nosuch")
	s.is(err, imap.ErrNonexistent, "an unknown mailbox")
}

func (s *suite) append() {
	s.need(s.a.Appender != nil, "Appender")
	m := s.box("INBOX")
	before := s.status(m)
	when := time.Date(1996, 7, 17, 2, 44, 25, 0, time.FixedZone("", -7*3600))
	one, two := letter("one", "first\r\n"), letter("two", "second\r\n")
	done, err := s.a.Appender.Append(s.Context(), "inbox", []imap.AppendMessage{
		{Flags: []imap.Flag{imap.FlagSeen, "$Label"}, InternalDate: when, Size: int64(len(one)), Body: strings.NewReader(one)},
		{Size: -1, Body: struct{ io.Reader }{strings.NewReader(two)}},
	})
	s.must(err)
	if len(done.UIDs) != 2 || done.UIDs[0] < before.UIDNext || done.UIDs[1] <= done.UIDs[0] || done.UIDValidity != before.UIDValidity {
		s.Fatalf("appended %+v to %+v", done, before)
	}
	after := s.status(m)
	if after.Messages != 2 || after.Unseen != 1 || after.Size != int64(len(one)+len(two)) || after.UIDNext <= done.UIDs[1] ||
		after.HighestModSeq <= before.HighestModSeq || after.HighestModSeq != done.ModSeq {
		s.Errorf("status %+v after %+v", after, done)
	}
	x := s.list(m, imap.AllUIDs(), imap.FieldFlags|imap.FieldInternalDate|imap.FieldSize|imap.FieldModSeq)
	first, second := x[done.UIDs[0]], x[done.UIDs[1]]
	if first == nil || second == nil || !sameFlags(first.Flags, []imap.Flag{imap.FlagSeen, "$Label"}) || len(second.Flags) != 0 {
		s.Fatalf("messages %+v, %+v", first, second)
	}
	if !first.InternalDate.Equal(when) || time.Since(second.InternalDate) > time.Minute || first.Size != int64(len(one)) {
		s.Errorf("messages %+v, %+v", first, second)
	}
	_, err = s.a.Appender.Append(s.Context(), "nosuch", []imap.AppendMessage{{Size: int64(len(one)), Body: strings.NewReader(one)}})
	s.is(err, imap.ErrNonexistent, "append to an unknown mailbox")
	broken := errors.New("broken")
	_, err = s.a.Appender.Append(s.Context(), "INBOX", []imap.AppendMessage{
		{Size: int64(len(one)), Body: strings.NewReader(one)},
		{Size: 100, Body: io.MultiReader(strings.NewReader("Subject: x\r\n\r\n"), errReader{broken})}})
	s.is(err, broken, "append of a body that fails")
	if st := s.status(m); st.Messages != 2 {
		s.Errorf("a failed append left %d messages", st.Messages-2)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func (s *suite) body() {
	m := s.box("INBOX")
	for _, text := range []string{
		letter("8 bit", "Gr\xc3\xbc\xc3\x9fe \xff\r\n"), letter("no end", "no line end"), "\r\n", "no header", letter("nul", "a\x00b\r\n"),
		letter("dots", ".\r\n..\r\n"), letter("long", strings.Repeat("x", 5000)+"\r\n"), letter("big", strings.Repeat("0123456789abcde\n", 1<<16)),
		letter("lf", "bare\nLF\r\n"),
	} {
		u := s.add("INBOX", text)
		if got := s.text(m, u); got != text {
			s.Errorf("%.60q: stored as %.60q, %d octets of %d", text, got, len(got), len(text))
		}
		b, err := m.Body(s.Context(), u)
		s.must(err)
		part := make([]byte, min(7, len(text)-1))
		if n, err := b.ReadAt(part, 1); n != len(part) || err != nil && err != io.EOF || !bytes.Equal(part, []byte(text[1:1+len(part)])) {
			s.Errorf("ReadAt: %q, %v", part[:n], err)
		}
		s.must(b.Close())
		if x := s.list(m, imap.UIDs(u), imap.FieldSize)[u]; x.Size != int64(len(text)) {
			s.Errorf("size %d of %d", x.Size, len(text))
		}
	}
	_, err := m.Body(s.Context(), imap.MaxUID)
	s.is(err, imap.ErrNonexistent, "the body of no message")
}

func (s *suite) messages() {
	m := s.box("INBOX")
	var all []imap.UID
	for i := range 5 {
		all = append(all, s.add("INBOX", letter(fmt.Sprint("number ", i), "x\r\n")))
	}
	if got := s.uids(m); !slices.Equal(got, all) {
		s.Errorf("UIDs %v, want %v", got, all)
	}
	for _, set := range []imap.UIDSet{nil, imap.UIDs(all[1], all[3]), {{First: all[2], Last: imap.MaxUID}}, {{First: all[4] + 1, Last: imap.MaxUID}}} {
		want := 0
		for _, u := range all {
			if set.Contains(u) {
				want++
			}
		}
		if got := s.list(m, set, 0); len(got) != want {
			s.Errorf("%s: %d messages, want %d", set, len(got), want)
		}
	}
	x := s.list(m, imap.UIDs(all[0]), imap.FieldEnvelope|imap.FieldStructure|imap.FieldIDs|imap.FieldModSeq)[all[0]]
	if x.Envelope == nil || x.Envelope.Subject != "number 0" || x.Structure == nil || x.Structure.Type != "TEXT" || x.EmailID == "" || x.ModSeq == 0 {
		s.Errorf("message %+v", x)
	}
	for range m.Messages(s.Context(), imap.AllUIDs(), 0) { // a reader may stop
		break
	}
}

func (s *suite) flags() {
	s.need(s.a.Flagger != nil, "Flagger")
	m := s.box("INBOX")
	u, v := s.add("INBOX", letter("a", "x\r\n")), s.add("INBOX", letter("b", "x\r\n"), imap.FlagFlagged)
	for _, c := range []struct {
		op      imap.FlagOp
		flags   []imap.Flag
		changed imap.UIDSet
		u, v    []imap.Flag
	}{
		{imap.FlagsAdd, []imap.Flag{imap.FlagSeen, "$Keyword"}, imap.UIDs(u, v), []imap.Flag{imap.FlagSeen, "$Keyword"}, []imap.Flag{imap.FlagFlagged, imap.FlagSeen, "$Keyword"}},
		{imap.FlagsAdd, []imap.Flag{`\SEEN`, "$keyword"}, nil, []imap.Flag{imap.FlagSeen, "$Keyword"}, []imap.Flag{imap.FlagFlagged, imap.FlagSeen, "$Keyword"}},
		{imap.FlagsRemove, []imap.Flag{imap.FlagFlagged, "$KEYWORD"}, imap.UIDs(u, v), []imap.Flag{imap.FlagSeen}, []imap.Flag{imap.FlagSeen}},
		{imap.FlagsSet, []imap.Flag{imap.FlagDeleted, imap.FlagDraft, imap.FlagAnswered}, imap.UIDs(u, v), []imap.Flag{imap.FlagDeleted, imap.FlagDraft, imap.FlagAnswered}, []imap.Flag{imap.FlagDeleted, imap.FlagDraft, imap.FlagAnswered}},
		{imap.FlagsSet, nil, imap.UIDs(u, v), nil, nil},
	} {
		before := s.status(m).HighestModSeq
		got, err := s.a.Flagger.StoreFlags(s.Context(), "INBOX", imap.AllUIDs(), imap.FlagChange{Op: c.op, Flags: c.flags}, imap.NoUnchangedSince)
		s.must(err)
		after := s.status(m)
		if got.Changed.String() != c.changed.String() || len(got.Modified) != 0 {
			s.Errorf("%v: changed %s, want %s", c, got.Changed, c.changed)
		}
		if len(c.changed) > 0 && (got.ModSeq <= before || got.ModSeq != after.HighestModSeq) || len(c.changed) == 0 && (got.ModSeq != 0 || after.HighestModSeq != before) {
			s.Errorf("%v: mod-sequence %d, before %d, after %d", c, got.ModSeq, before, after.HighestModSeq)
		}
		x := s.list(m, imap.AllUIDs(), imap.FieldFlags|imap.FieldModSeq)
		if !sameFlags(x[u].Flags, c.u) || !sameFlags(x[v].Flags, c.v) {
			s.Errorf("%v: flags %v and %v", c, x[u].Flags, x[v].Flags)
		}
		if len(c.changed) > 0 && x[u].ModSeq != got.ModSeq {
			s.Errorf("%v: mod-sequence of the message %d, want %d", c, x[u].ModSeq, got.ModSeq)
		}
	}
	got, err := s.a.Flagger.StoreFlags(s.Context(), "INBOX", imap.UIDs(imap.MaxUID), imap.FlagChange{Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
	if err != nil || len(got.Changed) > 0 {
		s.Errorf("flags of no message: %+v, %v", got, err)
	}
	_, err = s.a.Flagger.StoreFlags(s.Context(), "nosuch", imap.AllUIDs(), imap.FlagChange{}, imap.NoUnchangedSince)
	s.is(err, imap.ErrNonexistent, "flags in an unknown mailbox")
}

func (s *suite) unchangedSince() {
	s.need(s.a.Flagger != nil, "Flagger")
	m := s.box("INBOX")
	u, v := s.add("INBOX", letter("a", "x\r\n")), s.add("INBOX", letter("b", "x\r\n"))
	since := s.list(m, imap.UIDs(u), imap.FieldModSeq)[u].ModSeq
	add := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	got, err := s.a.Flagger.StoreFlags(s.Context(), "INBOX", imap.UIDs(u, v), add, since)
	s.must(err)
	if got.Changed.String() != imap.UIDs(u).String() || got.Modified.String() != imap.UIDs(v).String() {
		s.Errorf("changed %s, modified %s", got.Changed, got.Modified)
	}
	if x := s.list(m, imap.UIDs(v), imap.FieldFlags)[v]; len(x.Flags) != 0 {
		s.Errorf("flags %v", x.Flags)
	}
}
