package mailstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

func TestNewAccount(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "Alice@Example.com")
		again := user(t, s, "alice@example.COM")
		if a.ID != again.ID || a.ID == "" {
			t.Errorf("ids %q and %q", a.ID, again.ID)
		}
		var got []string
		for i, err := range a.Store.Mailboxes(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, i.Name+i.SpecialUse)
			if !i.Subscribed || i.ID == "" {
				t.Errorf("%+v", i)
			}
		}
		if want := `Archive\Archive Drafts\Drafts INBOX Junk\Junk Sent\Sent Trash\Trash`; strings.Join(got, " ") != want {
			t.Errorf("mailboxes %q", got)
		}
		if _, err := s.OpenAccount(t.Context(), "mallory"); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("mallory: %v", err)
		}
		user(t, s, "bob")
		var names []string
		for n, err := range s.Names(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, n)
		}
		if !slices.Equal(names, []string{"alice@example.com", "bob"}) {
			t.Errorf("names %q", names)
		}
		for _, bad := range []string{"", "a\nb"} {
			if err := s.EnsureAccount(t.Context(), bad); err == nil {
				t.Errorf("account %q was made", bad)
			}
		}
	})
}

func TestBytesComeBack(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		bodies := []string{"", "\r\n", letter("1", "short", "text\r\n"), "bare\nlines\nand \x00\xff octets",
			letter("2", "long", strings.Repeat("0123456789abcdef\r\n", 20_000))}
		out := add(t, a, "INBOX", bodies...)
		if len(out.UIDs) != len(bodies) || out.UIDValidity != status(t, box(t, a, "inbox")).UIDValidity {
			t.Fatalf("%+v", out)
		}
		m := box(t, a, "InBox")
		for i, uid := range out.UIDs {
			if got := read(t, m, uid); got != bodies[i] {
				t.Errorf("body %d: %d octets instead of %d", i, len(got), len(bodies[i]))
			}
		}
		if _, err := m.Body(t.Context(), 999); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("no such message: %v", err)
		}
		var sum int64
		for _, b := range bodies {
			sum += int64(len(b))
		}
		if st := status(t, m); st.Messages != 5 || st.Unseen != 5 || st.Size != sum || st.UIDNext != 6 {
			t.Errorf("%+v", st)
		}
	})
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, Options{Inline: 100})
	a := user(t, s, "alice")
	short, long := letter("1", "x", "y"), letter("2", "x", strings.Repeat("z", 1000))
	add(t, a, "Archive", short, long)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v", err)
	}
	// A file that no message has, as a crash before the commit leaves it.
	x := s.draft()
	x.Write([]byte(strings.Repeat("stray", 100)))
	if err := x.Keep(); err != nil {
		t.Fatal(err)
	}
	x.Close()
	before := status(t, box(t, a, "Archive"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenAccount(t.Context(), "alice"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := a.Appender.Append(t.Context(), "INBOX", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	s = openDir(t, dir, Options{Inline: 100})
	m := box(t, user(t, s, "alice"), "Archive")
	if got := status(t, m); got != before {
		t.Errorf("got %+v\nwant %+v", got, before)
	}
	if read(t, m, 1) != short || read(t, m, 2) != long {
		t.Error("bodies differ")
	}
	if n := files(t, s); n != 1 {
		t.Errorf("%d files, want that of the long message", n)
	}
}

func TestAppendAllOrNone(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		broken := errors.New("connection lost")
		for name, bad := range map[string]imap.AppendMessage{
			"body fails": {Size: -1, Body: io.MultiReader(strings.NewReader("half"), failing{broken})},
			"too big":    {Size: 65 << 20, Body: strings.NewReader("")},
		} {
			_, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: 2, Body: strings.NewReader("ok")}, bad})
			if !errors.Is(err, broken) && !errors.Is(err, imap.ErrTooBig) {
				t.Errorf("%s: %v", name, err)
			}
			if st := status(t, box(t, a, "INBOX")); st.Messages != 0 || st.UIDNext != 1 {
				t.Errorf("%s: %+v", name, st)
			}
		}
		if _, err := a.Appender.Append(t.Context(), "none", nil); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("no such mailbox: %v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestMaxMessage(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{MaxMessage: 1000, Inline: 10})
	a := user(t, s, "alice")
	app := func(n int) error {
		_, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: -1, Body: bytes.NewReader(make([]byte, n))}})
		return err
	}
	if err := app(1000); err != nil {
		t.Error(err)
	}
	if err := app(1001); !errors.Is(err, imap.ErrTooBig) {
		t.Error(err)
	}
	if n := files(t, s); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestSameBytesAreKeptOnce(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{Inline: 10})
	alice, bob := user(t, s, "alice"), user(t, s, "bob")
	body := letter("1", "x", "the same for all")
	first := add(t, alice, "INBOX", body)
	second := add(t, alice, "Archive", body)
	other := add(t, bob, "INBOX", body)
	if first.EmailIDs[0] != second.EmailIDs[0] {
		t.Error("the same bytes have two identities in one account")
	}
	if first.EmailIDs[0] == other.EmailIDs[0] {
		t.Error("two accounts share an identity")
	}
	if n := files(t, s); n != 1 {
		t.Errorf("%d files", n)
	}
	for _, step := range []struct {
		a     *imap.Account
		name  string
		files int
	}{{alice, "INBOX", 1}, {alice, "Archive", 1}, {bob, "INBOX", 0}} {
		if _, err := step.a.Expunger.Expunge(t.Context(), step.name, imap.AllUIDs(), true); err != nil {
			t.Fatal(err)
		}
		if n := files(t, s); n != step.files {
			t.Errorf("%s: %d files, want %d", step.name, n, step.files)
		}
	}
	// Gone and come again: a new identity, because the old one was reported destroyed.
	if again := add(t, alice, "INBOX", body); again.EmailIDs[0] == first.EmailIDs[0] {
		t.Error("an identity was used again")
	}
	for table, want := range map[string]int{"blob": 1, "email": 1, "message": 1} {
		if n := count(t, s, table); n != want {
			t.Errorf("%d rows in %s, want %d", n, table, want)
		}
	}
}

