package imaptest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// guest returns the account of the other user, as a suite.
func (s *suite) guest() *suite {
	s.Helper()
	s.need(s.a.Authorizer != nil && s.a.OtherUsers != "" && s.a.Editor != nil && s.a.Appender != nil, "Authorizer and other users' mailboxes")
	a, err := s.b.OpenAccount(s.Context(), s.other)
	s.must(err)
	return &suite{T: s.T, b: s.b, a: a, user: s.other, other: s.user}
}

// theirs is the name that a mailbox of the other user has.
func (s *suite) theirs(mailbox string) string { return s.a.OtherUsers + s.other + "/" + mailbox }

func (s *suite) create(mailbox string) imap.MailboxInfo {
	s.Helper()
	info, err := s.a.Editor.Create(s.Context(), mailbox, imap.CreateOptions{})
	s.must(err)
	return info
}

// grant gives an identifier these rights and no others.
func (s *suite) grant(mailbox, identifier string, r imap.Rights) {
	s.Helper()
	s.must(s.a.Authorizer.SetACL(s.Context(), mailbox, identifier, imap.RightsChange{Rights: r}))
}

func (s *suite) acl(mailbox string) string {
	s.Helper()
	list, err := s.a.Authorizer.ACL(s.Context(), mailbox)
	s.must(err)
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%s=%s ", e.Identifier, e.Rights)
	}
	return strings.TrimSpace(b.String())
}

const look = imap.RightLookup | imap.RightRead

// keptFlags are FlagChange.Keep, and what Copy and Move drop.
func (s *suite) keptFlags() {
	s.need(s.a.Flagger != nil && s.a.Copier != nil && s.a.Mover != nil, "Flagger, Copier and Mover")
	all := []imap.Flag{imap.FlagSeen, imap.FlagDeleted, imap.FlagFlagged, "$K"}
	for _, c := range []struct {
		had    []imap.Flag
		change imap.FlagChange
		want   []imap.Flag
	}{
		{all, imap.FlagChange{Keep: imap.RightSeen}, []imap.Flag{imap.FlagSeen}},
		{all, imap.FlagChange{Keep: imap.RightDeleteMessages | imap.RightSeen, Flags: []imap.Flag{"$L"}}, []imap.Flag{imap.FlagSeen, imap.FlagDeleted, "$L"}},
		{all, imap.FlagChange{Keep: imap.RightWrite, Flags: []imap.Flag{"$L", `\SEEN`}}, []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "$K"}},
		{nil, imap.FlagChange{Keep: imap.RightSeen, Flags: all}, all[1:]},
		{nil, imap.FlagChange{Op: imap.FlagsAdd, Keep: imap.RightWrite | imap.RightDeleteMessages, Flags: all}, all[:1]},
		{all, imap.FlagChange{Op: imap.FlagsRemove, Keep: imap.RightDeleteMessages, Flags: all}, all[1:2]},
		{all, imap.FlagChange{Keep: imap.FlagRights}, all},
	} {
		u := s.add("INBOX", letter("x", "x\r\n"), c.had...)
		done, err := s.a.Flagger.StoreFlags(s.Context(), "INBOX", imap.UIDs(u), c.change, imap.NoUnchangedSince)
		s.must(err)
		if got := s.list(s.box("INBOX"), imap.UIDs(u), imap.FieldFlags)[u].Flags; !sameFlags(got, c.want) || (len(done.Changed) > 0) == sameFlags(c.had, c.want) {
			s.Errorf("%v, %+v: %v, want %v; changed %s", c.had, c.change, got, c.want, done.Changed)
		}
	}
	for _, f := range []func(uids imap.UIDSet) (imap.Copied, error){
		func(uids imap.UIDSet) (imap.Copied, error) {
			return s.a.Copier.Copy(s.Context(), "INBOX", uids, "INBOX", imap.RightSeen|imap.RightWrite)
		},
		func(uids imap.UIDSet) (imap.Copied, error) {
			return s.a.Mover.Move(s.Context(), "INBOX", uids, "INBOX", imap.RightSeen|imap.RightWrite)
		},
	} {
		done, err := f(imap.UIDs(s.add("INBOX", letter("x", "x\r\n"), all...)))
		s.must(err)
		if got := s.list(s.box("INBOX"), imap.UIDs(done.To...), imap.FieldFlags)[done.To[0]].Flags; !sameFlags(got, []imap.Flag{imap.FlagDeleted}) {
			s.Errorf("flags of the copy: %v", got)
		}
	}
	if done, err := s.a.Appender.Append(s.Context(), "INBOX", nil); err != nil || len(done.UIDs) > 0 {
		s.Errorf("no message appended: %+v, %v", done, err)
	}
	_, err := s.a.Appender.Append(s.Context(), "nosuch", nil)
	s.is(err, imap.ErrNonexistent, "no message appended to a mailbox that is not there")
}

