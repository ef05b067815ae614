package imapserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// TestReadOnlyBackend has an account without roles: nothing is offered that cannot be done.
func TestReadOnlyBackend(t *testing.T) {
	s := server(t)
	s.Backend = wrapped{s.Backend, func(a *imap.Account) { *a = imap.Account{ID: a.ID, Store: a.Store, Watcher: a.Watcher} }}
	p := dial(t, start(t, s))
	p.want("* OK ...")
	got := p.do("a", "LOGIN alice secret")[0]
	for _, c := range []string{"UIDPLUS", "MOVE", "CREATE-SPECIAL-USE", "APPENDLIMIT", "SEARCH=FUZZY"} {
		if strings.Contains(got, c) {
			t.Errorf("%s is offered: %s", c, got)
		}
	}
	if got := p.do("a", "SELECT INBOX"); got[len(got)-1] != "a OK [READ-ONLY] selected" {
		t.Error(got)
	}
	for _, command := range []string{"SEARCH FUZZY TEXT x", "SEARCH RETURN (RELEVANCY) ALL", "SORT (RELEVANCY) UTF-8 ALL"} { // RFC 6203
		if got := p.do("a", command); !strings.HasPrefix(got[0], "a BAD ") {
			t.Errorf("%s: %s", command, got)
		}
	}
	for _, command := range []string{"STORE 1 FLAGS (\\Seen)", "EXPUNGE", "COPY 1 INBOX", "MOVE 1 INBOX", "CREATE x", "DELETE x", "RENAME INBOX y",
		"SUBSCRIBE INBOX", "APPEND INBOX {1+}\r\nx"} {
		if got := p.do("a", command); !strings.HasPrefix(got[0], "a NO [CANNOT]") && !strings.HasPrefix(got[0], "a NO [NOPERM]") {
			t.Errorf("%s: %s", command, got)
		}
	}
	if got := p.do("a", "FETCH 3 BODY[TEXT]"); len(got) != 5 || got[4] != "a OK FETCH completed" || got[3] != ")" {
		t.Errorf("%q", got)
	}
	if got := p.do("a", "CLOSE"); got[0] != "a OK CLOSE completed" {
		t.Error(got)
	}
}

// failing fails where it is told to.
type failing struct {
	imap.Store
	imap.Appender
	status, messages, body, appended error
	cut                              bool // bodies end early
	lazy                             bool // Append does not read
	asked                            int  // calls of Status and Changes
}

func (f *failing) OpenMailbox(ctx context.Context, name string) (imap.Mailbox, error) {
	m, err := f.Store.OpenMailbox(ctx, name)
	return &failingBox{m, f}, err
}

func (f *failing) Append(ctx context.Context, box string, msgs []imap.AppendMessage) (imap.Appended, error) {
	if f.lazy {
		return imap.Appended{}, nil
	}
	if f.appended != nil {
		return imap.Appended{}, f.appended
	}
	return f.Appender.Append(ctx, box, msgs)
}

type failingBox struct {
	imap.Mailbox
	f *failing
}

func (m *failingBox) Changes(ctx context.Context, since imap.ModSeq) iter.Seq2[imap.Change, error] {
	m.f.asked++
	return m.Mailbox.Changes(ctx, since)
}

func (m *failingBox) Status(ctx context.Context) (imap.MailboxStatus, error) {
	m.f.asked++
	if m.f.status != nil {
		return imap.MailboxStatus{}, m.f.status
	}
	return m.Mailbox.Status(ctx)
}

func (m *failingBox) Messages(ctx context.Context, uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	if m.f.messages == nil {
		return m.Mailbox.Messages(ctx, uids, want)
	}
	return func(yield func(*imap.Message, error) bool) {
		for x, err := range m.Mailbox.Messages(ctx, uids, want) {
			if !yield(x, err) {
				return
			}
			break
		}
		yield(nil, m.f.messages)
	}
}

