package imaptest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

func (s *suite) expunge() {
	s.need(s.a.Expunger != nil, "Expunger")
	m := s.box("INBOX")
	a := s.add("INBOX", letter("a", "x\r\n"))
	b := s.add("INBOX", letter("b", "x\r\n"), imap.FlagDeleted)
	c := s.add("INBOX", letter("c", "x\r\n"), imap.FlagDeleted)
	before := s.status(m)
	if before.Deleted != 2 {
		s.Errorf("%d messages have \\Deleted, want 2", before.Deleted)
	}
	gone, err := s.a.Expunger.Expunge(s.Context(), "INBOX", imap.UIDs(a, b), false)
	s.must(err)
	if gone.String() != imap.UIDs(b).String() || !slices.Equal(s.uids(m), []imap.UID{a, c}) {
		s.Errorf("expunged %s, left %v", gone, s.uids(m))
	}
	if gone, err = s.a.Expunger.Expunge(s.Context(), "INBOX", imap.UIDs(a), true); err != nil || gone.String() != imap.UIDs(a).String() {
		s.Errorf("with force: %s, %v", gone, err)
	}
	if gone, err = s.a.Expunger.Expunge(s.Context(), "INBOX", imap.AllUIDs(), false); err != nil || gone.String() != imap.UIDs(c).String() {
		s.Errorf("all: %s, %v", gone, err)
	}
	after := s.status(m)
	if after.Messages != 0 || after.Size != 0 || after.Deleted != 0 || after.UIDNext != before.UIDNext || after.HighestModSeq <= before.HighestModSeq {
		s.Errorf("status %+v", after)
	}
	_, err = m.Body(s.Context(), a)
	s.is(err, imap.ErrNonexistent, "the body of an expunged message")
	if u := s.add("INBOX", letter("d", "x\r\n")); u <= c {
		s.Errorf("UID %d was used before", u)
	}
	_, err = s.a.Expunger.Expunge(s.Context(), "nosuch", imap.AllUIDs(), false)
	s.is(err, imap.ErrNonexistent, "expunge in an unknown mailbox")
}

func (s *suite) copy() {
	s.need(s.a.Copier != nil && s.a.Editor != nil, "Copier and Editor")
	s.transfer(false)
}

func (s *suite) move() {
	s.need(s.a.Mover != nil && s.a.Editor != nil, "Mover and Editor")
	s.transfer(true)
}

func (s *suite) transfer(move bool) {
	f := func(uids imap.UIDSet, to string) (imap.Copied, error) {
		if move {
			return s.a.Mover.Move(s.Context(), "INBOX", uids, to, 0)
		}
		return s.a.Copier.Copy(s.Context(), "INBOX", uids, to, 0)
	}
	src := s.box("INBOX")
	a, b := s.add("INBOX", letter("a", "x\r\n"), imap.FlagSeen, "$K"), s.add("INBOX", letter("b", "y\r\n"))
	old := s.list(src, imap.AllUIDs(), imap.FieldInternalDate|imap.FieldIDs)
	_, err := f(imap.AllUIDs(), "nosuch")
	s.is(err, imap.ErrNonexistent, "to an unknown mailbox")
	if len(s.uids(src)) != 2 {
		s.Fatal("a failure has moved messages")
	}
	_, err = s.a.Editor.Create(s.Context(), "Target", imap.CreateOptions{})
	s.must(err)
	dst := s.box("Target")
	since, before := s.status(src).HighestModSeq, s.status(dst)
	done, err := f(imap.UIDs(a, b, imap.MaxUID), "Target")
	s.must(err)
	if !slices.Equal(done.From, []imap.UID{a, b}) || len(done.To) != 2 || done.To[0] >= done.To[1] || done.UIDValidity != before.UIDValidity {
		s.Fatalf("copied %+v", done)
	}
	x := s.list(dst, imap.AllUIDs(), imap.FieldFlags|imap.FieldInternalDate|imap.FieldIDs)
	first := x[done.To[0]]
	if len(x) != 2 || first == nil || !sameFlags(first.Flags, []imap.Flag{imap.FlagSeen, "$K"}) || !first.InternalDate.Equal(old[a].InternalDate) || first.EmailID != old[a].EmailID {
		s.Errorf("copies %+v of %+v", first, old[a])
	}
	if s.text(dst, done.To[1]) != letter("b", "y\r\n") {
		s.Error("the copy is different")
	}
	if c := s.changed(dst, before.HighestModSeq); len(c) != 2 || !c[done.To[0]].Added {
		s.Errorf("changes of the target: %v", c)
	}
	c := s.changed(src, since)
	if move && (len(s.uids(src)) != 0 || len(c) != 2 || !c[a].Expunged) || !move && len(s.uids(src)) != 2 {
		s.Errorf("source: %v, changes %v", s.uids(src), c)
	}
	if done, err = f(imap.UIDs(imap.MaxUID), "Target"); err != nil || len(done.From) != 0 {
		s.Errorf("of no messages: %+v, %v", done, err)
	}
}

