package mailstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func jmapUser(t testing.TB, s *Store, name string) *mail.Account {
	t.Helper()
	list, err := s.Accounts(t.Context(), name)
	if err != nil || len(list) == 0 || list[0].Shared {
		t.Fatalf("%d accounts, %v", len(list), err)
	}
	return list[0]
}

func getEmails(t testing.TB, j *mail.Account, ids ...jmap.ID) []mail.Record {
	t.Helper()
	r, err := j.Emails.Getter.Get(t.Context(), &jmap.GetRequest[mail.EmailWant]{IDs: ids, Args: mail.EmailWant{Summary: true}})
	if err != nil {
		t.Fatal(err)
	}
	return r.List
}

func getMailboxes(t testing.TB, j *mail.Account) map[string]mail.Mailbox {
	t.Helper()
	r, err := j.Mailboxes.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{})
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]mail.Mailbox)
	for _, m := range r.List {
		out[m.Name] = m
	}
	return out
}

func TestJMAPSeesWhatIMAPDoes(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		j := jmapUser(t, s, "Alice")
		if string(j.ID) != a.ID {
			t.Errorf("account %s over JMAP, %s over IMAP", j.ID, a.ID)
		}
		if list, err := s.Accounts(t.Context(), "mallory"); len(list) != 0 || err != nil {
			t.Errorf("mallory: %v %v", list, err)
		}
		one, two := letter("1", "Lunch", "Where?\r\n"), letter("2", "Re: Lunch", "Here.\r\n", "In-Reply-To: <1@example.com>")
		in := add(t, a, "INBOX", one, two)
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(1), imap.FlagChange{Flags: []imap.Flag{imap.FlagSeen, "Work"}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Copier.Copy(t.Context(), "INBOX", imap.UIDs(1), "Archive", 0); err != nil {
			t.Fatal(err)
		}
		boxes := getMailboxes(t, j)
		if b := boxes["Inbox"]; b.Role != "inbox" || b.TotalEmails != 2 || b.UnreadEmails != 1 || b.TotalThreads != 1 || b.UnreadThreads != 1 || b.MyRights.MayDelete {
			t.Errorf("%+v", b)
		}
		if b := boxes["Archive"]; b.Role != "archive" || b.TotalEmails != 1 || b.UnreadEmails != 0 || string(b.ID) != status(t, box(t, a, "Archive")).ID {
			t.Errorf("%+v", b)
		}
		list := getEmails(t, j, jmap.ID(in.EmailIDs[0]), jmap.ID(in.EmailIDs[1]))
		if len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		e := list[0]
		if !slices.Equal(e.MailboxIDs, []jmap.ID{boxes["Inbox"].ID, boxes["Archive"].ID}) || !slices.Equal(e.Keywords, []string{"$seen", "work"}) ||
			e.Size != int64(len(one)) || *e.Summary.Subject != "Lunch" || e.Summary.Preview != "Where?" || e.ThreadID != list[1].ThreadID {
			t.Errorf("%+v", e)
		}
		// $seen counts only if every copy has it.
		if _, err := a.Flagger.StoreFlags(t.Context(), "Archive", imap.AllUIDs(), imap.FlagChange{Flags: []imap.Flag{imap.FlagFlagged}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		if e := getEmails(t, j, e.ID)[0]; !slices.Equal(e.Keywords, []string{"$flagged", "work"}) {
			t.Errorf("keywords %q", e.Keywords)
		}
		r, err := j.Threads.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{IDs: []jmap.ID{e.ThreadID, "T999"}})
		if err != nil || len(r.List) != 1 || !slices.Equal(r.List[0].EmailIDs, []jmap.ID{jmap.ID(in.EmailIDs[0]), jmap.ID(in.EmailIDs[1])}) || !slices.Equal(r.NotFound, []jmap.ID{"T999"}) {
			t.Errorf("%+v %v", r, err)
		}
		b, err := j.Blobs.OpenBlob(t.Context(), e.BlobID)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if got, _ := io.ReadAll(io.NewSectionReader(b, 0, b.Size())); string(got) != one {
			t.Errorf("blob %q", got)
		}
	})
}

