package queue_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp/queue"
	"github.com/mailbricks/mailbricks/smtp/queue/queuetest"
)

func TestDir(t *testing.T) {
	queuetest.TestSpool(t, func(t *testing.T) func() (queue.Spool, error) {
		dir := t.TempDir()
		return func() (queue.Spool, error) { return queue.OpenDir(dir, nil) }
	})
}

func TestDirInUse(t *testing.T) {
	dir := t.TempDir()
	d, err := queue.OpenDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queue.OpenDir(dir, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = queue.OpenDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// BenchmarkDirPut stores messages of 4 KiB from several goroutines; the more of them, the fewer fsyncs each.
func BenchmarkDirPut(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			d, err := queue.OpenDir(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
			var id atomic.Int64
			b.SetBytes(int64(len(body)))
			b.SetParallelism(n)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := queue.Record{ID: fmt.Sprint("m", id.Add(1)), Due: time.Unix(1, 0), Data: []byte("{}")}
					if err := d.Put(b.Context(), r, bytes.NewReader(body)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