func TestMessagesOfASet(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		for range 6 {
			var bodies []string
			for range 100 {
				bodies = append(bodies, "x")
			}
			add(t, a, "INBOX", bodies...)
		}
		m := box(t, a, "INBOX")
		if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDSet{{First: 10, Last: 19}}, true); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			set  imap.UIDSet
			want int
		}{
			{nil, 0},
			{imap.AllUIDs(), 590},
			{imap.UIDSet{{First: imap.MaxUID, Last: imap.MaxUID}}, 0},
			{imap.UIDSet{{First: 5, Last: 30}}, 16},
			{imap.UIDSet{{First: 1, Last: 1}, {First: 3, Last: 3}, {First: 300, Last: 301}, {First: 400, Last: imap.MaxUID}}, 205},
		} {
			got := uidsOf(list(t, m, tt.set, 0))
			if len(got) != tt.want || !slices.IsSorted(got) {
				t.Errorf("%v: %d messages", tt.set, len(got))
			}
			for _, u := range got {
				if !slices.ContainsFunc(tt.set, func(r imap.UIDRange) bool { return r.First <= u && u <= r.Last }) {
					t.Errorf("%v: UID %d", tt.set, u)
				}
			}
		}
	})
}

// Nothing is held while an iterator yields: writing and reading go on inside the loop, in memory too.
func TestWriteWhileMessagesYields(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		add(t, a, "INBOX", "1", "2", "3")
		m := box(t, a, "INBOX")
		for x, err := range m.Messages(t.Context(), imap.AllUIDs(), imap.FieldSize) {
			if err != nil {
				t.Fatal(err)
			}
			add(t, a, "Archive", read(t, m, x.UID))
		}
		if st := status(t, box(t, a, "Archive")); st.Messages != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestFields(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{Now: func() time.Time { return time.Unix(2_000_000_000, 0) }})
	a := user(t, s, "alice")
	date := time.Date(2020, 2, 29, 12, 0, 0, 0, time.FixedZone("", 7200))
	if _, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{
		Flags: []imap.Flag{`\seen`, "$Forwarded", "$forwarded", `\Recent`, "Work"}, InternalDate: date, Size: -1, Body: strings.NewReader("12345"),
	}}); err != nil {
		t.Fatal(err)
	}
	m := box(t, a, "INBOX")
	all := imap.FieldFlags | imap.FieldInternalDate | imap.FieldSize | imap.FieldModSeq | imap.FieldSaveDate | imap.FieldIDs
	x := list(t, m, imap.AllUIDs(), all)[0]
	if fmt.Sprint(x.Flags) != `[\Seen $Forwarded Work]` || !x.InternalDate.Equal(date) || x.SaveDate.Unix() != 2_000_000_000 || x.Size != 5 ||
		x.ModSeq == 0 || x.EmailID == "" || x.ThreadID == "" || x.EmailID == x.ThreadID {
		t.Errorf("%+v", x)
	}
	x = list(t, m, imap.AllUIDs(), 0)[0]
	if x.UID != 1 || x.Flags != nil || x.Size != 0 || x.ModSeq != 0 || !x.InternalDate.IsZero() || x.EmailID != "" || x.Envelope != nil {
		t.Errorf("unwanted: %+v", x)
	}
	if st := status(t, m); st.Unseen != 0 {
		t.Errorf("%+v", st)
	}
}