// share gives a mailbox away and takes it back.
func (s *suite) share() {
	g := s.guest()
	info := s.create("Projects")
	u := s.add("Projects", letter("plan", "x\r\n"))
	there := func() imap.MailboxInfo {
		s.Helper()
		for m, err := range g.a.Store.Mailboxes(s.Context()) {
			s.must(err)
			if m.Name == g.theirs("Projects") {
				return m
			}
			if g.a.IsOther(m.Name) {
				s.Errorf("%q is listed", m.Name)
			}
		}
		return imap.MailboxInfo{}
	}
	watch := g.a.Watcher.Watch(s.Context())
	told := func(want bool, what string) {
		s.Helper()
		if got := slices.ContainsFunc(watch.Take(), func(n imap.Notice) bool { return n.MailboxID == info.ID }); got != want {
			s.Errorf("%s: told %v", what, got)
		}
	}
	refused := func(want error, what string) {
		s.Helper()
		_, err := g.a.Store.OpenMailbox(s.Context(), g.theirs("Projects"))
		s.is(err, want, what)
	}
	if there().Name != "" {
		s.Error("a mailbox that is not shared is listed")
	}
	refused(imap.ErrNonexistent, "a mailbox that is not shared")
	_, err := g.a.Store.OpenMailbox(s.Context(), g.a.OtherUsers+s.other+"/INBOX")
	s.is(err, imap.ErrNonexistent, "one's own mailbox among those of others")
	s.grant("Projects", s.other, look)
	told(true, "shared")
	if m := there(); m.Rights != look || m.ID != info.ID || m.NoSelect {
		s.Errorf("listed %+v", m)
	}
	m := g.box(g.theirs("Projects"))
	if st := g.status(m); st.Name != g.theirs("Projects") || st.ID != info.ID || st.Rights != look || st.Messages != 1 || st.UIDValidity != s.status(s.box("Projects")).UIDValidity {
		s.Errorf("status %+v", st)
	}
	if got := g.text(m, u); got != letter("plan", "x\r\n") {
		s.Errorf("read %q", got)
	}
	v := s.add("Projects", letter("news", "x\r\n"))
	told(true, "a message added")
	if !slices.Equal(g.uids(m), []imap.UID{u, v}) {
		s.Errorf("UIDs %v", g.uids(m))
	}
	s.grant("Projects", s.other, imap.RightLookup)
	told(true, "no longer to be read")
	if x := there(); !x.NoSelect {
		s.Errorf("listed %+v", x)
	}
	refused(imap.ErrNoPermission, "a mailbox that can be looked up alone")
	s.grant("Projects", s.other, imap.RightPost)
	told(true, "hidden")
	s.add("Projects", letter("secret", "x\r\n"))
	told(false, "a message added to what is hidden")
	refused(imap.ErrNonexistent, "a hidden mailbox")
	s.grant("Projects", s.other, look)
	s.grant("Projects", s.other, 0)
	told(true, "no longer shared")
	s.add("Projects", letter("secret", "x\r\n"))
	told(false, "a message added to what is not shared any more")
	_, err = m.Status(s.Context())
	s.is(err, imap.ErrNonexistent, "status of a mailbox that is taken away")
	_, err = m.Body(s.Context(), u)
	s.is(err, imap.ErrNonexistent, "a body of a mailbox that is taken away")
	for _, err := range m.Messages(s.Context(), imap.AllUIDs(), 0) {
		s.is(err, imap.ErrNonexistent, "messages of a mailbox that is taken away")
	}
	for _, err := range m.Changes(s.Context(), 0) {
		s.is(err, imap.ErrNonexistent, "changes of a mailbox that is taken away")
	}
}

