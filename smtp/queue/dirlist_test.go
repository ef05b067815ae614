package queue

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// TestListWhileSettling: a list taken while messages change and go has no errors.
func TestListWhileSettling(t *testing.T) {
	d, err := OpenDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var settling sync.WaitGroup
	done := make(chan struct{})
	settling.Go(func() {
		defer close(done)
		for i := range 100 {
			now := time.Now()
			if err := d.Put(t.Context(), Record{ID: newID(), Due: now, Data: []byte("new")}, strings.NewReader("x")); err != nil {
				t.Error(err)
				return
			}
			claims, _, err := d.Claim(t.Context(), now.Add(time.Minute), 10)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range claims {
				r := c.Record()
				next := &Record{ID: r.ID, Due: now, Data: []byte("changed")}
				if i%4 != 0 {
					next = nil
				}
				if err := c.Settle(t.Context(), next); err != nil {
					t.Error(err)
				}
			}
		}
	})
	listed := 0 // the writer waits for the disk most of the time, so the readers meet it at every step
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		for r, err := range d.List(t.Context()) {
			if listed++; err != nil || len(r.Data) == 0 {
				t.Errorf("%s: %q, %v", r.ID, r.Data, err)
				going = false
			}
		}
	}
	settling.Wait()
	if listed == 0 {
		t.Error("nothing was listed")
	}
}