func TestBlobsBelongToAnAccount(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := openDir(t, t.TempDir(), Options{Inline: 10, Now: func() time.Time { return now }})
	user(t, s, "alice")
	user(t, s, "bob")
	alice, bob := jmapUser(t, s, "alice"), jmapUser(t, s, "bob")
	id, size, err := alice.Uploads.Upload(t.Context(), strings.NewReader("an attachment"))
	if err != nil || size != 13 {
		t.Fatal(size, err)
	}
	open := func(j *mail.Account, id jmap.ID) error {
		b, err := j.Blobs.OpenBlob(t.Context(), id)
		if err == nil {
			b.Close()
		}
		return err
	}
	if err := open(alice, id); err != nil {
		t.Error(err)
	}
	for _, id := range []jmap.ID{id, "B999", "", "x", "B-1", "B01"} {
		if e, ok := errors.AsType[*jmap.SetError](open(bob, id)); !ok || e.Type != jmap.SetBlobNotFound {
			t.Errorf("bob opens %q: %v", id, e)
		}
	}
	if again, _, err := bob.Uploads.Upload(t.Context(), strings.NewReader("an attachment")); err != nil || again != id || open(bob, id) != nil {
		t.Errorf("%s %v", again, err)
	}
	now = now.Add(2 * uploadLife)
	for _, j := range []*mail.Account{alice, bob} { // each upload forgets the account's old ones
		if _, _, err := j.Uploads.Upload(t.Context(), strings.NewReader("something newer")); err != nil {
			t.Fatal(err)
		}
	}
	if open(alice, id) == nil || files(t, s) != 1 {
		t.Errorf("the upload lives on, %d files", files(t, s))
	}
}

func ids[T ~string](list []T) string {
	var out []string
	for _, x := range list {
		out = append(out, string(x))
	}
	return strings.Join(out, " ")
}

func TestQueryOfOneMailbox(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		j := jmapUser(t, s, "alice")
		day := func(n int) time.Time { return time.Unix(1_700_000_000+int64(n)*86400, 0) }
		// The dates are not those of arrival; M1, M3 and M5 are a thread; M6 is \Deleted.
		for i, x := range []struct{ day, parent int }{{5, 0}, {1, 0}, {3, 1}, {4, 0}, {2, 1}, {9, 0}} {
			m := imap.AppendMessage{InternalDate: day(x.day), Size: -1, Body: strings.NewReader(letter(fmt.Sprint(i+1), "s", ""))}
			if x.parent == 1 {
				m.Body = strings.NewReader(letter(fmt.Sprint(i+1), "s", "", "References: <1@example.com>"))
			}
			if i == 5 {
				m.Flags = []imap.Flag{imap.FlagDeleted}
			}
			if _, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{m}); err != nil {
				t.Fatal(err)
			}
		}
		inbox := getMailboxes(t, j)["Inbox"].ID
		three, zero := uint(3), uint(0)
		up, down := true, false
		for _, tt := range []struct {
			q        jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
			want     string
			position uint
			total    uint
		}{
			{q: query(inbox), want: "M1 M4 M3 M5 M2", total: 5},
			{q: func() q { x := query(inbox); x.Sort[0].IsAscending = &up; return x }(), want: "M2 M5 M3 M4 M1", total: 5},
			{q: func() q { x := query(inbox); x.Sort[0].IsAscending = &down; x.Limit = &three; return x }(), want: "M1 M4 M3", total: 5},
			{q: func() q { x := query(inbox); x.Limit = &zero; return x }(), want: "", total: 5},
			{q: func() q { x := query(inbox); x.Position = 2; x.Limit = &three; return x }(), want: "M3 M5 M2", position: 2, total: 5},
			{q: func() q { x := query(inbox); x.Position = -2; return x }(), want: "M5 M2", position: 3, total: 5},
			{q: func() q { x := query(inbox); x.Position = -9; x.Limit = &three; return x }(), want: "M1 M4 M3", total: 5},
			{q: func() q { x := query(inbox); x.Position = 9; return x }(), want: "", position: 9, total: 5},
			{q: func() q { x := query(inbox); x.Anchor = "M3"; x.Limit = &three; return x }(), want: "M3 M5 M2", position: 2, total: 5},
			{q: func() q { x := query(inbox); x.Anchor = "M3"; x.AnchorOffset = -1; x.Limit = &three; return x }(), want: "M4 M3 M5", position: 1, total: 5},
			{q: func() q { x := query(inbox); x.Anchor = "M3"; x.AnchorOffset = -9; x.Limit = &three; return x }(), want: "M1 M4 M3", total: 5},
			{q: func() q { x := query(inbox); x.Anchor = "M3"; x.AnchorOffset = 2; return x }(), want: "M2", position: 4, total: 5},
			{q: func() q { x := query(inbox); x.Args.CollapseThreads = true; return x }(), want: "M1 M4 M2", total: 3},
			{q: query("F999"), want: "", total: 0},
		} {
			tt.q.CalculateTotal = true
			r, err := j.Emails.Querier.Query(t.Context(), &tt.q)
			if err != nil {
				t.Errorf("%+v: %v", tt.q, err)
				continue
			}
			if ids(r.IDs) != tt.want || r.Position != tt.position || *r.Total != tt.total {
				t.Errorf("%+v: got %s at %d of %d, want %s at %d of %d", tt.q, ids(r.IDs), r.Position, *r.Total, tt.want, tt.position, tt.total)
			}
		}
		none := query(inbox)
		none.Anchor = "M99"
		if _, err := j.Emails.Querier.Query(t.Context(), &none); !jmap.IsMethodError(err, jmap.AnchorNotFound) {
			t.Errorf("got %v", err)
		}
		other := query(inbox)
		other.Filter.Condition.Subject = "x"
		if _, err := j.Emails.Querier.Query(t.Context(), &other); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	})
}