// sharedMail takes messages from one account to another.
func (s *suite) sharedMail() {
	s.need(s.a.Copier != nil && s.a.Mover != nil && s.a.Flagger != nil && s.a.Expunger != nil, "Copier, Mover, Flagger and Expunger")
	g := s.guest()
	s.create("Projects")
	s.grant("Projects", s.other, imap.AllRights)
	name := g.theirs("Projects")
	one, two := letter("one", "1\r\n"), letter("two", strings.Repeat("2", 200<<10)+"\r\n")
	a, b := g.add("INBOX", one, imap.FlagSeen, "$K"), g.add("INBOX", two)
	before := g.list(g.box("INBOX"), imap.AllUIDs(), imap.FieldInternalDate)
	copied, err := g.a.Copier.Copy(s.Context(), "INBOX", imap.UIDs(a, b), name, 0)
	s.must(err)
	box := s.box("Projects")
	if !slices.Equal(copied.From, []imap.UID{a, b}) || !slices.Equal(copied.To, s.uids(box)) || copied.UIDValidity != s.status(box).UIDValidity {
		s.Fatalf("copied %+v", copied)
	}
	x := s.list(box, imap.AllUIDs(), imap.FieldFlags|imap.FieldInternalDate|imap.FieldEnvelope|imap.FieldIDs)
	if m := x[copied.To[0]]; !sameFlags(m.Flags, []imap.Flag{imap.FlagSeen, "$K"}) || !m.InternalDate.Equal(before[a].InternalDate) || m.Envelope.Subject != "one" || m.EmailID == "" ||
		m.EmailID == x[copied.To[1]].EmailID {
		s.Errorf("copy %+v", m)
	}
	if s.text(box, copied.To[0]) != one || s.text(box, copied.To[1]) != two {
		s.Error("the copies differ")
	}
	if again := s.add("INBOX", one); s.list(s.box("INBOX"), imap.UIDs(again), imap.FieldIDs)[again].EmailID == "" {
		s.Error("no EmailID")
	}
	_, err = g.a.Expunger.Expunge(s.Context(), "INBOX", imap.AllUIDs(), true)
	s.must(err)
	if s.text(box, copied.To[1]) != two {
		s.Error("the copy went with the original")
	}
	moved, err := g.a.Mover.Move(s.Context(), name, imap.UIDs(copied.To[1]), "INBOX", imap.RightSeen)
	s.must(err)
	if len(moved.To) != 1 || g.text(g.box("INBOX"), moved.To[0]) != two || !slices.Equal(s.uids(box), copied.To[:1]) {
		s.Errorf("moved %+v, left %v", moved, s.uids(box))
	}
	if c := s.changed(box, 0)[copied.To[1]]; !c.Expunged {
		s.Errorf("change %+v", c)
	}
	if s.a.Replacer != nil {
		next := letter("next", "3\r\n")
		done, err := g.a.Replacer.Replace(s.Context(), name, copied.To[0], "INBOX", imap.AppendMessage{Size: int64(len(next)), Body: strings.NewReader(next)})
		s.must(err)
		if len(s.uids(box)) != 0 || g.text(g.box("INBOX"), done.UIDs[0]) != next {
			s.Errorf("replaced %+v, left %v", done, s.uids(box))
		}
	}
	_, err = g.a.Copier.Copy(s.Context(), "INBOX", imap.AllUIDs(), g.theirs("nosuch"), 0)
	s.is(err, imap.ErrNonexistent, "a copy to a mailbox that is not there")
}

