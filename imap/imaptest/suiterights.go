package imaptest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// An operation is something done with another's mailbox, and the rights that it takes (RFC 4314 §4).
type operation struct {
	name string
	want imap.Rights
	do   func(g *suite, mailbox string, uid imap.UID) error
	role func(a *imap.Account) bool
}

func operations() []operation {
	one := func(text string, flags ...imap.Flag) imap.AppendMessage {
		return imap.AppendMessage{Flags: flags, Size: int64(len(text)), Body: strings.NewReader(text)}
	}
	flag := func(op imap.FlagOp, flags ...imap.Flag) func(*suite, string, imap.UID) error {
		return func(g *suite, mailbox string, uid imap.UID) error {
			_, err := g.a.Flagger.StoreFlags(g.Context(), mailbox, imap.UIDs(uid), imap.FlagChange{Op: op, Flags: flags}, imap.NoUnchangedSince)
			return err
		}
	}
	flagger := func(a *imap.Account) bool { return a.Flagger != nil }
	expunger := func(a *imap.Account) bool { return a.Expunger != nil }
	copier := func(a *imap.Account) bool { return a.Copier != nil }
	mover := func(a *imap.Account) bool { return a.Mover != nil }
	annotator := func(a *imap.Account) bool { return a.Annotator != nil }
	gone := imap.RightRead | imap.RightDeleteMessages | imap.RightExpunge
	return []operation{
		{"Status", imap.RightRead, func(g *suite, mailbox string, _ imap.UID) error {
			m, err := g.a.Store.OpenMailbox(g.Context(), mailbox)
			if err == nil {
				_, err = m.Status(g.Context())
			}
			return err
		}, nil},
		{"Search", imap.RightRead, func(g *suite, mailbox string, _ imap.UID) error {
			_, _, err := g.a.Searcher.Search(g.Context(), mailbox, &imap.SearchCriteria{})
			return err
		}, func(a *imap.Account) bool { return a.Searcher != nil }},
		{"SearchFuzzy", imap.RightRead, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Fuzzy.SearchFuzzy(g.Context(), mailbox, &imap.SearchCriteria{})
			return err
		}, func(a *imap.Account) bool { return a.Fuzzy != nil }},
		{"Append", imap.RightInsert, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Appender.Append(g.Context(), mailbox, []imap.AppendMessage{one("x\r\n\r\n", imap.FlagSeen)})
			return err
		}, nil},
		{"Append of nothing", imap.RightInsert, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Appender.Append(g.Context(), mailbox, nil)
			return err
		}, nil},
		{"+FLAGS \\Seen", look | imap.RightSeen, flag(imap.FlagsAdd, imap.FlagSeen), flagger},
		{"-FLAGS \\Deleted", look | imap.RightDeleteMessages, flag(imap.FlagsRemove, imap.FlagDeleted), flagger},
		{"FLAGS of each kind", look | imap.FlagRights, func(g *suite, mailbox string, uid imap.UID) error {
			flags := []imap.Flag{imap.FlagSeen, imap.FlagDeleted, imap.FlagDraft}
			if err := flag(imap.FlagsSet, flags...)(g, mailbox, uid); err != nil {
				return err
			}
			if got := g.list(g.box(mailbox), imap.UIDs(uid), imap.FieldFlags)[uid].Flags; !sameFlags(got, flags) {
				return imap.ErrNoPermission // some are left out in silence
			}
			return nil
		}, nil},
		{"Expunge", look | imap.RightExpunge, func(g *suite, mailbox string, uid imap.UID) error {
			_, err := g.a.Expunger.Expunge(g.Context(), mailbox, imap.UIDs(uid), false)
			return err
		}, expunger},
		{"Expunge by force", look | imap.RightExpunge | imap.RightDeleteMessages, func(g *suite, mailbox string, uid imap.UID) error {
			_, err := g.a.Expunger.Expunge(g.Context(), mailbox, imap.UIDs(uid), true)
			return err
		}, expunger},
		{"Copy from", imap.RightRead, func(g *suite, mailbox string, uid imap.UID) error {
			_, err := g.a.Copier.Copy(g.Context(), mailbox, imap.UIDs(uid), "INBOX", 0)
			return err
		}, copier},
		{"Copy to", imap.RightInsert, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Copier.Copy(g.Context(), "INBOX", imap.AllUIDs(), mailbox, 0)
			return err
		}, copier},
		{"Move from", imap.RightLookup | gone, func(g *suite, mailbox string, uid imap.UID) error {
			_, err := g.a.Mover.Move(g.Context(), mailbox, imap.UIDs(uid), "INBOX", 0)
			return err
		}, mover},
		{"Move to", imap.RightInsert, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Mover.Move(g.Context(), "INBOX", imap.AllUIDs(), mailbox, 0)
			return err
		}, mover},
		{"Replace", imap.RightLookup | gone | imap.RightInsert, func(g *suite, mailbox string, uid imap.UID) error {
			_, err := g.a.Replacer.Replace(g.Context(), mailbox, uid, mailbox, one("x\r\n\r\n"))
			return err
		}, func(a *imap.Account) bool { return a.Replacer != nil }},
		{"Create below", imap.RightCreate, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Editor.Create(g.Context(), mailbox+"/a/b", imap.CreateOptions{})
			return err
		}, nil},
		{"Delete", imap.RightLookup | imap.RightDelete, func(g *suite, mailbox string, _ imap.UID) error {
			return g.a.Editor.Delete(g.Context(), mailbox)
		}, nil},
		{"Rename below another", imap.RightDelete, func(g *suite, mailbox string, _ imap.UID) error {
			return g.a.Editor.Rename(g.Context(), mailbox, g.theirs("Parent")+mailbox[strings.LastIndexByte(mailbox, '/'):])
		}, nil},
		{"Subscribe", imap.RightLookup, func(g *suite, mailbox string, _ imap.UID) error {
			return g.a.Editor.Subscribe(g.Context(), mailbox, true)
		}, nil},
		{"Annotations", look, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Annotator.Annotations(g.Context(), mailbox)
			return err
		}, annotator},
		{"SetAnnotations for all", imap.RightLookup | imap.RightWrite, func(g *suite, mailbox string, _ imap.UID) error {
			return g.a.Annotator.SetAnnotations(g.Context(), mailbox, []imap.Annotation{{Entry: "/shared/comment", Value: "x"}})
		}, annotator},
		{"Rights", imap.RightLookup, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Authorizer.Rights(g.Context(), mailbox)
			return err
		}, nil},
		{"ACL", imap.RightLookup | imap.RightAdminister, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Authorizer.ACL(g.Context(), mailbox)
			return err
		}, nil},
		{"SetACL", imap.RightLookup | imap.RightAdminister, func(g *suite, mailbox string, _ imap.UID) error {
			return g.a.Authorizer.SetACL(g.Context(), mailbox, "x", imap.RightsChange{Rights: look})
		}, nil},
		{"GrantableRights", imap.RightLookup | imap.RightAdminister, func(g *suite, mailbox string, _ imap.UID) error {
			_, err := g.a.Authorizer.GrantableRights(g.Context(), mailbox, "x")
			return err
		}, nil},
	}
}