func (m *failingBox) Body(ctx context.Context, uid imap.UID) (imap.Body, error) {
	if m.f.body != nil {
		return nil, m.f.body
	}
	b, err := m.Mailbox.Body(ctx, uid)
	if m.f.cut && err == nil {
		return cutBody{b}, nil
	}
	return b, err
}

type cutBody struct{ imap.Body }

func (b cutBody) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > 20 {
		return 0, io.ErrUnexpectedEOF
	}
	return b.Body.ReadAt(p, at)
}

// TestFailingBackend sees that a failure is told as such, is logged, and shows nothing of its text; and that a message that
// breaks off breaks the connection, for its literal cannot be taken back.
func TestFailingBackend(t *testing.T) {
	secret := errors.New("dial 10.0.0.1: password=hunter2")
	f := &failing{}
	s := server(t)
	var log bytes.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s.Backend = wrapped{s.Backend, func(a *imap.Account) {
		f.Store, f.Appender = a.Store, a.Appender
		a.Store, a.Appender, a.Searcher = f, f, nil
	}}
	addr := start(t, s)
	p := dial(t, addr).login()
	p.do("a", "SELECT INBOX")
	internal := "a NO [UNAVAILABLE] internal error, try again later"
	for _, c := range []struct {
		fail    failing
		command string
		want    string
	}{
		{failing{status: secret}, "STATUS INBOX (MESSAGES)", internal},
		{failing{messages: secret}, "FETCH 1:3 FLAGS", internal},
		{failing{messages: secret}, "SEARCH SEEN", internal},
		{failing{body: secret}, "FETCH 1 BODY.PEEK[]", internal},
		{failing{body: secret}, "SEARCH TEXT x", internal},
		{failing{body: fmt.Errorf("gone: %w", imap.ErrNonexistent)}, "SEARCH TEXT x", "a OK SEARCH completed"},
		{failing{body: fmt.Errorf("gone: %w", imap.ErrNonexistent)}, "FETCH 1:3 BODY.PEEK[]", "a NO [EXPUNGEISSUED] some of the messages have gone"},
		{failing{body: fmt.Errorf("gone: %w", imap.ErrNonexistent)}, "UID FETCH 1:3 BODY.PEEK[]", "a OK FETCH completed"},
		{failing{appended: secret}, "APPEND INBOX {3+}\r\nabc", internal},
		{failing{appended: imap.ErrOverQuota}, "APPEND INBOX {3+}\r\nabc", "a NO [OVERQUOTA] over quota"},
		{failing{appended: imap.ErrTooBig}, "APPEND INBOX {3+}\r\nabc", "a NO [TOOBIG] the message is too big"},
		{failing{appended: fmt.Errorf("x: %w", imap.ErrNonexistent)}, "APPEND INBOX {3+}\r\nabc", "a NO [TRYCREATE] no such mailbox"},
		{failing{appended: &imap.Status{Type: imap.StatusNo, Code: imap.CodeInUse, Text: "later"}}, "APPEND INBOX {3+}\r\nabc", "a NO [INUSE] later"},
		{failing{lazy: true}, "APPEND INBOX {3+}\r\nabc", internal},
		{failing{cut: true}, "FETCH 1 BODY.PEEK[1]", internal},
		{failing{}, "NOOP", "a OK NOOP completed"},
	} {
		store, app := f.Store, f.Appender
		*f = c.fail
		f.Store, f.Appender = store, app
		got := p.do("a", c.command)
		if got[len(got)-1] != c.want {
			t.Errorf("%s: got %q, want %s", c.command, got, c.want)
		}
	}
	if !strings.Contains(log.String(), "hunter2") {
		t.Error("the log does not tell why")
	}
	f.cut = true
	p.send("a FETCH 1 BODY.PEEK[]\r\n")
	rest, _ := io.ReadAll(p.r)
	if len(rest) > 0 && !strings.HasPrefix(string(rest), "* 1 FETCH (BODY[] {86}\r\n") || strings.Contains(string(rest), "\na ") {
		t.Errorf("%q", rest)
	}
}