func (s *suite) changes() {
	s.need(s.a.Flagger != nil && s.a.Expunger != nil, "Flagger and Expunger")
	m := s.box("INBOX")
	a, b, c := s.add("INBOX", letter("a", "x\r\n")), s.add("INBOX", letter("b", "x\r\n")), s.add("INBOX", letter("c", "x\r\n"))
	start := s.status(m).HighestModSeq
	if got := s.changed(m, start); len(got) != 0 {
		s.Errorf("changes since now: %v", got)
	}
	if got := s.changed(m, 0); len(got) != 3 || !got[a].Added {
		s.Errorf("changes since the beginning: %v", got)
	}
	_, err := s.a.Flagger.StoreFlags(s.Context(), "INBOX", imap.UIDs(a), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
	s.must(err)
	_, err = s.a.Expunger.Expunge(s.Context(), "INBOX", imap.UIDs(b), true)
	s.must(err)
	d := s.add("INBOX", letter("d", "x\r\n"))
	got := s.changed(m, start)
	if len(got) != 3 || got[a].Added || got[a].Expunged || !got[b].Expunged || got[b].Added || !got[d].Added || got[d].Expunged {
		s.Errorf("changes %v", got)
	}
	end := s.status(m).HighestModSeq
	if got := s.changed(m, end); len(got) != 0 {
		s.Errorf("changes since now: %v", got)
	}
	for _, ch := range got {
		if ch.ModSeq > end {
			s.Errorf("change %+v beyond the highest mod-sequence %d", ch, end)
		}
	}
	_ = c
}

func (s *suite) watch() {
	s.need(s.a.Appender != nil, "Appender")
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	w := s.a.Watcher.Watch(ctx)
	if n := w.Take(); len(n) != 0 {
		s.Errorf("notices %v before anything happened", n)
	}
	m := s.box("INBOX")
	s.add("INBOX", letter("a", "x\r\n"))
	select { // a notice is there when the call returns: a session tells its client of its own changes at once
	case <-w.Ready():
	default:
		s.Fatal("no notice")
	}
	st := s.status(m)
	n := w.Take()
	if len(n) != 1 || n[0].MailboxID != st.ID || n[0].ModSeq != st.HighestModSeq {
		s.Errorf("notices %v, want %s %d", n, st.ID, st.HighestModSeq)
	}
	s.add("INBOX", letter("b", "x\r\n"))
	s.add("INBOX", letter("c", "x\r\n"))
	if n := w.Take(); len(n) != 1 || n[0].ModSeq != s.status(m).HighestModSeq {
		s.Errorf("two changes of one mailbox: %v", n)
	}
	if s.a.Editor == nil {
		return
	}
	info, err := s.a.Editor.Create(s.Context(), "box", imap.CreateOptions{})
	s.must(err)
	told := func(what string) {
		s.Helper()
		if n := w.Take(); !slices.ContainsFunc(n, func(n imap.Notice) bool { return n.MailboxID == info.ID }) {
			s.Errorf("%s: notices %v, want one of %s", what, n, info.ID)
		}
	}
	told("create")
	s.must(s.a.Editor.Rename(s.Context(), "box", "other"))
	told("rename")
	s.must(s.a.Editor.Delete(s.Context(), "other"))
	told("delete")
}

func (s *suite) names() map[string]imap.MailboxInfo {
	s.Helper()
	out := map[string]imap.MailboxInfo{}
	for m, err := range s.a.Store.Mailboxes(s.Context()) {
		s.must(err)
		out[m.Name] = m
	}
	return out
}

func (s *suite) editor() {
	s.need(s.a.Editor != nil, "Editor")
	e, ctx := s.a.Editor, s.Context()
	info, err := e.Create(ctx, "Über/Deep/Down", imap.CreateOptions{})
	s.must(err)
	if info.Name != "Über/Deep/Down" || info.ID == "" {
		s.Errorf("created %+v", info)
	}
	names := s.names()
	for _, n := range []string{"Über", "Über/Deep", "Über/Deep/Down"} {
		if names[n].Name == "" {
			s.Errorf("there is no %s", n)
		}
	}
	_, err = e.Create(ctx, "Über/Deep/Down", imap.CreateOptions{})
	s.is(err, imap.ErrExists, "create twice")
	_, err = e.Create(ctx, "inbox", imap.CreateOptions{})
	s.is(err, imap.ErrExists, "create INBOX")
	for _, bad := range []string{"", "/", "a//b", "/a", "a/"} {
		_, err = e.Create(ctx, bad, imap.CreateOptions{})
		s.is(err, imap.ErrInvalidName, "create "+bad)
	}
	s.must(e.Subscribe(ctx, "Über", true))
	if !s.names()["Über"].Subscribed {
		s.Error("not subscribed")
	}
	s.must(e.Subscribe(ctx, "Über", false))
	if s.names()["Über"].Subscribed {
		s.Error("still subscribed")
	}
	s.is(e.Subscribe(ctx, "nosuch", true), imap.ErrNonexistent, "subscribe to an unknown mailbox")
	s.is(e.Delete(ctx, "Über"), imap.ErrCannot, "delete with children")
	s.is(e.Delete(ctx, "Inbox"), imap.ErrCannot, "delete INBOX")
	s.is(e.Delete(ctx, "nosuch"), imap.ErrNonexistent, "delete an unknown mailbox")
	s.must(e.Delete(ctx, "Über/Deep/Down"))
	if _, ok := s.names()["Über/Deep/Down"]; ok {
		s.Error("not deleted")
	}
}

func (s *suite) rename() {
	s.need(s.a.Editor != nil && s.a.Appender != nil, "Editor and Appender")
	e, ctx := s.a.Editor, s.Context()
	_, err := e.Create(ctx, "a/b", imap.CreateOptions{})
	s.must(err)
	u := s.add("a/b", letter("x", "x\r\n"))
	held := s.box("a/b")
	id := s.status(held).ID
	s.must(e.Rename(ctx, "a", "c/d"))
	names := s.names()
	if names["c/d/b"].ID != id || names["c"].Name == "" || names["a"].Name != "" || names["a/b"].Name != "" {
		s.Errorf("mailboxes %v", names)
	}
	// A Mailbox that is open follows.
	if st := s.status(held); st.Name != "c/d/b" || !slices.Equal(s.uids(held), []imap.UID{u}) {
		s.Errorf("status %+v", st)
	}
	s.is(e.Rename(ctx, "nosuch", "x"), imap.ErrNonexistent, "rename an unknown mailbox")
	s.is(e.Rename(ctx, "c", "INBOX"), imap.ErrExists, "rename to INBOX")
	if err := e.Rename(ctx, "c", "c/x"); err == nil {
		s.Error("renamed into itself")
	}
	v := s.add("INBOX", letter("y", "y\r\n"))
	s.must(e.Rename(ctx, "INBOX", "old"))
	if x := s.uids(s.box("INBOX")); len(x) != 0 {
		s.Errorf("INBOX still has %v", x)
	}
	if x := s.uids(s.box("old")); len(x) != 1 || s.text(s.box("old"), x[0]) != letter("y", "y\r\n") {
		s.Errorf("%d was renamed to %v", v, x)
	}
}

func (s *suite) deleted() {
	s.need(s.a.Editor != nil && s.a.Appender != nil, "Editor and Appender")
	ctx := s.Context()
	_, err := s.a.Editor.Create(ctx, "box", imap.CreateOptions{})
	s.must(err)
	u := s.add("box", letter("x", "x\r\n"))
	m := s.box("box")
	old := s.status(m)
	s.must(s.a.Editor.Delete(ctx, "box"))
	_, err = s.a.Editor.Create(ctx, "box", imap.CreateOptions{})
	s.must(err)
	_, err = m.Status(ctx)
	s.is(err, imap.ErrNonexistent, "status of a deleted mailbox")
	_, err = m.Body(ctx, u)
	s.is(err, imap.ErrNonexistent, "a body in a deleted mailbox")
	for _, err := range m.Messages(ctx, imap.AllUIDs(), 0) {
		s.is(err, imap.ErrNonexistent, "messages of a deleted mailbox")
		break
	}
	for _, err := range m.Changes(ctx, 0) {
		s.is(err, imap.ErrNonexistent, "changes of a deleted mailbox")
		break
	}
	again := s.status(s.box("box"))
	if again.Messages != 0 || again.UIDValidity == old.UIDValidity && again.UIDNext <= u || again.ID == old.ID {
		s.Errorf("a new mailbox of the same name: %+v, before %+v", again, old)
	}
}

func (s *suite) search() {
	s.need(s.a.Searcher != nil, "Searcher")
	u, v := s.add("INBOX", letter("needle", "x\r\n"), imap.FlagSeen), s.add("INBOX", letter("hay", "x\r\n"))
	for _, c := range []struct {
		c    imap.SearchCriteria
		want imap.UIDSet
	}{
		{imap.SearchCriteria{}, imap.UIDs(u, v)},
		{imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "NEEDLE"}}}, imap.UIDs(u)},
		{imap.SearchCriteria{NotFlags: []imap.Flag{imap.FlagSeen}}, imap.UIDs(v)},
		{imap.SearchCriteria{Not: []imap.SearchCriteria{{}}}, nil},
	} {
		got, exact, err := s.a.Searcher.Search(s.Context(), "INBOX", &c.c)
		s.must(err)
		if len(c.want.Minus(got)) > 0 || exact && got.Intersect(imap.UIDs(u, v)).String() != c.want.String() {
			s.Errorf("%+v: %s (exact %v), want %s", c.c, got, exact, c.want)
		}
	}
	_, _, err := s.a.Searcher.Search(s.Context(), "nosuch", &imap.SearchCriteria{})
	s.is(err, imap.ErrNonexistent, "search in an unknown mailbox")
}

