package imaptest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing/iotest"

	"github.com/mailbricks/mailbricks/imap"
)

func (s *suite) annotations() {
	s.need(s.a.Annotator != nil, "Annotator")
	set := func(mailbox string, list ...imap.Annotation) error {
		return s.a.Annotator.SetAnnotations(s.Context(), mailbox, list)
	}
	want := func(mailbox, want string) {
		s.Helper()
		list, err := s.a.Annotator.Annotations(s.Context(), mailbox)
		s.must(err)
		var got []string
		for _, a := range list {
			if a.None {
				s.Errorf("%s of %q is told and not there", a.Entry, mailbox)
			}
			got = append(got, a.Entry+"="+a.Value)
		}
		if strings.Join(got, " ") != want {
			s.Errorf("annotations of %q: %q, want %q", mailbox, got, want)
		}
	}
	comment, own := imap.Annotation{Entry: "/shared/comment", Value: "all"}, imap.Annotation{Entry: "/private/comment", Value: "mine\x00\xff"}
	want("INBOX", "")
	w := s.a.Watcher.Watch(s.Context())
	told := func(mailbox, want string) {
		s.Helper()
		if got := s.entries(w, mailbox); got != want {
			s.Errorf("the feed tells of %q in %q, want %q", got, mailbox, want)
		}
	}
	s.must(set("INBOX", comment, own))
	told("INBOX", "/private/comment /shared/comment")
	want("INBOX", "/private/comment=mine\x00\xff /shared/comment=all")
	want("", "")
	s.must(set("", imap.Annotation{Entry: "/private/vendor/x/y", Value: ""}))
	want("", "/private/vendor/x/y=")
	told("", "/private/vendor/x/y")
	comment.Value = "other"
	s.must(set("INBOX", comment, imap.Annotation{Entry: own.Entry, None: true}, imap.Annotation{Entry: "/private/none", None: true}))
	want("INBOX", "/shared/comment=other")
	if got := s.entries(w, "INBOX"); !strings.HasPrefix(got, "/private/comment ") || !strings.HasSuffix(got, "/shared/comment") {
		s.Errorf("the feed tells of %q, where one was set and one removed", got)
	}
	s.is(set("nosuch", own), imap.ErrNonexistent, "set on a mailbox that is not there")
	told("INBOX", "")
	_, err := s.a.Annotator.Annotations(s.Context(), "nosuch")
	s.is(err, imap.ErrNonexistent, "read of a mailbox that is not there")

	big := imap.Annotation{Entry: "/private/big", Value: strings.Repeat("x", imap.MinAnnotationSize)}
	s.must(set("INBOX", big, imap.Annotation{Entry: big.Entry, None: true}))
	many := 0
	for err = nil; err == nil && many < 10000; many++ {
		err = set("INBOX", comment, imap.Annotation{Entry: "/private/n" + strconv.Itoa(many), Value: "x"})
		comment.Value = "from " + strconv.Itoa(many)
	}
	s.is(err, imap.ErrTooMany, "without end")
	if many < imap.MinAnnotations {
		s.Errorf("%d annotations are too many", many)
	}
	list, err := s.a.Annotator.Annotations(s.Context(), "INBOX")
	s.must(err)
	if got := list[len(list)-1].Value; got != "from "+strconv.Itoa(many-3) { // what is refused sets nothing
		s.Errorf("/shared/comment is %q after %d times", got, many)
	}
	for _, a := range list {
		s.must(set("INBOX", imap.Annotation{Entry: a.Entry, None: true}))
	}
	if s.a.Editor == nil {
		return
	}
	comment.Value = "all"
	_, err = s.a.Editor.Create(s.Context(), "a", imap.CreateOptions{})
	s.must(err)
	s.must(set("a", comment))
	s.must(set("INBOX", own))
	s.must(s.a.Editor.Rename(s.Context(), "a", "b"))
	want("b", "/shared/comment=all")
	s.must(s.a.Editor.Rename(s.Context(), "INBOX", "a"))
	want("INBOX", "/private/comment=mine\x00\xff")
	want("a", "/private/comment=mine\x00\xff")
	s.must(s.a.Editor.Delete(s.Context(), "b"))
	_, err = s.a.Editor.Create(s.Context(), "b", imap.CreateOptions{})
	s.must(err)
	want("b", "")
}

