package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk"
	"github.com/mailbricks/mailbricks/internal/disk/disktest"
)

// A ledger knows what was promised of each message, and when, counted in operations of the disk.
type ledger struct {
	disk *disktest.Disk
	mu   sync.Mutex
	msgs map[string][]change
}

// A change is one Put or Settle: begun and, if it was, acknowledged behind so many operations.
type change struct {
	begun, acked int
	state        string // "" for removed
}

func (l *ledger) do(id, state string, f func() error) error {
	l.mu.Lock()
	l.msgs[id] = append(l.msgs[id], change{begun: l.disk.Ops(), acked: 1 << 30, state: state})
	at := len(l.msgs[id]) - 1
	l.mu.Unlock()
	err := f()
	l.mu.Lock()
	if err == nil {
		l.msgs[id][at].acked = l.disk.Ops()
	}
	l.mu.Unlock()
	return err
}

// allowed returns what may be found of a message after power was lost behind n operations: the newest acknowledged
// state, or one that was on its way.
func (l *ledger) allowed(id string, n int) map[string]bool {
	ok := map[string]bool{"": true}
	for _, c := range l.msgs[id] {
		if c.acked <= n {
			ok = map[string]bool{}
		}
		if c.begun < n {
			ok[c.state] = true
		}
	}
	return ok
}

func bodyOf(id string) []byte {
	n := 100
	if strings.HasPrefix(id, "large") {
		n = smallBody + 1000
	}
	return bytes.Repeat([]byte(id), n/len(id)+1)
}