// collation: an index finds at least what i;unicode-casemap does (RFC 5051), and with exact nothing more.
func (s *suite) collation() {
	s.need(s.a.Searcher != nil, "Searcher")
	u := s.add("INBOX", "Subject: =?utf-8?q?Caf=C3=A9_Stra=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nZu=CC=88rich =C4=B0zmir =EF=AC=81n\r\n")
	v := s.add("INBOX", "Subject: cafe STRASSE\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"+
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nZ=FCRICH fin \r\n")
	w := s.add("INBOX", "Subject: Broken\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nZurich =FF\r\n")
	all := imap.UIDs(u, v, w)
	for _, c := range []struct {
		subject, body string
		want          imap.UIDSet
	}{
		{subject: "café", want: imap.UIDs(u)}, {subject: "CAFE\u0301", want: imap.UIDs(u)}, {subject: "cafe", want: imap.UIDs(u, v)},
		{subject: "straße", want: imap.UIDs(u)}, {subject: "strasse", want: imap.UIDs(v)},
		{body: "zürich", want: imap.UIDs(u, v)}, {body: "zu\u0308RICH", want: imap.UIDs(u, v)}, {body: "\u0130ZMIR", want: imap.UIDs(u)},
		{body: "ﬁ", want: imap.UIDs(u)}, {body: "fi", want: imap.UIDs(v)},
		{body: "Zurich", want: imap.UIDs(w)}, {body: "zurich"}, {body: "\xff", want: imap.UIDs(w)}, // octet by octet (RFC 5255 §4.6 (c))
	} {
		var k imap.SearchCriteria
		if c.subject != "" {
			k.Header = []imap.HeaderCriterion{{Name: "Subject", Value: c.subject}}
		} else {
			k.Body = []string{c.body}
		}
		got, exact, err := s.a.Searcher.Search(s.Context(), "INBOX", &k)
		s.must(err)
		if len(c.want.Minus(got)) > 0 || exact && got.Intersect(all).String() != c.want.String() {
			s.Errorf("subject %q, body %q: %s (exact %v), want %s", c.subject, c.body, got, exact, c.want)
		}
	}
}

// fuzzy: what matches exactly is found, in the order of UIDs, and every relevancy is one (RFC 6203).
func (s *suite) fuzzy() {
	s.need(s.a.Fuzzy != nil, "FuzzySearcher")
	u, v := s.add("INBOX", letter("needle", "of hay and straw\r\n"), imap.FlagSeen), s.add("INBOX", letter("straw", "x\r\n"))
	w := s.add("INBOX", letter("Caf\u00e9", "nothing of it\r\n"))
	for i, c := range []struct {
		c    imap.SearchCriteria
		want imap.UIDSet // among those found
		not  imap.UIDSet // not among them
	}{
		{imap.SearchCriteria{}, imap.UIDs(u, v, w), nil},
		{imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "NEEDLE"}}}, imap.UIDs(u), nil},
		{imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "cafe\u0301"}}}, imap.UIDs(w), nil},
		{imap.SearchCriteria{Text: []string{"traw"}}, imap.UIDs(u, v), nil},
		{imap.SearchCriteria{UIDs: imap.UIDs(u, w), Text: []string{"straw"}}, imap.UIDs(u), imap.UIDs(v)},
		{imap.SearchCriteria{UIDs: imap.UIDSet{}}, nil, imap.UIDs(u, v, w)},
		{imap.SearchCriteria{Flags: []imap.Flag{imap.FlagSeen}}, imap.UIDs(u), nil},
		{imap.SearchCriteria{Not: []imap.SearchCriteria{{Text: []string{"straw"}}}}, imap.UIDs(w), imap.UIDs(u, v)},
		{imap.SearchCriteria{Or: [][2]imap.SearchCriteria{{{Body: []string{"hay"}}, {Header: []imap.HeaderCriterion{{Name: "Subject", Value: "straw"}}}}}}, imap.UIDs(u, v), nil},
	} {
		list, err := s.a.Fuzzy.SearchFuzzy(s.Context(), "INBOX", &c.c)
		s.must(err)
		var found imap.UIDSet
		last := imap.UID(0)
		for _, m := range list {
			if m.UID <= last || m.Relevancy < 1 || m.Relevancy > 100 {
				s.Errorf("search %d: %+v after UID %d", i, m, last)
			}
			last = m.UID
			found.Add(m.UID, m.UID)
		}
		if len(c.want.Minus(found)) > 0 || len(c.not.Intersect(found)) > 0 {
			s.Errorf("search %d: %s, with %s and without %s", i, found, c.want, c.not)
		}
	}
	_, err := s.a.Fuzzy.SearchFuzzy(s.Context(), "nosuch", &imap.SearchCriteria{})
	s.is(err, imap.ErrNonexistent, "search in an unknown mailbox")
}

