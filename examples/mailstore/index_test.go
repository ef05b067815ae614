package mailstore

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// Whatever is done by several at once, an index is what the table says; with room for one list only it is too.
func TestIndexIsTheTable(t *testing.T) {
	for _, size := range []int64{0, 1} {
		t.Run(fmt.Sprint("cache ", size), func(t *testing.T) {
			s := openDir(t, t.TempDir(), Options{Cache: size, MaxExpunged: 20})
			a := user(t, s, "alice")
			add(t, a, "INBOX", letter("0", "zero", "x\r\n"))
			var boxes []int64
			for _, name := range []string{"INBOX", "Archive"} {
				boxes = append(boxes, box(t, a, name).(*mailbox).id)
			}
			for round := range 30 {
				var wg sync.WaitGroup
				for worker := range 4 {
					wg.Go(func() {
						rnd := rand.New(rand.NewPCG(uint64(round), uint64(worker)))
						for n := range 5 {
							somethingRandom(t, a, rnd, fmt.Sprint(round, "-", worker, "-", n))
							id := boxes[rnd.IntN(2)]
							x, err := s.index(t.Context(), id)
							if err != nil {
								t.Error(err)
								continue
							}
							if b, err := s.boxNow(t.Context(), id); err != nil || b.modseq < x.modseq {
								t.Errorf("the mailbox is behind its list: %+v, %d, %v", b, x.modseq, err)
							}
						}
					})
				}
				wg.Wait()
				for _, id := range boxes {
					checkIndex(t, s, id)
				}
			}
		})
	}
}

func somethingRandom(t *testing.T, a *imap.Account, rnd *rand.Rand, name string) {
	from, to := "INBOX", "Archive"
	if rnd.IntN(2) == 0 {
		from, to = to, from
	}
	first := imap.UID(1 + rnd.IntN(60))
	uids := imap.UIDSet{{First: first, Last: first + imap.UID(rnd.IntN(6))}}
	flags := []imap.Flag{[]imap.Flag{imap.FlagDeleted, imap.FlagSeen, "$a", "$b"}[rnd.IntN(4)]}
	var err error
	switch rnd.IntN(6) {
	case 0:
		add(t, a, from, letter(name, name, "x\r\n"), letter(name+"'", name, "y\r\n"))
	case 1:
		_, err = a.Flagger.StoreFlags(t.Context(), from, uids, imap.FlagChange{Op: imap.FlagOp(rnd.IntN(3)), Flags: flags}, 1<<62)
	case 2:
		_, err = a.Flagger.StoreFlags(t.Context(), from, imap.AllUIDs(), imap.FlagChange{Op: imap.FlagsAdd, Flags: flags}, imap.ModSeq(rnd.IntN(300)))
	case 3:
		_, err = a.Expunger.Expunge(t.Context(), from, uids, rnd.IntN(2) == 0)
	case 4:
		_, err = a.Copier.Copy(t.Context(), from, uids, to, 0)
	case 5:
		_, err = a.Mover.Move(t.Context(), from, uids, to, 0)
	}
	if err != nil {
		t.Error(err)
	}
}

// checkIndex compares the index with the table, and what the writing goroutine would take it for.
func checkIndex(t *testing.T, s *Store, id int64) {
	t.Helper()
	x, err := s.index(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var want []msgRow
	var row boxRow
	err = s.db.read(t.Context(), func(c *conn) error {
		if err := c.row(row.fields(), `SELECT `+boxColumns+` FROM mailbox WHERE id = ?`, id); err != nil {
			return err
		}
		return c.rows(func(r *sql.Rows) error {
			var m msgRow
			err := r.Scan(m.fields()...)
			want = append(want, m)
			return err
		}, `SELECT `+msgColumns+` FROM message WHERE mailbox = ? ORDER BY uid`, id)
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.boxNow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	now := b.boxRow
	if now.horizon = row.horizon; !reflect.DeepEqual(now, row) { // the horizon may move alone, and nobody asks for it here
		t.Fatalf("the mailbox in memory %+v\nin the table %+v", now, row)
	}
	got := x.messages(imap.AllUIDs(), nil)
	if len(got) != len(want) {
		t.Fatalf("%d messages in the index, %d in the table", len(got), len(want))
	}
	for i := range got {
		want[i].adjacent = i > 0
		if got[i] != want[i] {
			t.Fatalf("in the index %+v\nin the table %+v", got[i], want[i])
		}
	}
}

// A mailbox that has been deleted is gone although its list was at hand.
func TestIndexOfDeleted(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		if _, err := a.Editor.Create(t.Context(), "box", imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		add(t, a, "box", letter("1", "x", "y\r\n"))
		m := box(t, a, "box")
		if got := read(t, m, 1); got == "" || len(list(t, m, imap.AllUIDs(), imap.FieldEnvelope)) != 1 {
			t.Fatal("not there")
		}
		if err := a.Editor.Delete(t.Context(), "box"); err != nil {
			t.Fatal(err)
		}
		for _, err := range m.Messages(t.Context(), imap.AllUIDs(), imap.FieldFlags) {
			if !errors.Is(err, imap.ErrNonexistent) {
				t.Error(err)
			}
		}
		if _, err := m.Body(t.Context(), 1); !errors.Is(err, imap.ErrNonexistent) {
			t.Error(err)
		}
	})
}

func TestCache(t *testing.T) {
	c := newCache(100)
	c.put(cachedBytes, 1, "a", 40)
	c.put(cachedBytes, 2, "b", 40)
	c.put(cachedDetails, 1, "c", 10)
	if c.get(cachedBytes, 1) != "a" { // now 2 is the oldest
		t.Error("a has gone")
	}
	c.put(cachedBytes, 3, "d", 30)
	if c.get(cachedBytes, 2) != nil || c.get(cachedBytes, 1) != "a" || c.get(cachedDetails, 1) != "c" || c.size != 80 {
		t.Errorf("size %d", c.size)
	}
	c.put(cachedBytes, 1, "a2", 500) // alone
	if c.get(cachedBytes, 1) != "a2" || c.get(cachedBytes, 3) != nil || c.size != 500 {
		t.Errorf("size %d", c.size)
	}
	c.drop(cachedBytes, 1)
	if c.get(cachedBytes, 1) != nil || c.size != 0 || c.order.Len() != 0 || len(c.items) != 0 {
		t.Errorf("%+v", c)
	}
}
