package imaptest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// ContextOptions say what Contexts does. Zero is the default that is told.
type ContextOptions struct {
	User, Password string
	Account        *imap.Account // of the user, with every role; another session changes INBOX through it
	Steps          int           // 0: 200
	Seed           uint64
}

// Contexts has a client keep searches up to date (RFC 5267) in an INBOX that it and another session change at random: by UID and by
// sequence number, sorted and not. After each step the lists that ADDTO and REMOVEFROM have led to must be what the same searches
// find now.
//
// dial connects to a server that offers CONTEXT=SEARCH, CONTEXT=SORT, CONDSTORE, UIDPLUS, MOVE and LITERAL+.
func Contexts(t *testing.T, dial func() (net.Conn, error), o ContextOptions) {
	t.Helper()
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var failed atomic.Bool
	k := newTracker("0", c, time.Minute, &failed, t.Errorf)
	k.mailbox = "INBOX"
	k.greeting()
	k.do("LOGIN "+string(imap.AppendQuoted(nil, o.User))+" "+string(imap.AppendQuoted(nil, o.Password)), false)
	k.do("SELECT INBOX (CONDSTORE)", false)
	for _, search := range contexts() {
		k.keepUp(search)
	}
	x := contextWorld{T: t, a: o.Account, r: rand.New(rand.NewPCG(o.Seed, 5267))}
	for range cmp.Or(o.Steps, 200) {
		for range 1 + x.r.IntN(3) {
			x.change()
		}
		if len(k.uids) > 0 && x.r.IntN(2) == 0 {
			x.own(k)
		}
		k.compareSearches()
		if x.r.IntN(3) == 0 {
			k.do("NOOP", true)
			k.compareSearches()
		}
		if failed.Load() || t.Failed() {
			return
		}
	}
	t.Logf("%d commands, %d messages left", k.tag, len(k.uids))
}

// contexts are searches without RETURN.
func contexts() []string {
	return []string{
		"SEARCH ALL", "UID SEARCH UNSEEN", `SEARCH OR FLAGGED SUBJECT "a"`, "UID SEARCH DELETED NOT KEYWORD odd", `UID SEARCH NOT (SMALLER 40 UNFLAGGED) BODY "x"`,
		"UID SORT (SUBJECT) UTF-8 ALL", "SORT (REVERSE SIZE SUBJECT) UTF-8 UNFLAGGED", "UID SORT (REVERSE FROM ARRIVAL) UTF-8 OR SEEN KEYWORD odd", "UID SEARCH MODSEQ 9 SEEN",
	}
}

// A trackedSearch is one whose results the server keeps up to date.
type trackedSearch struct {
	command string // without RETURN
	list    []imap.UID
}

func (s *trackedSearch) uid() bool { return strings.HasPrefix(s.command, "UID ") }

// with returns the command with RETURN.
func (s *trackedSearch) with(options string) string {
	at := strings.Index(s.command, "SEARCH") + 6
	if at < 6 {
		at = strings.Index(s.command, "SORT") + 4
	}
	return s.command[:at] + " RETURN (" + options + ")" + s.command[at:]
}

// keepUp begins a search.
func (k *tracker) keepUp(command string) {
	s := &trackedSearch{command: command}
	if k.searches == nil {
		k.searches = map[string]*trackedSearch{}
	}
	k.searches[fmt.Sprint("t", k.tag+1)] = s
	if st := k.do(s.with("UPDATE ALL"), s.uid()); st.Type != imap.StatusOK {
		k.fail("%s: %v", command, &st)
	}
}

// keepSome begins some searches: by UID where VANISHED, which leaves some sequence numbers unknown, is told.
func (k *tracker) keepSome() {
	for i, s := range contexts() {
		if k.qresync && strings.HasPrefix(s, "UID ") || !k.qresync && i%3 == 0 {
			k.keepUp(s)
		}
	}
}