// TestQuiet sees that the backend is asked for changes only where the feed tells of some, in the selected mailbox.
func TestQuiet(t *testing.T) {
	f := &failing{}
	s := server(t)
	s.Backend = wrapped{s.Backend, func(a *imap.Account) {
		f.Store = a.Store
		a.Store = f
	}}
	p := dial(t, start(t, s)).login()
	p.do("a", "CREATE other")
	p.do("a", "SELECT INBOX")
	for _, c := range []struct {
		command string
		asked   int
	}{
		{"NOOP", 0}, {"FETCH 1:3 (FLAGS BODY.PEEK[])", 0}, {"APPEND other {3+}\r\nabc", 0}, {"SEARCH ALL", 0}, {"COPY 1 other", 0},
		{"APPEND INBOX {3+}\r\nabc", 2}, {"NOOP", 0},
	} {
		before := f.asked
		if p.do("a", c.command); f.asked-before != c.asked {
			t.Errorf("%s: asked %d times, want %d", c.command, f.asked-before, c.asked)
		}
	}
}

// TestForgottenChanges has a backend that forgets expunges at once: the session compares the whole mailbox.
func TestForgottenChanges(t *testing.T) {
	m := memory(t)
	m.MaxExpunged = 1
	s := server(t)
	s.Backend = m
	p := dial(t, start(t, s)).login()
	p.do("a", "SELECT INBOX")
	a, err := m.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1, 2), true)
	if err == nil {
		_, err = a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(3), imap.FlagChange{Flags: []imap.Flag{"new"}}, imap.NoUnchangedSince)
	}
	if err == nil {
		_, err = a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: 1, Body: strings.NewReader("x")}})
	}
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(p.do("b", "NOOP"), "\n")
	want := "* 4 EXISTS\n* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new)\n* 3 FETCH (UID 3 FLAGS (new))\n* 2 EXPUNGE\n* 1 EXPUNGE\nb OK NOOP completed"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := strings.Join(p.do("c", "FETCH 1:* UID"), "\n"); got != "* 1 FETCH (UID 3)\n* 2 FETCH (UID 4)\nc OK FETCH completed" {
		t.Error(got)
	}
	p.do("d", "ENABLE QRESYNC")
	all := p.do("e", "SELECT INBOX (QRESYNC (1 4))")
	got = strings.Join(all[len(all)-4:], "\n")
	want = "* VANISHED (EARLIER) 1:2\n* 1 FETCH (UID 3 FLAGS (new) MODSEQ (6))\n* 2 FETCH (UID 4 FLAGS () MODSEQ (7))\ne OK [READ-WRITE] selected"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// late removes a message when it is asked what has changed: what SELECT has counted by then has not gone for the client.
type late struct {
	imap.Mailbox
	a *imap.Account
}

func (m late) Changes(ctx context.Context, since imap.ModSeq) iter.Seq2[imap.Change, error] {
	_, _ = m.a.Expunger.Expunge(ctx, "INBOX", imap.UIDs(3), true)
	return m.Mailbox.Changes(ctx, since)
}

type lateStore struct {
	imap.Store
	a *imap.Account
}

func (s lateStore) OpenMailbox(ctx context.Context, name string) (imap.Mailbox, error) {
	m, err := s.Store.OpenMailbox(ctx, name)
	return late{m, s.a}, err
}

// TestResyncGone is RFC 7162 §3.2.6 where another session expunges: VANISHED (EARLIER) names what came and went since too, and
// never what SELECT counts; that is told by VANISHED.
func TestResyncGone(t *testing.T) {
	m := memory(t)
	s := server(t)
	s.Backend = wrapped{m, func(a *imap.Account) { c := *a; a.Store = lateStore{a.Store, &c} }}
	p := dial(t, start(t, s)).login()
	p.do("a", "ENABLE QRESYNC")
	a, err := m.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: 1, Body: strings.NewReader("x")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1, 4), true); err != nil {
		t.Fatal(err)
	}
	all := p.do("b", "SELECT INBOX (QRESYNC (1 4))")
	if got := strings.Join(all, "\n"); !strings.Contains(got, "* 2 EXISTS\n") || !strings.Contains(got, "* VANISHED (EARLIER) 1,4\n") {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(p.do("c", "NOOP"), "\n"); got != "* VANISHED 3\nc OK NOOP completed" {
		t.Errorf("got %s", got)
	}
}