func TestStoreFlags(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		add(t, a, "INBOX", "1", "2", "3")
		m := box(t, a, "INBOX")
		store := func(op imap.FlagOp, set imap.UIDSet, since imap.ModSeq, flags ...imap.Flag) imap.Stored {
			t.Helper()
			out, err := a.Flagger.StoreFlags(t.Context(), "INBOX", set, imap.FlagChange{Op: op, Flags: flags}, since)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		flags := func() string {
			var out []string
			for _, x := range list(t, m, imap.AllUIDs(), imap.FieldFlags) {
				out = append(out, fmt.Sprint(x.Flags))
			}
			return strings.Join(out, "")
		}
		first := store(imap.FlagsAdd, imap.UIDSet{{First: 1, Last: 2}, {First: 9, Last: 9}}, imap.NoUnchangedSince, imap.FlagSeen, "Work")
		if fmt.Sprint(first.Changed) != "1:2" || flags() != `[\Seen Work][\Seen Work][]` {
			t.Errorf("%+v %s", first, flags())
		}
		if again := store(imap.FlagsAdd, imap.AllUIDs(), imap.NoUnchangedSince, "wORK", imap.FlagSeen); fmt.Sprint(again.Changed) != "3" || again.ModSeq <= first.ModSeq {
			t.Errorf("%+v", again)
		}
		if none := store(imap.FlagsSet, imap.UIDSet{{First: 1, Last: 1}}, imap.NoUnchangedSince, "WORK", imap.FlagSeen); none.ModSeq != 0 || none.Changed != nil {
			t.Errorf("%+v", none)
		}
		// Message 3 changed after the first STORE.
		old := store(imap.FlagsRemove, imap.AllUIDs(), first.ModSeq, "work")
		if fmt.Sprint(old.Modified) != "3" || fmt.Sprint(old.Changed) != "1:2" || flags() != `[\Seen][\Seen][\Seen wORK]` {
			t.Errorf("%+v %s", old, flags())
		}
		store(imap.FlagsSet, imap.UIDSet{{First: 3, Last: 3}}, imap.NoUnchangedSince, imap.FlagDeleted)
		if st := status(t, m); st.Unseen != 1 || st.Deleted != 1 || st.HighestModSeq <= old.ModSeq {
			t.Errorf("%+v", st)
		}
		if got := changes(t, m, first.ModSeq); got != "1 2 3" {
			t.Errorf("changes %q", got)
		}
	})
}

func TestExpunge(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		start := add(t, a, "INBOX", "1", "2", "3", "4").ModSeq
		m := box(t, a, "INBOX")
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDSet{{First: 2, Last: 3}}, imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		gone, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDSet{{First: 3, Last: imap.MaxUID}}, false)
		if err != nil || fmt.Sprint(gone) != "3" {
			t.Errorf("%v %v", gone, err)
		}
		added := add(t, a, "INBOX", "5")
		if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDSet{{First: 5, Last: 5}}, true); err != nil {
			t.Fatal(err)
		}
		if got := changes(t, m, start); got != "2 -3 -5" {
			t.Errorf("changes %q", got)
		}
		if got := changes(t, m, added.ModSeq); got != "-5" {
			t.Errorf("changes %q", got)
		}
		if got := changes(t, m, 0); got != "+1 +4 +2 -3 -5" {
			t.Errorf("changes %q", got)
		}
		if st := status(t, m); st.Messages != 3 || st.Deleted != 1 || st.Size != 3 || st.UIDNext != 6 {
			t.Errorf("%+v", st)
		}
	})
}

