package queue_test

import (
	"strings"
	"testing"

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