func (s *suite) accountChanges() {
	s.need(s.a.Changer != nil && s.a.Editor != nil, "Changer and Editor")
	start, err := s.a.Changer.HighestModSeq(s.Context())
	s.must(err)
	info, err := s.a.Editor.Create(s.Context(), "box", imap.CreateOptions{})
	s.must(err)
	u := s.add("box", letter("x", "x\r\n"))
	end, err := s.a.Changer.HighestModSeq(s.Context())
	s.must(err)
	if end <= start || end < s.status(s.box("box")).HighestModSeq {
		s.Errorf("mod-sequence %d after %d", end, start)
	}
	var box, msg bool
	last := start
	for c, err := range s.a.Changer.AccountChanges(s.Context(), start) {
		s.must(err)
		if c.ModSeq < last || c.ModSeq > end {
			s.Errorf("change %+v after %d, at most %d", c, last, end)
		}
		last = c.ModSeq
		box = box || c.MailboxID == info.ID && c.UID == 0 && c.EmailID == ""
		msg = msg || c.MailboxID == info.ID && c.UID == u && c.Added && c.EmailID != ""
	}
	if !box || !msg {
		s.Errorf("the changes tell of the mailbox: %v, of the message: %v", box, msg)
	}
}

// interleaved changes a mailbox while it is listed: nothing blocks, and what is listed was there.
func (s *suite) interleaved() {
	s.need(s.a.Expunger != nil, "Expunger")
	m := s.box("INBOX")
	for range 20 {
		s.add("INBOX", letter("x", "x\r\n"))
	}
	last := s.status(m).UIDNext
	done := make(chan error, 1)
	n := 0
	for x, err := range m.Messages(s.Context(), imap.AllUIDs(), imap.FieldFlags) {
		if errors.Is(err, imap.ErrNonexistent) {
			continue
		}
		s.must(err)
		if n++; n == 1 {
			go func() {
				_, err := s.a.Expunger.Expunge(context.Background(), "INBOX", imap.UIDSet{{First: last - 2, Last: last}}, true)
				done <- err
			}()
			select {
			case err := <-done:
				s.must(err)
			case <-time.After(20 * time.Second):
				s.Fatal("an iterator that yields holds a lock")
			}
		}
		if x.UID >= last {
			s.Errorf("UID %d", x.UID)
		}
	}
	if n < 18 || n > 20 {
		s.Errorf("%d messages listed", n)
	}
}