// sharedChanges changes flags of both sides.
func (s *suite) sharedChanges() {
	s.need(s.a.Flagger != nil && s.a.Expunger != nil, "Flagger and Expunger")
	g := s.guest()
	id := s.create("Projects").ID
	s.grant("Projects", s.other, imap.AllRights)
	u := s.add("Projects", letter("x", "x\r\n"))
	mine, theirs := s.box("Projects"), g.box(g.theirs("Projects"))
	both := []*imap.Watch{s.a.Watcher.Watch(s.Context()), g.a.Watcher.Watch(s.Context())}
	told := func(what string) {
		s.Helper()
		for i, w := range both {
			select {
			case <-w.Ready():
			case <-time.After(20 * time.Second):
				s.Errorf("%s: watch %d is not ready", what, i)
			}
			if !slices.ContainsFunc(w.Take(), func(n imap.Notice) bool { return n.MailboxID == id }) {
				s.Errorf("%s: watch %d is told nothing", what, i)
			}
		}
	}
	since := s.status(mine).HighestModSeq
	done, err := g.a.Flagger.StoreFlags(s.Context(), g.theirs("Projects"), imap.AllUIDs(), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagFlagged, "$K"}}, imap.NoUnchangedSince)
	s.must(err)
	told("flags")
	x, y := s.changed(mine, since), g.changed(theirs, since)
	if done.ModSeq <= since || x[u].ModSeq != done.ModSeq || x[u] != y[u] {
		s.Errorf("stored %+v; changes %+v, %+v", done, x, y)
	}
	if m := s.list(mine, imap.AllUIDs(), imap.FieldFlags|imap.FieldModSeq)[u]; !sameFlags(m.Flags, []imap.Flag{imap.FlagFlagged, "$K"}) || m.ModSeq != done.ModSeq {
		s.Errorf("message %+v", m)
	}
	done, err = s.a.Flagger.StoreFlags(s.Context(), "Projects", imap.AllUIDs(), imap.FlagChange{Flags: []imap.Flag{imap.FlagDeleted}}, done.ModSeq)
	s.must(err)
	told("flags again")
	if m := g.list(theirs, imap.AllUIDs(), imap.FieldFlags|imap.FieldModSeq)[u]; !sameFlags(m.Flags, []imap.Flag{imap.FlagDeleted}) || m.ModSeq != done.ModSeq {
		s.Errorf("message %+v", m)
	}
	gone, err := g.a.Expunger.Expunge(s.Context(), g.theirs("Projects"), imap.AllUIDs(), false)
	s.must(err)
	told("expunge")
	if gone.String() != imap.UIDs(u).String() || len(s.uids(mine)) != 0 {
		s.Errorf("expunged %s, left %v", gone, s.uids(mine))
	}
	if s.a.Changer != nil { // of the account that has it
		for c, err := range g.a.Changer.AccountChanges(s.Context(), 0) {
			if err == nil && c.MailboxID == id {
				s.Errorf("another's mailbox among the changes of the account: %+v", c)
			}
		}
	}
}

