// Package queuetest holds implementations of queue.Spool to the rules of that interface.
package queuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailbricks/mailbricks/smtp/queue"
)

// TestSpool runs the suite. fresh makes storage of its own for one test, and returns a function that opens a Spool on
// it; that is called again after the Spool opened before was closed. A Spool that is an io.Closer is closed.
func TestSpool(t *testing.T, fresh func(t *testing.T) (open func() (queue.Spool, error))) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *harness)
	}{
		{"bodies come back byte for byte, also after reopening", testBodies},
		{"an ID is stored once", testExists},
		{"a malformed record is refused", testMalformed},
		{"a body that fails leaves nothing behind", testBodyError},
		{"claims come by due time, and next tells the first that waits", testOrder},
		{"claims come by priority before due time, also after reopening", testPriority},
		{"a message is claimed by one caller at a time", testExclusive},
		{"Settle stores the new record durably", testSettle},
		{"Settle without a record removes durably", testRemove},
		{"an ended claim does nothing any more", testEnded},
		{"Release gives back, not before its time", testRelease},
		{"Retry makes due what is not claimed", testRetry},
		{"List shows all, and may change the spool as it goes", testList},
		{"many at once", testConcurrent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &harness{t: t, open: fresh(t)}
			h.reopen()
			t.Cleanup(h.close)
			tt.run(t, h)
		})
	}
}

type harness struct {
	t     *testing.T
	open  func() (queue.Spool, error)
	spool queue.Spool
}

func (h *harness) close() {
	if c, ok := h.spool.(io.Closer); ok {
		if err := c.Close(); err != nil {
			h.t.Errorf("Close: %v", err)
		}
	}
	h.spool = nil
}

func (h *harness) reopen() {
	h.t.Helper()
	if h.spool != nil {
		h.close()
	}
	var err error
	if h.spool, err = h.open(); err != nil {
		h.t.Fatalf("open: %v", err)
	}
}

// at is a fixed time plus some seconds.
func at(seconds int) time.Time { return time.Unix(1_800_000_000+int64(seconds), 123456789) }

func record(id string, due int) queue.Record {
	return queue.Record{ID: id, Due: at(due), Data: []byte(`{"of":"` + id + `"}`)}
}

func (h *harness) put(id string, due int, body string) {
	h.t.Helper()
	if err := h.spool.Put(h.t.Context(), record(id, due), bytes.NewReader([]byte(body))); err != nil {
		h.t.Fatalf("Put %s: %v", id, err)
	}
}

// claim claims up to max at the given second, and returns the claims with their IDs.
func (h *harness) claim(second, max int) ([]queue.Claim, []string, time.Time) {
	h.t.Helper()
	cs, next, err := h.spool.Claim(h.t.Context(), at(second), max)
	if err != nil {
		h.t.Fatalf("Claim: %v", err)
	}
	var ids []string
	for _, c := range cs {
		ids = append(ids, c.Record().ID)
	}
	return cs, ids, next
}