// esearch takes in what was found, or what has changed of it.
func (k *tracker) esearch(command string) {
	k.d.Keyword()
	data := k.d.ESearchData(false)
	s := k.searches[data.Tag]
	if len(data.Updates) == 0 {
		numbers, err := data.Ordered.Numbers(maxTracked)
		if err != nil {
			k.fail("%s: %v", command, err)
		}
		if k.found = numbers; s != nil {
			s.list = slices.Clone(numbers)
		}
		return
	}
	if s == nil {
		k.fail("%s: updates of %q, which is none", command, data.Tag)
		return
	}
	for _, u := range data.Updates {
		before := len(s.list)
		list, err := u.Apply(s.list, maxTracked)
		if n := int(u.Numbers.Resolve(0).Len()); err == nil && (u.Remove && len(list) != before-n || !u.Remove && len(list) != before+n) {
			err = fmt.Errorf("%d results of %d after %+v", len(list), before, u)
		}
		if err != nil {
			k.fail("%s: update of %s: %v", command, s.command, err)
			return
		}
		s.list = list
	}
}

const maxTracked = 100_000

// renumber moves the sequence numbers behind one that has gone, which no list may have any more.
func (k *tracker) renumber(gone imap.UID) {
	for _, s := range k.searches {
		for i, n := range s.list {
			switch {
			case s.uid():
			case n == gone:
				k.fail("EXPUNGE of %d, which %s has", gone, s.command)
			case n > gone:
				s.list[i]--
			}
		}
	}
}

// compareSearches searches anew.
func (k *tracker) compareSearches() {
	k.do("SEARCH RETURN (COUNT) ALL", false)
	for _, s := range k.searches {
		k.found = nil
		k.do(s.with("ALL"), s.uid())
		if !slices.Equal(k.found, s.list) {
			k.fail("%s: found %v, updates led to %v", s.command, k.found, s.list)
		}
	}
}

// A contextWorld is the other session.
type contextWorld struct {
	*testing.T
	a *imap.Account
	r *rand.Rand
}

// change does something to INBOX.
func (x *contextWorld) change() {
	ctx := x.Context()
	box, err := x.a.Store.OpenMailbox(ctx, "INBOX")
	var there []imap.UID
	if err == nil {
		for m, e := range box.Messages(ctx, imap.AllUIDs(), 0) {
			if err = e; err != nil {
				break
			}
			there = append(there, m.UID)
		}
	}
	if err != nil {
		x.Fatal(err)
	}
	some := imap.UIDs(slices.DeleteFunc(there, func(imap.UID) bool { return x.r.IntN(4) > 0 })...)
	flags := []imap.Flag{[]imap.Flag{imap.FlagSeen, imap.FlagFlagged, imap.FlagDeleted, "odd", "even"}[x.r.IntN(5)]}
	switch n := x.r.IntN(10); {
	case n < 3 || len(there) < 5:
		text := fmt.Sprintf("From: %c@example.com\r\nSubject: %c %d\r\n\r\n%s\r\n", 'a'+x.r.IntN(4), 'a'+x.r.IntN(4), x.r.IntN(9), strings.Repeat("xy"[x.r.IntN(2):], x.r.IntN(9)))
		_, err = x.a.Appender.Append(ctx, "INBOX", []imap.AppendMessage{{Flags: flags, Size: int64(len(text)), Body: strings.NewReader(text),
			InternalDate: time.Unix(int64(x.r.IntN(5))*1e6, 0)}})
	case n < 7:
		_, err = x.a.Flagger.StoreFlags(ctx, "INBOX", some, imap.FlagChange{Op: imap.FlagOp(x.r.IntN(3)), Flags: flags}, imap.NoUnchangedSince)
	case n == 7:
		_, err = x.a.Copier.Copy(ctx, "INBOX", some, "INBOX", 0)
	case n == 8 && len(there) > 20:
		_, err = x.a.Mover.Move(ctx, "INBOX", some, "INBOX", 0)
	default:
		_, err = x.a.Expunger.Expunge(ctx, "INBOX", some, true)
	}
	if err != nil {
		x.Fatal(err)
	}
}

// own has the client itself do something.
func (x *contextWorld) own(k *tracker) {
	one := 1 + x.r.IntN(len(k.uids))
	switch x.r.IntN(5) {
	case 0:
		k.do(fmt.Sprintf("STORE %d +FLAGS.SILENT (\\Seen)", one), false)
	case 1:
		k.do(fmt.Sprintf("STORE %d -FLAGS (\\Seen \\Flagged)", one), false)
	case 2:
		k.do("EXPUNGE", true)
	case 3:
		k.do("APPEND INBOX (\\Flagged) {17+}\r\nSubject: a\r\n\r\nx\r\n", true)
	default:
		k.do(fmt.Sprintf("COPY %d INBOX", one), true)
	}
}