// sharedTree creates, renames and deletes.
func (s *suite) sharedTree() {
	g := s.guest()
	ctx, e := s.Context(), g.a.Editor
	s.create("Projects")
	all := imap.AllRights &^ imap.RightAdminister
	s.grant("Projects", s.other, all)
	g.create(g.theirs("Projects/new"))
	if got, want := s.acl("Projects/new"), s.acl("Projects"); got != want {
		s.Errorf("the list of a new mailbox is %s, above %s", got, want)
	}
	held := s.box("Projects/new")
	s.must(e.Rename(ctx, g.theirs("Projects/new"), g.theirs("Projects/old")))
	if st := s.status(held); st.Name != "Projects/old" {
		s.Errorf("renamed to %q", st.Name)
	}
	s.must(s.a.Editor.Rename(ctx, "Projects", "Plans"))
	if st := g.status(g.box(g.theirs("Plans/old"))); st.Rights != all {
		s.Errorf("renamed: %+v", st)
	}
	for _, to := range []string{"mine", g.theirs("top"), g.a.OtherUsers + "nobody/x", strings.TrimSuffix(g.a.OtherUsers, "/"), g.a.OtherUsers + s.user} {
		if err := e.Rename(ctx, g.theirs("Plans/old"), to); err == nil {
			s.Errorf("renamed to %q", to)
		}
	}
	for _, name := range []string{g.theirs("top"), g.a.OtherUsers + "nobody/x", g.a.OtherUsers + s.user, g.a.OtherUsers + s.other + "/x", strings.TrimSuffix(g.a.OtherUsers, "/"), g.theirs("Plans//x")} {
		if _, err := e.Create(ctx, name, imap.CreateOptions{}); err == nil {
			s.Errorf("created %q", name)
		}
	}
	// The nearest mailbox above decides, a hidden one too.
	s.create("Plans/hidden")
	s.grant("Plans/hidden", s.other, 0)
	_, err := e.Create(ctx, g.theirs("Plans/hidden/x"), imap.CreateOptions{})
	s.is(err, imap.ErrNoPermission, "below a hidden mailbox")
	s.must(s.a.Editor.Delete(ctx, "Plans/hidden"))
	// Special uses are the owner's.
	_, err = e.Create(ctx, g.theirs("Plans/sent"), imap.CreateOptions{SpecialUse: `\Sent`})
	s.is(err, imap.ErrCannot, "a special use in another's account")
	if sent, err := s.a.Editor.Create(ctx, "Plans/drafts", imap.CreateOptions{SpecialUse: `\Junk`}); err == nil || !errors.Is(err, imap.ErrCannot) {
		s.must(err)
		for m, err := range g.a.Store.Mailboxes(ctx) {
			s.must(err)
			if m.ID == sent.ID && (m.SpecialUse != "" || !m.Rights.Has(imap.RightLookup)) {
				s.Errorf("another's mailbox is listed as %+v", m)
			}
		}
		if st := g.status(g.box(g.theirs("Plans/drafts"))); st.SpecialUse != "" || st.ID != sent.ID {
			s.Errorf("another's mailbox is %+v", st)
		}
		s.must(s.a.Editor.Delete(ctx, "Plans/drafts"))
	}
	g.create("box")
	if err := e.Rename(ctx, "box", g.theirs("Plans/box")); err == nil {
		s.Error("a mailbox changed its owner")
	}
	s.grant("INBOX", s.other, imap.AllRights)
	if err := e.Rename(ctx, g.theirs("INBOX"), g.theirs("INBOX/x")); err == nil {
		s.Error("another's INBOX was renamed")
	}
	s.must(e.Subscribe(ctx, g.theirs("Plans"), true))
	subscribed := func(x *suite, name string) bool {
		for m, err := range x.a.Store.Mailboxes(ctx) {
			s.must(err)
			if m.Name == name {
				return m.Subscribed
			}
		}
		return false
	}
	if !subscribed(g, g.theirs("Plans")) || subscribed(s, "Plans") {
		s.Error("a subscription is not the user's own")
	}
	s.must(e.Subscribe(ctx, g.theirs("Plans"), false))
	s.must(e.Delete(ctx, g.theirs("Plans/old")))
	s.is(e.Delete(ctx, g.theirs("Plans/old")), imap.ErrNonexistent, "a mailbox that was deleted")
	s.must(s.a.Editor.Delete(ctx, "Plans"))
	s.create("Plans")
	if got := s.acl("Plans"); strings.Contains(got, " ") {
		s.Errorf("a new mailbox has the list of one before it: %s", got)
	}
	if s.a.Annotator == nil {
		return
	}
	s.grant("Plans", s.other, imap.AllRights)
	set := func(x *suite, mailbox, entry, value string) {
		s.Helper()
		s.must(x.a.Annotator.SetAnnotations(ctx, mailbox, []imap.Annotation{{Entry: entry, Value: value}}))
	}
	mine, theirs := s.a.Watcher.Watch(ctx), g.a.Watcher.Watch(ctx)
	told := func(own, others string) {
		s.Helper()
		if x, y := s.entries(mine, "Plans"), g.entries(theirs, g.theirs("Plans")); x != own || y != others {
			s.Errorf("the owner is told of %q, the other user of %q; want %q and %q", x, y, own, others)
		}
	}
	set(s, "Plans", "/private/comment", "mine")
	told("/private/comment", "")
	set(g, g.theirs("Plans"), "/private/comment", "other")
	told("", "/private/comment")
	set(g, g.theirs("Plans"), "/shared/comment", "all")
	told("/shared/comment", "/shared/comment")
	for x, want := range map[*suite]string{s: "mine", g: "other"} {
		name := "Plans"
		if x == g {
			name = g.theirs(name)
		}
		got, err := x.a.Annotator.Annotations(ctx, name)
		s.must(err)
		if fmt.Sprint(got) != fmt.Sprint([]imap.Annotation{{Entry: "/private/comment", Value: want}, {Entry: "/shared/comment", Value: "all"}}) {
			s.Errorf("annotations %v", got)
		}
	}
}