func TestExpungesAreForgotten(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{MaxExpunged: 8})
	a := user(t, s, "alice")
	m := box(t, a, "INBOX")
	start := status(t, m).HighestModSeq
	quiet := status(t, box(t, a, "Sent")).HighestModSeq
	for range 30 {
		add(t, a, "INBOX", "x")
		if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.AllUIDs(), true); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range m.Changes(t.Context(), start) {
		if !errors.Is(err, imap.ErrModSeqTooOld) {
			t.Fatalf("got %v", err)
		}
	}
	for _, err := range a.Changer.AccountChanges(t.Context(), start) {
		if !errors.Is(err, imap.ErrModSeqTooOld) {
			t.Fatalf("got %v", err)
		}
	}
	if got := changes(t, box(t, a, "Sent"), quiet); got != "" {
		t.Errorf("a quiet mailbox forgot: %q", got)
	}
	if n := count(t, s, "expunged"); n < 8 || n > 10 {
		t.Errorf("%d expunges are remembered", n)
	}
	highest, err := a.Changer.HighestModSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(t, m, highest-4); got != "-29 -30" {
		t.Errorf("the latest: %q", got)
	}
}

func TestCopyAndMove(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		add(t, a, "INBOX", letter("1", "one", "1"), letter("2", "two", "2"), letter("3", "three", "3"))
		in, out := box(t, a, "INBOX"), box(t, a, "Archive")
		add(t, a, "Archive", "before")
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.AllUIDs(), imap.FlagChange{Flags: []imap.Flag{imap.FlagFlagged, "x"}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
		before := list(t, in, imap.AllUIDs(), imap.FieldIDs|imap.FieldFlags|imap.FieldInternalDate|imap.FieldSize)
		start := status(t, in).HighestModSeq
		got, err := a.Copier.Copy(t.Context(), "INBOX", imap.UIDSet{{First: 2, Last: 7}}, "Archive", 0)
		if err != nil || fmt.Sprint(got.From, got.To) != "[2 3] [2 3]" || got.UIDValidity != status(t, out).UIDValidity {
			t.Errorf("%+v %v", got, err)
		}
		moved, err := a.Mover.Move(t.Context(), "INBOX", imap.UIDSet{{First: 1, Last: 1}}, "Archive", 0)
		if err != nil || fmt.Sprint(moved.From, moved.To) != "[1] [4]" {
			t.Errorf("%+v %v", moved, err)
		}
		for i, x := range list(t, out, imap.UIDSet{{First: 2, Last: 4}}, imap.FieldIDs|imap.FieldFlags|imap.FieldInternalDate|imap.FieldSize) {
			want := *before[(i+1)%3]
			want.UID = x.UID
			if fmt.Sprint(*x) != fmt.Sprint(want) {
				t.Errorf("got %+v\nwant %+v", *x, want)
			}
		}
		if got := changes(t, in, start); got != "-1" {
			t.Errorf("changes of INBOX %q", got)
		}
		if got := changes(t, out, start); got != "+2 +3 +4" {
			t.Errorf("changes of Archive %q", got)
		}
		if got := read(t, out, 4); !strings.HasSuffix(got, "\r\n\r\n1") {
			t.Errorf("moved body %q", got)
		}
		if _, err := a.Copier.Copy(t.Context(), "INBOX", imap.AllUIDs(), "none", 0); !errors.Is(err, imap.ErrNonexistent) {
			t.Error(err)
		}
		if none, err := a.Mover.Move(t.Context(), "INBOX", imap.UIDSet{{First: 50, Last: 60}}, "Archive", 0); err != nil || none.From != nil {
			t.Errorf("%+v %v", none, err)
		}
		// Within one mailbox a move gives new UIDs.
		if self, err := a.Mover.Move(t.Context(), "Archive", imap.UIDSet{{First: 4, Last: 4}}, "Archive", 0); err != nil || fmt.Sprint(self.To) != "[5]" || status(t, out).Messages != 4 {
			t.Errorf("%+v %v %+v", self, err, status(t, out))
		}
	})
}

func TestContextEnds(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range box(t, a, "INBOX").Messages(ctx, imap.AllUIDs(), 0) {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
}