// rights does each operation with the rights that it takes and no others, which must be enough, and without one of them, which
// must not; and sees that a mailbox that cannot be looked up is as if it were not there.
func (s *suite) rights() {
	g := s.guest()
	s.create("Parent")
	s.grant("Parent", s.other, imap.RightLookup|imap.RightCreate)
	n := 0
	try := func(o *operation, have imap.Rights) error {
		n++
		name := fmt.Sprint("box", n)
		s.create(name)
		uid := s.add(name, letter("x", "x\r\n"))
		if g.a.Expunger != nil { // a message of its own to take from
			_, err := g.a.Expunger.Expunge(s.Context(), "INBOX", imap.AllUIDs(), true)
			s.must(err)
		}
		g.add("INBOX", letter("y", "y\r\n"), imap.FlagDeleted)
		s.grant(name, s.other, have)
		return o.do(g, g.theirs(name), uid)
	}
	for _, o := range operations() {
		if o.role != nil && !o.role(s.a) {
			continue
		}
		if err := try(&o, o.want); err != nil {
			s.Errorf("%s with %s: %v", o.name, o.want, err)
		}
		for _, r := range o.want.Each() {
			if r == imap.RightLookup && o.want != imap.RightLookup {
				continue // it says how a refusal looks
			}
			for _, have := range []imap.Rights{o.want &^ r, imap.AllRights &^ r, imap.AllRights &^ r &^ imap.RightLookup} {
				if slices.Contains([]string{"Annotations", "Rights"}, o.name) { // of several rights one is enough
					have = o.want &^ r & imap.RightLookup
				}
				err := try(&o, have)
				want := imap.ErrNoPermission
				read := o.want.Has(imap.RightRead) && o.want != imap.RightRead && r&(imap.RightRead|imap.RightInsert) == 0 // or it would not be open
				if !have.Has(imap.RightLookup) && !(read && have.Has(imap.RightRead)) && o.name != "Create below" {
					want = imap.ErrNonexistent
				}
				if !errors.Is(err, want) {
					s.Errorf("%s with %s: %v, want %v", o.name, have, err, want)
				}
			}
		}
	}
	// What is done with a hidden mailbox has the answer of one that is not there.
	for _, o := range operations() {
		if o.role != nil && !o.role(s.a) {
			continue
		}
		n++
		hidden, absent := fmt.Sprint("box", n), "absent"
		s.create(hidden)
		a, b := o.do(g, g.theirs(hidden), 1), o.do(g, g.theirs(absent), 1)
		for _, err := range []error{imap.ErrNonexistent, imap.ErrNoPermission, imap.ErrCannot, imap.ErrNoMessage} {
			if a == nil || errors.Is(a, err) != errors.Is(b, err) {
				s.Errorf("%s: %v of a hidden mailbox, %v of none", o.name, a, b)
			}
		}
	}
}