type q = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]

func query(box jmap.ID) q {
	down := false
	return q{Filter: jmap.Where(mail.EmailCondition{InMailbox: box}), Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: &down}}}
}

// A client that follows /changes page by page has what the store has, whatever happens over IMAP and JMAP.
func TestChangesKeepAClientInStep(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, err := OpenMemory(Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), a: user(t, s, "alice"), j: jmapUser(t, s, "alice")}
			c := newClient(t, w.j)
			for range 60 {
				for range w.rnd.IntN(4) {
					w.step()
				}
				c.sync(w.rnd)
			}
		})
	}
}

// A world does something at random.
type world struct {
	t   *testing.T
	rnd *rand.Rand
	a   *imap.Account
	j   *mail.Account
	n   int
}

func (w *world) mailbox() string {
	names := []string{"INBOX", "Archive", "Trash", "x", "x/y"}
	return names[w.rnd.IntN(len(names))]
}

func (w *world) set() imap.UIDSet {
	first := imap.UID(w.rnd.IntN(12) + 1)
	return imap.UIDSet{{First: first, Last: first + imap.UID(w.rnd.IntN(3))}}
}

func (w *world) step() {
	ctx := w.t.Context()
	var err error
	switch w.rnd.IntN(10) {
	case 0, 1, 2:
		w.n++
		body := letter(fmt.Sprint(w.n), "s", "", fmt.Sprintf("References: <%d@example.com>", w.rnd.IntN(w.n)+1))
		_, err = w.a.Appender.Append(ctx, w.mailbox(), []imap.AppendMessage{{Size: -1, Body: strings.NewReader(body)}})
	case 3, 4:
		flags := []imap.Flag{imap.FlagSeen, imap.FlagDeleted, "x"}
		_, err = w.a.Flagger.StoreFlags(ctx, w.mailbox(), w.set(), imap.FlagChange{Op: imap.FlagOp(w.rnd.IntN(3)), Flags: flags[w.rnd.IntN(3):]}, imap.NoUnchangedSince)
	case 5:
		_, err = w.a.Copier.Copy(ctx, w.mailbox(), w.set(), w.mailbox(), 0)
	case 6:
		_, err = w.a.Mover.Move(ctx, w.mailbox(), w.set(), w.mailbox(), 0)
	case 7:
		_, err = w.a.Expunger.Expunge(ctx, w.mailbox(), w.set(), w.rnd.IntN(2) == 0)
	case 8:
		switch w.rnd.IntN(4) {
		case 0:
			err = w.a.Editor.Delete(ctx, []string{"x", "x/y"}[w.rnd.IntN(2)])
		case 1:
			err = w.a.Editor.Rename(ctx, "x", "x2")
			if err == nil {
				err = w.a.Editor.Rename(ctx, "x2", "x")
			}
		default:
			_, err = w.a.Editor.Create(ctx, []string{"x", "x/y"}[w.rnd.IntN(2)], imap.CreateOptions{})
		}
	case 9:
		all := getEmails(w.t, w.j)
		if len(all) == 0 {
			return
		}
		e := all[w.rnd.IntN(len(all))]
		r := &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{}
		if w.rnd.IntN(3) == 0 {
			r.Destroy = []jmap.ID{e.ID}
		} else {
			trash := getMailboxes(w.t, w.j)["Trash"].ID
			r.Update = map[jmap.ID]mail.EmailUpdate{e.ID: {
				Keywords:  mail.SetUpdate[string]{Members: map[string]bool{"$flagged": w.rnd.IntN(2) == 0}},
				Mailboxes: mail.SetUpdate[jmap.ID]{Replace: w.rnd.IntN(2) == 0, Members: map[jmap.ID]bool{trash: true}},
			}}
		}
		_, err = w.j.Emails.Setter.Set(ctx, r)
	}
	for _, allowed := range []error{nil, imap.ErrNonexistent, imap.ErrExists, imap.ErrCannot} {
		if errors.Is(err, allowed) {
			return
		}
	}
	w.t.Fatal(err)
}