// expunging removes a message while messages are listed.
type expunging struct {
	imap.Mailbox
	a *imap.Account
}

func (m expunging) Messages(ctx context.Context, uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	return func(yield func(*imap.Message, error) bool) {
		for x, err := range m.Mailbox.Messages(ctx, uids, want) {
			if !yield(x, err) {
				return
			}
			if want&imap.FieldSize != 0 { // the FETCH of the test
				_, _ = m.a.Expunger.Expunge(ctx, "INBOX", imap.UIDs(2), true)
			}
		}
	}
}

type expungingStore struct {
	imap.Store
	a *imap.Account
}

func (s expungingStore) OpenMailbox(ctx context.Context, name string) (imap.Mailbox, error) {
	m, err := s.Store.OpenMailbox(ctx, name)
	return expunging{m, s.a}, err
}

// TestExpungeDuringFetch has another session expunge a message while it is about to be sent.
func TestExpungeDuringFetch(t *testing.T) {
	s := server(t)
	s.Backend = wrapped{s.Backend, func(a *imap.Account) { c := *a; a.Store = expungingStore{a.Store, &c} }}
	p := dial(t, start(t, s)).login()
	p.do("a", "SELECT INBOX")
	got := p.do("b", "FETCH 1:3 (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X)])")
	want := "* 1 FETCH (RFC822.SIZE 86 BODY[HEADER.FIELDS (X)] {2}\n\n)\n* 3 FETCH (RFC822.SIZE 40 BODY[HEADER.FIELDS (X)] {2}\n\n)\nb NO [EXPUNGEISSUED] some of the messages have gone"
	if strings.Join(got, "\n") != want {
		t.Errorf("%q", got)
	}
	if got := p.do("c", "NOOP"); got[0] != "* 2 EXPUNGE" {
		t.Error(got)
	}
}

// TestManyConnections refuses what is too much.
func TestManyConnections(t *testing.T) {
	s := server(t)
	s.Limits.Conns = 1
	addr, other := start(t, s), start(t, s)
	p := dial(t, addr)
	p.want("* OK ...")
	q := dial(t, other)
	q.want("* BYE [UNAVAILABLE] ...")
	q.want("<closed>")
}

// TestContradiction has accounts whose roles contradict each other: nobody is logged in with them.
func TestContradiction(t *testing.T) {
	for name, change := range map[string]func(*imap.Account){
		"no Store":                   func(a *imap.Account) { a.Store = nil },
		"no Watcher":                 func(a *imap.Account) { a.Watcher = nil },
		"QuotaSetter alone":          func(a *imap.Account) { a.Quoter = nil },
		"OtherUsers alone":           func(a *imap.Account) { a.Authorizer = nil },
		"OtherUsers that is no name": func(a *imap.Account) { a.OtherUsers = "/" },
		"OtherUsers without its end": func(a *imap.Account) { a.OtherUsers = "Other Users" },
	} {
		s := server(t)
		s.Backend = wrapped{s.Backend, func(a *imap.Account) {
			if err := a.Check(); err != nil || a.QuotaSetter == nil || a.OtherUsers == "" {
				t.Errorf("before: %+v, %v", a, err)
			}
			change(a)
			if a.Check() == nil {
				t.Error(name, "is not seen")
			}
		}}
		p := dial(t, start(t, s))
		p.want("* OK ...")
		if got := p.do("a", "LOGIN alice secret")[0]; got != "a NO [UNAVAILABLE] internal error, try again later" {
			t.Errorf("%s: %s", name, got)
		}
		if got := p.do("b", "SELECT INBOX")[0]; got != "b BAD log in first" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