func (h *harness) want(what string, got []string, want ...string) {
	h.t.Helper()
	if !slices.Equal(got, want) {
		h.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (h *harness) settle(c queue.Claim, r *queue.Record) {
	h.t.Helper()
	if err := c.Settle(h.t.Context(), r); err != nil {
		h.t.Fatalf("Settle %s: %v", c.Record().ID, err)
	}
}

func (h *harness) list() []string {
	h.t.Helper()
	var ids []string
	for r, err := range h.spool.List(h.t.Context()) {
		if err != nil {
			h.t.Fatalf("List: %s: %v", r.ID, err)
		}
		if !bytes.Contains(r.Data, []byte(r.ID)) {
			h.t.Errorf("List: %s has the data %q", r.ID, r.Data)
		}
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

func body(t *testing.T, c queue.Claim) []byte {
	t.Helper()
	r, err := c.Open(t.Context())
	if err != nil {
		t.Fatalf("Open %s: %v", c.Record().ID, err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("body of %s: %v", c.Record().ID, err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close of %s: %v", c.Record().ID, err)
	}
	return b
}

func testBodies(t *testing.T, h *harness) {
	rnd := rand.NewChaCha8([32]byte{1})
	want := make(map[string][]byte)
	for i, size := range []int{0, 1, 4095, 4096, 4097, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1<<20 + 7} {
		b := make([]byte, size)
		rnd.Read(b)
		id := fmt.Sprintf("Msg-%d_%d.x", i, size)
		want[id] = b
		err := h.spool.Put(t.Context(), record(id, i), iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		cs, ids, _ := h.claim(1000, 100)
		if len(ids) != len(want) {
			t.Fatalf("claimed %v", ids)
		}
		for _, c := range cs {
			r := c.Record()
			for range 2 { // each Open begins anew
				if !bytes.Equal(body(t, c), want[r.ID]) {
					t.Errorf("%s: another body", r.ID)
				}
			}
			if string(r.Data) != `{"of":"`+r.ID+`"}` {
				t.Errorf("%s: data %q", r.ID, r.Data)
			}
		}
		h.reopen()
	}
}

func testExists(t *testing.T, h *harness) {
	h.put("a", 0, "first")
	if err := h.spool.Put(t.Context(), record("a", 5), bytes.NewReader([]byte("second"))); !errors.Is(err, queue.ErrExists) {
		t.Fatalf("got %v, want ErrExists", err)
	}
	cs, _, _ := h.claim(10, 10)
	if err := h.spool.Put(t.Context(), record("a", 5), bytes.NewReader([]byte("second"))); !errors.Is(err, queue.ErrExists) {
		t.Fatalf("claimed: got %v, want ErrExists", err)
	}
	if got := body(t, cs[0]); string(got) != "first" {
		t.Errorf("body %q", got)
	}
	h.settle(cs[0], nil)
	h.put("a", 0, "third")
	h.put("A", 0, "other")
	h.reopen()
	h.want("list", h.list(), "A", "a")
}

func testMalformed(t *testing.T, h *harness) {
	for _, id := range []string{"", "a/b", "a b", "é", "a\x00", string(bytes.Repeat([]byte("x"), queue.MaxRecordID+1))} {
		if err := h.spool.Put(t.Context(), queue.Record{ID: id, Due: at(0)}, bytes.NewReader(nil)); err == nil {
			t.Errorf("ID %q accepted", id)
		}
	}
	if err := h.spool.Put(t.Context(), queue.Record{ID: "a", Due: at(0), Data: make([]byte, queue.MaxRecordData+1)}, bytes.NewReader(nil)); err == nil {
		t.Error("too much data accepted")
	}
	h.want("list", h.list())
}

func testBodyError(t *testing.T, h *harness) {
	boom := errors.New("connection lost")
	for _, size := range []int{0, 10, 100 << 10} {
		r := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(boom))
		if err := h.spool.Put(t.Context(), record("a", 0), r); !errors.Is(err, boom) {
			t.Errorf("after %d bytes: %v", size, err)
		}
		r = io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(io.ErrUnexpectedEOF))
		if err := h.spool.Put(t.Context(), record("a", 0), r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut short after %d bytes: %v", size, err)
		}
	}
	h.want("list", h.list())
	h.reopen()
	h.want("list", h.list())
	h.put("a", 0, "now whole")
}

func testOrder(t *testing.T, h *harness) {
	if _, ids, next := h.claim(100, 10); len(ids) != 0 || !next.IsZero() {
		t.Errorf("empty: %v %v", ids, next)
	}
	for _, due := range []int{30, 10, 40, 20} {
		h.put(fmt.Sprintf("m%d", due), due, "x")
	}
	for range 2 {
		if _, ids, next := h.claim(5, 10); len(ids) != 0 || !next.Equal(at(10)) {
			t.Errorf("too early: %v, next %v", ids, next)
		}
		_, ids, next := h.claim(35, 2)
		h.want("first two", ids, "m10", "m20")
		if !next.Equal(at(30)) {
			t.Errorf("next %v", next)
		}
		_, ids, next = h.claim(35, 2)
		h.want("the third", ids, "m30")
		if !next.Equal(at(40)) {
			t.Errorf("next %v", next)
		}
		h.reopen() // ends the claims
	}
}

func testPriority(t *testing.T, h *harness) {
	put := func(id string, due int, priority int8) {
		t.Helper()
		r := record(id, due)
		r.Priority = priority
		if err := h.spool.Put(t.Context(), r, bytes.NewReader(nil)); err != nil {
			t.Fatal(err)
		}
	}
	put("low", 0, -9)
	put("first", 1, 0)
	put("urgent-late", 30, 9)
	put("second", 2, 0)
	put("urgent", 3, 9)
	h.reopen()
	put("fresh", 9, 3)
	cs, ids, next := h.claim(10, 3)
	h.want("of what is due", ids, "urgent", "fresh", "first")
	if next.After(at(10)) {
		t.Errorf("next %v, and there is more", next)
	}
	r := cs[2].Record()
	r.Due, r.Priority = at(5), -9
	h.settle(cs[2], &r)
	h.settle(cs[1], nil)
	cs[0].Release(at(4))
	cs, ids, _ = h.claim(1, 10) // the clock goes back
	h.want("an earlier time", ids, "low")
	cs[0].Release(at(0))
	_, ids, _ = h.claim(40, 10)
	h.want("the rest", ids, "urgent", "urgent-late", "second", "low", "first")
	for r, err := range h.spool.List(t.Context()) {
		if err != nil || r.ID == "low" && r.Priority != -9 {
			t.Errorf("List: %+v, %v", r, err)
		}
	}
}

func testExclusive(t *testing.T, h *harness) {
	const n = 50
	for i := range n {
		h.put(fmt.Sprintf("m%d", i), i, "x")
	}
	var mu sync.Mutex
	seen := make(map[string]int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				cs, _, err := h.spool.Claim(t.Context(), at(n), 3)
				if err != nil {
					t.Error(err)
					return
				}
				if len(cs) == 0 {
					return
				}
				mu.Lock()
				for _, c := range cs {
					seen[c.Record().ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != n {
		t.Errorf("claimed %d of %d", len(seen), n)
	}
	for id, k := range seen {
		if k != 1 {
			t.Errorf("%s claimed %d times", id, k)
		}
	}
}

func testSettle(t *testing.T, h *harness) {
	h.put("a", 0, "body of a")
	h.put("b", 0, "body of b")
	for round := range 3 {
		cs, ids, _ := h.claim(100*round, 10)
		slices.Sort(ids)
		h.want("claimed", ids, "a", "b")
		for _, c := range cs {
			r := c.Record()
			h.settle(c, &queue.Record{ID: r.ID, Due: at(100 * (round + 1)), Data: fmt.Appendf(nil, "%s round %d", r.ID, round)})
		}
		if _, ids, next := h.claim(100*round+50, 10); len(ids) != 0 || !next.Equal(at(100*(round+1))) {
			t.Errorf("round %d: %v, next %v", round, ids, next)
		}
		if round%2 == 0 {
			h.reopen()
		}
		h.want("list", h.list(), "a", "b")
	}
	cs, _, _ := h.claim(1000, 10)
	for _, c := range cs {
		if r := c.Record(); string(r.Data) != r.ID+" round 2" || string(body(t, c)) != "body of "+r.ID {
			t.Errorf("%s: data %q", r.ID, r.Data)
		}
		if err := c.Settle(t.Context(), &queue.Record{ID: "other", Due: at(0)}); err == nil {
			t.Error("settled under another ID")
		}
	}
}

func testRemove(t *testing.T, h *harness) {
	for i := range 6 {
		h.put(fmt.Sprintf("m%d", i), i, "x")
	}
	cs, _, _ := h.claim(100, 6)
	h.settle(cs[1], nil)
	h.settle(cs[3], nil)
	h.settle(cs[4], &queue.Record{ID: "m4", Due: at(200), Data: []byte("m4 again")})
	h.want("list", h.list(), "m0", "m2", "m4", "m5")
	h.reopen()
	h.want("list", h.list(), "m0", "m2", "m4", "m5")
	cs, _, _ = h.claim(1000, 6)
	for _, c := range cs {
		h.settle(c, nil)
	}
	h.want("list", h.list())
	h.reopen()
	h.want("list", h.list())
}

func testEnded(t *testing.T, h *harness) {
	h.put("a", 0, "x")
	cs, _, _ := h.claim(1, 1)
	h.settle(cs[0], &queue.Record{ID: "a", Due: at(0), Data: []byte("a")})
	again, ids, _ := h.claim(1, 1)
	h.want("claimed again", ids, "a")
	if err := cs[0].Settle(t.Context(), nil); err == nil {
		t.Error("an ended claim settled")
	}
	cs[0].Release(at(0))
	if _, ids, _ := h.claim(1, 1); len(ids) != 0 {
		t.Errorf("an ended claim released %v", ids)
	}
	h.settle(again[0], nil)
}

func testRelease(t *testing.T, h *harness) {
	h.put("a", 0, "x")
	cs, _, _ := h.claim(1, 1)
	cs[0].Release(at(50))
	if _, ids, next := h.claim(49, 1); len(ids) != 0 || !next.Equal(at(50)) {
		t.Errorf("before its time: %v, next %v", ids, next)
	}
	cs, ids, _ := h.claim(50, 1)
	h.want("in time", ids, "a")
	if string(cs[0].Record().Data) != `{"of":"a"}` {
		t.Errorf("data %q", cs[0].Record().Data)
	}
}

func testRetry(t *testing.T, h *harness) {
	for i := range 4 {
		h.put(fmt.Sprintf("m%d", i), 100*i, "x")
	}
	h.claim(0, 1) // m0
	if n, err := h.spool.Retry(t.Context(), at(1), "m0", "m2", "unknown"); err != nil || n != 1 {
		t.Errorf("Retry: %d %v", n, err)
	}
	_, ids, _ := h.claim(1, 10)
	h.want("one", ids, "m2")
	if n, err := h.spool.Retry(t.Context(), at(2)); err != nil || n != 2 {
		t.Errorf("Retry of all: %d %v", n, err)
	}
	_, ids, _ = h.claim(2, 10)
	slices.Sort(ids)
	h.want("all", ids, "m1", "m3")
}

func testList(t *testing.T, h *harness) {
	for i := range 10 {
		h.put(fmt.Sprintf("m%d", i), i, "x")
	}
	cs, _, _ := h.claim(4, 100)
	n := 0
	for range h.spool.List(t.Context()) {
		if n++; n == 1 {
			for _, c := range cs {
				h.settle(c, nil)
			}
			h.put("new", 0, "x")
		}
	}
	h.want("list", h.list(), "m5", "m6", "m7", "m8", "m9", "new")
	for range h.spool.List(t.Context()) {
		break
	}
}

func testConcurrent(t *testing.T, h *harness) {
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("w%d-%d", w, i)
				if err := h.spool.Put(t.Context(), record(id, 0), bytes.NewReader(bytes.Repeat([]byte(id), 1+i*1000))); err != nil {
					t.Errorf("Put %s: %v", id, err)
				}
			}
		})
	}
	var mu sync.Mutex
	kept := make(map[string]bool)
	ctx, cancel := context.WithCancel(t.Context())
	var claimers sync.WaitGroup
	for range 4 {
		claimers.Go(func() {
			for done := false; ; {
				cs, _, err := h.spool.Claim(t.Context(), at(1), 5)
				if err != nil {
					t.Error(err)
					return
				}
				for _, c := range cs {
					id := c.Record().ID
					if b := body(t, c); len(b)%len(id) != 0 || !bytes.HasPrefix(b, []byte(id)) {
						t.Errorf("%s: wrong body", id)
					}
					var r *queue.Record
					if id[len(id)-1]%2 == 0 {
						r = &queue.Record{ID: id, Due: at(1000), Data: []byte(id)}
						mu.Lock()
						kept[id] = true
						mu.Unlock()
					}
					if err := c.Settle(t.Context(), r); err != nil {
						t.Errorf("Settle: %v", err)
					}
				}
				if len(cs) == 0 {
					if done {
						return
					}
					done = ctx.Err() != nil // once more after the last Put
				}
			}
		})
	}
	wg.Wait()
	cancel()
	claimers.Wait()
	h.reopen()
	var want []string
	for id := range kept {
		want = append(want, id)
	}
	slices.Sort(want)
	h.want("list", h.list(), want...)
	if len(want) != workers*each/2 {
		t.Errorf("%d kept", len(want))
	}
}