// A client keeps records by their id and follows /changes.
type client struct {
	t       *testing.T
	j       *mail.Account
	state   map[string]jmap.State
	emails  map[jmap.ID]mail.Record
	boxes   map[jmap.ID]mail.Mailbox
	threads map[jmap.ID]mail.Thread
}

func newClient(t *testing.T, j *mail.Account) *client {
	states, err := j.Watcher.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, j: j, state: states, emails: map[jmap.ID]mail.Record{}}
	c.boxes, c.threads = c.allBoxes(nil), c.allThreads(nil)
	return c
}

func (c *client) allEmails(ids []jmap.ID) map[jmap.ID]mail.Record {
	r, err := c.j.Emails.Getter.Get(c.t.Context(), &jmap.GetRequest[mail.EmailWant]{IDs: ids})
	return byID(c.t, err, r, func(e mail.Record) jmap.ID { return e.ID })
}

func (c *client) allBoxes(ids []jmap.ID) map[jmap.ID]mail.Mailbox {
	r, err := c.j.Mailboxes.Getter.Get(c.t.Context(), &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
	return byID(c.t, err, r, func(m mail.Mailbox) jmap.ID { return m.ID })
}

func (c *client) allThreads(ids []jmap.ID) map[jmap.ID]mail.Thread {
	r, err := c.j.Threads.Getter.Get(c.t.Context(), &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
	return byID(c.t, err, r, func(m mail.Thread) jmap.ID { return m.ID })
}

func byID[T any](t *testing.T, err error, r *jmap.GetResponse[T], id func(T) jmap.ID) map[jmap.ID]T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[jmap.ID]T)
	for _, x := range r.List {
		out[id(x)] = x
	}
	return out
}

func (c *client) sync(rnd *rand.Rand) {
	c.t.Helper()
	most := uint(rnd.IntN(4) + 1)
	follow(c, "Email", most, c.emails, c.allEmails, c.j.Emails.Changer.Changes)
	follow(c, "Thread", most, c.threads, c.allThreads, c.j.Threads.Changer.Changes)
	follow(c, "Mailbox", most, c.boxes, c.allBoxes, func(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
		out, err := c.j.Mailboxes.Changer.Changes(ctx, r)
		if err != nil {
			return nil, err
		}
		return &out.ChangesResponse, nil
	})
}

func follow[T any](c *client, name string, most uint, have map[jmap.ID]T, get func([]jmap.ID) map[jmap.ID]T, changes func(context.Context, *jmap.ChangesRequest) (*jmap.ChangesResponse, error)) {
	c.t.Helper()
	for pages := 0; ; pages++ {
		r, err := changes(c.t.Context(), &jmap.ChangesRequest{SinceState: c.state[name], MaxChanges: &most})
		if err != nil || pages > 1000 {
			c.t.Fatal(name, c.state[name], err)
		}
		if n := len(r.Created) + len(r.Updated) + len(r.Destroyed); n > int(most) || r.HasMoreChanges && n == 0 {
			c.t.Fatalf("%s: %d changes in a page of %d", name, n, most)
		}
		for _, id := range r.Destroyed {
			delete(have, id)
		}
		for _, id := range r.Updated {
			if _, ok := have[id]; !ok {
				c.t.Errorf("%s %s was updated and is not known", name, id)
			}
		}
		if want := slices.Concat(r.Created, r.Updated); len(want) > 0 {
			got := get(want)
			for _, id := range want {
				if x, ok := got[id]; ok {
					have[id] = x
				} else {
					delete(have, id)
				}
			}
		}
		c.state[name] = r.NewState
		if !r.HasMoreChanges {
			break
		}
	}
	if all := get(nil); !reflect.DeepEqual(have, all) {
		c.t.Fatalf("%s: the client has %v\nthe store %v", name, have, all)
	}
}

// TestWatcher: each change is told, also to who only waits and never takes what the feed of IMAP has for it.
func TestWatcher(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		j := jmapUser(t, s, "alice")
		changed := j.Watcher.Watch(t.Context())
		for i := range 3 {
			add(t, a, "INBOX", letter(fmt.Sprint(i), "again", "x"))
			select {
			case <-changed:
			default:
				t.Fatalf("change %d was not told", i+1)
			}
		}
	})
}