// lists changes access control lists.
func (s *suite) lists() {
	g := s.guest()
	z := s.a.Authorizer
	s.create("Projects")
	owner := s.user + "=" + imap.AllRights.String()
	for _, c := range []struct {
		identifier string
		change     imap.RightsChange
		list       string
		rights     imap.Rights // of the guest
	}{
		{s.other, imap.RightsChange{Rights: look}, s.other + "=lr", look},
		{s.other, imap.RightsChange{Op: imap.RightsAdd, Rights: imap.RightWrite}, s.other + "=lrw", look | imap.RightWrite},
		{s.other, imap.RightsChange{Op: imap.RightsRemove, Rights: look}, s.other + "=w", imap.RightWrite},
		{imap.Anyone, imap.RightsChange{Rights: look | imap.RightExpunge}, "anyone=lre " + s.other + "=w", look | imap.RightExpunge | imap.RightWrite},
		{"-" + s.other, imap.RightsChange{Rights: imap.RightRead}, "-" + s.other + "=r anyone=lre " + s.other + "=w", imap.RightLookup | imap.RightExpunge | imap.RightWrite},
		{"-anyone", imap.RightsChange{Op: imap.RightsAdd, Rights: imap.RightWrite}, "-anyone=w -" + s.other + "=r anyone=lre " + s.other + "=w", imap.RightLookup | imap.RightExpunge},
		{"-" + s.other, imap.RightsChange{}, "-anyone=w anyone=lre " + s.other + "=w", look | imap.RightExpunge},
		{"-anyone", imap.RightsChange{Op: imap.RightsRemove, Rights: imap.AllRights}, "anyone=lre " + s.other + "=w", look | imap.RightExpunge | imap.RightWrite},
		{"nobody that is there", imap.RightsChange{Op: imap.RightsRemove, Rights: look}, "anyone=lre " + s.other + "=w", look | imap.RightExpunge | imap.RightWrite},
		{"$group", imap.RightsChange{Rights: imap.AllRights}, "$group=" + imap.AllRights.String() + " anyone=lre " + s.other + "=w", look | imap.RightExpunge | imap.RightWrite},
	} {
		s.must(z.SetACL(s.Context(), "Projects", c.identifier, c.change))
		if got := s.acl("Projects"); got != owner+" "+c.list {
			s.Errorf("%s %+v: %s, want %s", c.identifier, c.change, got, c.list)
		}
		if got := s.aclRights(g, "Projects"); got != c.rights {
			s.Errorf("%s %+v: rights %s, want %s", c.identifier, c.change, got, c.rights)
		}
	}
	for _, id := range []string{s.user, "-" + s.user} {
		s.is(z.SetACL(s.Context(), "Projects", id, imap.RightsChange{Rights: look}), imap.ErrCannot, "the rights of "+id)
	}
	if r, err := z.Rights(s.Context(), "Projects"); r != imap.AllRights || err != nil {
		s.Errorf("the owner's rights: %s, %v", r, err)
	}
	if r, err := z.GrantableRights(s.Context(), "Projects", s.user); r.Required != imap.AllRights || len(r.Optional) > 0 || err != nil {
		s.Errorf("the owner can be granted %+v, %v", r, err)
	}
	r, err := z.GrantableRights(s.Context(), "Projects", s.other)
	all := r.Required
	for _, o := range r.Optional {
		if all&o != 0 {
			s.Errorf("%s twice in %+v", all&o, r)
		}
		all |= o
	}
	if all != imap.AllRights || err != nil {
		s.Errorf("grantable %+v, %v", r, err)
	}
	_, err = z.Rights(s.Context(), "nosuch")
	s.is(err, imap.ErrNonexistent, "rights to no mailbox")
	_, err = z.ACL(s.Context(), "nosuch")
	s.is(err, imap.ErrNonexistent, "the list of no mailbox")
	_, err = z.GrantableRights(s.Context(), "nosuch", s.other)
	s.is(err, imap.ErrNonexistent, "grantable rights to no mailbox")
	s.is(z.SetACL(s.Context(), "nosuch", s.other, imap.RightsChange{}), imap.ErrNonexistent, "a change of no list")
	var tooMany error
	for i := 0; tooMany == nil && i < 10_000; i++ {
		tooMany = z.SetACL(s.Context(), "Projects", fmt.Sprint("x", i), imap.RightsChange{Rights: look})
	}
	s.is(tooMany, imap.ErrTooMany, "without end")
	s.grant("Projects", s.other, 0) // a list that is full can be made shorter
}

// aclRights returns the guest's rights to a mailbox, by every way there is, and fails unless they agree.
func (s *suite) aclRights(g *suite, mailbox string) imap.Rights {
	s.Helper()
	got, err := g.a.Authorizer.Rights(s.Context(), g.theirs(mailbox))
	if errors.Is(err, imap.ErrNonexistent) {
		list, err := s.a.Authorizer.ACL(s.Context(), mailbox)
		s.must(err)
		return imap.RightsOf(list, s.other)
	}
	s.must(err)
	for m, err := range g.a.Store.Mailboxes(s.Context()) {
		s.must(err)
		if m.Name == g.theirs(mailbox) && m.Rights != got {
			s.Errorf("listed with the rights %s, which are %s", m.Rights, got)
		}
	}
	if got.Has(imap.RightRead) {
		if st := g.status(g.box(g.theirs(mailbox))); st.Rights != got {
			s.Errorf("status with the rights %s, which are %s", st.Rights, got)
		}
	}
	return got
}