// work puts, settles and removes messages, small and large, several at once.
func work(t *testing.T, d *Dir, l *ledger, name string) {
	ctx := context.Background()
	put := func(id string) error {
		return l.do(id, "new", func() error {
			return d.Put(ctx, Record{ID: id, Due: time.Unix(0, 0), Data: []byte("new")}, bytes.NewReader(bodyOf(id)))
		})
	}
	settle := func(c Claim, state string) error {
		id := c.Record().ID
		return l.do(id, state, func() error {
			if state == "" {
				return c.Settle(ctx, nil)
			}
			return c.Settle(ctx, &Record{ID: id, Due: time.Unix(0, 0), Data: []byte(state)})
		})
	}
	all := func(fs ...func() error) {
		var wg sync.WaitGroup
		for _, f := range fs {
			wg.Go(func() {
				if err := f(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	var puts []func() error
	for i := range 5 {
		puts = append(puts, func() error { return put(fmt.Sprintf("small-%s-%d", name, i)) })
	}
	puts = append(puts, func() error { return put("large-" + name) })
	all(puts...)
	for round := range 4 {
		cs, _, err := d.Claim(ctx, time.Unix(1, 0), 100)
		if err != nil {
			t.Error(err)
			return
		}
		var settles []func() error
		for i, c := range cs {
			state := fmt.Sprintf("round %d", round)
			if (i+round)%3 == 0 {
				state = ""
			}
			settles = append(settles, func() error { return settle(c, state) })
		}
		all(settles...)
	}
	all(func() error { return put("late-" + name) })
}

// check opens a crashed disk and holds what is found to the ledger.
func check(t *testing.T, where string, d *disktest.Disk, l *ledger, n int) {
	t.Helper()
	s, err := openDir(d, "/q", nil)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	defer s.Close()
	if s.Quarantined() != 0 {
		t.Errorf("%s: a power loss damaged %d entries", where, s.Quarantined())
	}
	found := make(map[string]string)
	cs, _, err := s.Claim(context.Background(), time.Unix(1, 0), 1000)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	for _, c := range cs {
		r := c.Record()
		found[r.ID] = string(r.Data)
		rd, err := c.Open(context.Background())
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		b, err := io.ReadAll(rd)
		if err != nil || !bytes.Equal(b, bodyOf(r.ID)) {
			t.Errorf("%s: body of %s: %v", where, r.ID, err)
		}
	}
	for id := range found {
		if l.msgs[id] == nil {
			t.Errorf("%s: %s was never put", where, id)
		}
	}
	for id := range l.msgs {
		if ok := l.allowed(id, n); !ok[found[id]] {
			t.Errorf("%s: %s is %q, want one of %v", where, id, found[id], ok)
		}
	}
}

// TestPowerLoss takes the power away behind every operation, with what was not synced lost, kept, or kept in part, and
// again behind every operation of the start that follows. Nothing acknowledged is lost, nothing that was removed or
// never put appears.
func TestPowerLoss(t *testing.T) {
	d := disktest.New()
	l := &ledger{disk: d, msgs: make(map[string][]change)}
	s, err := openDir(d, "/q", nil)
	if err != nil {
		t.Fatal(err)
	}
	work(t, s, l, "a")
	work(t, s, l, "b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations, %d messages", d.Ops(), len(l.msgs))
	keeps := []func(seed int) func(int) bool{
		func(int) func(int) bool { return nil },
		func(int) func(int) bool { return func(int) bool { return true } },
		func(seed int) func(int) bool {
			rnd := rand.New(rand.NewPCG(uint64(seed), 1))
			return func(int) bool { return rnd.IntN(2) == 0 }
		},
	}
	for n := range d.Ops() + 1 {
		for k, keep := range keeps {
			where := fmt.Sprintf("after %d, mode %d", n, k)
			check(t, where, d.Crash(n, keep(n)), l, n)
			if n%5 != 0 {
				continue
			}
			// The start after the crash has operations of its own.
			once := d.Crash(n, keep(n))
			s, err := openDir(once, "/q", nil)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			for m := range once.Ops() + 1 {
				check(t, fmt.Sprintf("%s, then after %d", where, m), once.Crash(m, keep(m)), l, n)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// TestPowerLossCatches sees the test above fail for a spool that forgets one sync.
func TestPowerLossCatches(t *testing.T) {
	for _, forget := range []disktest.Kind{disktest.Sync, disktest.SyncDir} {
		d := disktest.New()
		l := &ledger{disk: d, msgs: make(map[string][]change)}
		s, err := openDir(forgetful{d, forget}, "/q", nil)
		if err != nil {
			t.Fatal(err)
		}
		work(t, s, l, "a")
		s.Close()
		lost := false
		for n := range d.Ops() + 1 {
			found, err := openDir(d.Crash(n, nil), "/q", nil)
			if err != nil {
				t.Fatal(err)
			}
			for id := range l.msgs {
				_, there := found.items[id]
				lost = lost || !there && !l.allowed(id, n)[""]
			}
			found.Close()
		}
		if !lost {
			t.Errorf("without %s nothing was lost", forget)
		}
	}
}

// TestFsyncError injects EIO into one sync: no acknowledgement, and the spool is read-only from then on.
func TestFsyncError(t *testing.T) {
	for _, kind := range []disktest.Kind{disktest.Sync, disktest.SyncDir} {
		for _, id := range []string{"small", "large"} {
			d := disktest.New()
			s, err := openDir(d, "/q", nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			put := func(id string) error {
				return s.Put(ctx, Record{ID: id, Due: time.Unix(0, 0)}, bytes.NewReader(bodyOf(id)))
			}
			if err := put("before"); err != nil {
				t.Fatal(err)
			}
			cs, _, err := s.Claim(ctx, time.Unix(1, 0), 1)
			if err != nil {
				t.Fatal(err)
			}
			syncs := 0
			d.Before(func(o disktest.Op) error {
				if o.Kind == kind {
					if syncs++; syncs == 1 {
						return syscall.EIO
					}
				}
				return nil
			})
			for i, err := range []error{put(id), put("after"), cs[0].Settle(ctx, nil)} {
				if !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
					t.Errorf("%s %s: call %d: %v", kind, id, i, err)
				}
			}
			if _, _, err := s.Claim(ctx, time.Unix(1, 0), 1); !errors.Is(err, ErrReadOnly) {
				t.Errorf("Claim: %v", err)
			}
			if syncs != 1 {
				t.Errorf("%s: %d syncs after the first error", kind, syncs-1)
			}
			s.Close()
			d.Before(nil)
			s, err = openDir(d, "/q", nil)
			if err != nil || s.items["before"] == nil {
				t.Errorf("opened anew: %v", err)
			}
			s.Close()
		}
	}
}

// TestDiskFull lets writes fail for want of space: no acknowledgement, nothing in part, and all well when there is
// space again.
func TestDiskFull(t *testing.T) {
	for _, id := range []string{"small", "large"} {
		d := disktest.New()
		s, err := openDir(d, "/q", nil)
		if err != nil {
			t.Fatal(err)
		}
		put := func(id string) error {
			return s.Put(t.Context(), Record{ID: id, Due: time.Unix(0, 0)}, bytes.NewReader(bodyOf(id)))
		}
		d.Before(func(o disktest.Op) error {
			if o.Kind == disktest.Write {
				return syscall.ENOSPC
			}
			return nil
		})
		if err := put(id); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", id, err)
		}
		if files := d.Files(); len(files) != 0 {
			t.Errorf("%s: left %d files", id, len(files))
		}
		d.Before(nil)
		if err := put(id); err != nil {
			t.Errorf("%s: space again: %v", id, err)
		}
		s.Close()
	}
}

// forgetful does not pass on one kind of sync.
type forgetful struct {
	*disktest.Disk
	kind disktest.Kind
}

type forgetfulFile struct {
	disk.File
	skip bool
}

func (f forgetful) Open(name string, flag int) (disk.File, error) {
	file, err := f.Disk.Open(name, flag)
	if err != nil {
		return nil, err
	}
	isDir := path.Ext(name) == "" && flag == os.O_RDONLY
	return forgetfulFile{file, isDir == (f.kind == disktest.SyncDir)}, nil
}

func (f forgetfulFile) Sync() error {
	if f.skip {
		return nil
	}
	return f.File.Sync()
}

// TestQuarantine damages the files of a spool in every place: no start fails, what is whole is still there, what is
// damaged is set aside once.
func TestQuarantine(t *testing.T) {
	ids := []string{"small-1", "small-2", "small-3", "large"}
	fresh := func() *disktest.Disk {
		d := disktest.New()
		s, err := openDir(d, "/q", nil)
		if err != nil {
			t.Fatal(err)
		}
		var group []*op
		for _, id := range ids[:3] { // one file for the three
			o := &op{kind: kindMessage, entry: entry{kind: kindMessage, id: id, due: time.Unix(0, 0), data: []byte(id)}, body: bodyOf(id)}
			o.entry.bodyLen, o.entry.bodyCRC = int64(len(o.body)), crc32.Checksum(o.body, castagnoli())
			group = append(group, o)
		}
		if err := s.commit(group); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), Record{ID: "large", Due: time.Unix(0, 0), Data: []byte("large")}, bytes.NewReader(bodyOf("large"))); err != nil {
			t.Fatal(err)
		}
		s.Close()
		return d.Crash(d.Ops(), nil)
	}
	const shared = "/q/0000000000000001.mail"
	size := len(fresh().Files()[shared])
	for off := 0; off < size; off += 7 {
		d := fresh()
		d.Corrupt(shared, func(b []byte) []byte { b[off] ^= 0x55; return b })
		for life := range 2 {
			s, err := openDir(d, "/q", nil)
			if err != nil {
				t.Fatalf("byte %d: %v", off, err)
			}
			whole := make(map[string]bool)
			cs, _, err := s.Claim(t.Context(), time.Unix(1, 0), 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cs {
				r, err := c.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				id := c.Record().ID
				b, err := io.ReadAll(r)
				switch {
				case err == nil && bytes.Equal(b, bodyOf(id)):
					whole[id] = true
					c.Release(time.Unix(0, 0))
				case errors.Is(err, ErrCorrupt):
					if err := c.Settle(t.Context(), nil); err != nil {
						t.Error(err)
					}
				default:
					t.Errorf("byte %d: %s: %v", off, id, err)
				}
			}
			if !whole["large"] || off >= fileHeader && len(whole) != 3 || off < fileHeader && len(whole) < 1 {
				t.Errorf("byte %d, life %d: whole %v", off, life, whole)
			}
			if want := 1 - life; s.Quarantined() != want && off >= fileHeader {
				t.Errorf("byte %d, life %d: %d set aside", off, life, s.Quarantined())
			}
			s.Close()
		}
		bad := 0
		for name := range d.Files() {
			if strings.HasSuffix(name, ".bad") {
				bad++
			}
		}
		if bad == 0 {
			t.Errorf("byte %d: nothing set aside", off)
		}
	}
	for n := 0; n < size; n += 11 { // cut short
		d := fresh()
		d.Corrupt(shared, func(b []byte) []byte { return b[:n] })
		s, err := openDir(d, "/q", nil)
		if err != nil {
			t.Fatalf("cut to %d: %v", n, err)
		}
		if s.items["large"] == nil {
			t.Errorf("cut to %d: the other file is lost", n)
		}
		s.Close()
	}
}