// entries takes what a watch has, and returns the names of the annotations of a mailbox, or of the account, that it tells of.
func (s *suite) entries(w *imap.Watch, mailbox string) string {
	s.Helper()
	id := ""
	if mailbox != "" {
		id = s.status(s.box(mailbox)).ID
	}
	var names []string
	for _, n := range w.Take() {
		if n.MailboxID == id {
			names = append(names, n.Entries...)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (s *suite) replace() {
	s.need(s.a.Replacer != nil, "Replacer")
	old := s.add("INBOX", letter("old", "x\r\n"))
	keep := s.add("INBOX", letter("keep", "x\r\n"))
	replace := func(from string, uid imap.UID, to, text string) (imap.Appended, error) {
		return s.a.Replacer.Replace(s.Context(), from, uid, to, imap.AppendMessage{Flags: []imap.Flag{imap.FlagSeen}, Size: int64(len(text)), Body: strings.NewReader(text)})
	}
	before, err := s.box("INBOX").Status(s.Context())
	s.must(err)
	_, err = replace("INBOX", keep+1, "INBOX", "x")
	s.is(err, imap.ErrNoMessage, "in place of none")
	_, err = replace("nosuch", old, "INBOX", "x")
	s.is(err, imap.ErrNonexistent, "in a mailbox that is not there")
	_, err = replace("INBOX", old, "nosuch", "x")
	s.is(err, imap.ErrNonexistent, "into a mailbox that is not there")
	_, err = s.a.Replacer.Replace(s.Context(), "INBOX", old, "INBOX", imap.AppendMessage{Size: 2, Body: iotest.ErrReader(errBroken)})
	s.is(err, errBroken, "a body that breaks off")
	after, err := s.box("INBOX").Status(s.Context())
	s.must(err)
	if after.Messages != before.Messages || after.HighestModSeq != before.HighestModSeq {
		s.Errorf("what failed has changed %+v to %+v", before, after)
	}
	text := letter("new", "y\r\n")
	done, err := replace("INBOX", old, "INBOX", text)
	s.must(err)
	if len(done.UIDs) != 1 || done.UIDs[0] <= keep {
		s.Fatalf("%+v", done)
	}
	seen := map[imap.UID]string{}
	for c, err := range s.box("INBOX").Changes(s.Context(), before.HighestModSeq) {
		s.must(err)
		seen[c.UID] = fmt.Sprint(c.Added, c.Expunged)
	}
	if got := fmt.Sprint(seen); got != fmt.Sprint(map[imap.UID]string{old: "false true", done.UIDs[0]: "true false"}) {
		s.Errorf("changes %s", got)
	}
	body, err := s.box("INBOX").Body(s.Context(), done.UIDs[0])
	s.must(err)
	defer body.Close()
	if got, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size())); err != nil || string(got) != text {
		s.Errorf("%q, %v", got, err)
	}
}

var errBroken = errors.New("broken")

// quota adds and removes messages: what is told to be used follows at once.
func (s *suite) quota() {
	s.need(s.a.Quoter != nil && s.a.Expunger != nil, "Quoter and Expunger")
	used := func() (storage, messages int64) {
		s.Helper()
		roots, err := s.a.Quoter.QuotaRoots(s.Context())
		s.must(err)
		for _, root := range roots {
			if len(root.Resources) == 0 {
				s.Errorf("the root %q limits nothing", root.Name)
			}
			for _, r := range root.Resources {
				if r.Usage < 0 || r.Usage > r.Limit {
					s.Errorf("%q: %+v", root.Name, r)
				}
				switch r.Name {
				case imap.QuotaStorage:
					storage = max(storage, r.Usage)
				case imap.QuotaMessage:
					messages = max(messages, r.Usage)
				}
			}
		}
		return storage, messages
	}
	storage, messages := used()
	u := s.add("INBOX", letter("a", strings.Repeat("x", 100<<10)+"\r\n"))
	s.add("INBOX", letter("b", "x\r\n"))
	storage2, messages2 := used()
	if storage2 > 0 && storage2-storage < 100 || messages2 > 0 && messages2-messages != 2 {
		s.Errorf("two messages with 100 kB: %d, then %d kB; %d, then %d messages", storage, storage2, messages, messages2)
	}
	_, err := s.a.Expunger.Expunge(s.Context(), "INBOX", imap.UIDs(u), true)
	s.must(err)
	storage3, messages3 := used()
	if storage3 > storage2-100 && storage2 > 0 || messages3 >= messages2 && messages2 > 0 {
		s.Errorf("one less: %d, then %d kB; %d, then %d messages", storage2, storage3, messages2, messages3)
	}
}

func (s *suite) setQuota() {
	s.need(s.a.Quoter != nil && s.a.QuotaSetter != nil, "Quoter and QuotaSetter")
	s.add("INBOX", letter("a", "x\r\n"))
	roots, err := s.a.Quoter.QuotaRoots(s.Context())
	s.must(err)
	if len(roots) == 0 {
		s.Fatal("no quota root")
	}
	name := roots[0].Name
	_, err = s.a.QuotaSetter.SetQuota(s.Context(), name+"nosuch", nil)
	s.is(err, imap.ErrNonexistent, "the limits of an unknown root")
	_, err = s.a.QuotaSetter.SetQuota(s.Context(), name, map[string]int64{"X-NOSUCH": 1})
	s.is(err, imap.ErrCannot, "the limit of an unknown resource")
	root, err := s.a.QuotaSetter.SetQuota(s.Context(), name, map[string]int64{imap.QuotaMessage: 1})
	if errors.Is(err, imap.ErrCannot) {
		s.Skip("there is no limit on messages")
	}
	s.must(err)
	again, err := s.a.Quoter.QuotaRoots(s.Context())
	s.must(err)
	if root.Name != name || !slices.Equal(root.Resources, again[0].Resources) || !slices.ContainsFunc(root.Resources, func(r imap.QuotaResource) bool {
		return r.Name == imap.QuotaMessage && r.Limit == 1 && r.Usage == 1
	}) {
		s.Errorf("set %+v, there is %+v", root, again[0])
	}
	text := letter("b", "x\r\n")
	one := []imap.AppendMessage{{Size: int64(len(text)), Body: strings.NewReader(text)}}
	_, err = s.a.Appender.Append(s.Context(), "INBOX", one)
	s.is(err, imap.ErrOverQuota, "one message more than the limit")
	if _, err = s.a.QuotaSetter.SetQuota(s.Context(), name, nil); err != nil { // no limits any more
		s.Fatal(err)
	}
	s.add("INBOX", text)
}
