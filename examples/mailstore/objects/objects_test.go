package objects

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func open(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "objects"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func draft(t *testing.T, d *Dir, content string) *Draft {
	t.Helper()
	w := NewDraft(d, 8, 1<<20)
	t.Cleanup(func() { w.Close() })
	if _, err := w.ReadFrom(iotest.OneByteReader(strings.NewReader(content))); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestDraft(t *testing.T) {
	d := open(t)
	for _, content := range []string{"", "short", "12345678", "123456789", strings.Repeat("long ", 9000)} {
		w := draft(t, d, content)
		if err := w.Keep(); err != nil {
			t.Fatal(err)
		}
		if w.Hash() != sha256.Sum256([]byte(content)) || w.Size() != int64(len(content)) {
			t.Errorf("%d octets: hash or size is wrong", len(content))
		}
		b, release, err := w.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != content {
			t.Errorf("%d octets: Bytes gives %d", len(content), len(b))
		}
		release()
		got, err := io.ReadAll(io.NewSectionReader(w, 0, w.Size()))
		if err != nil || string(got) != content {
			t.Errorf("%d octets read back as %d, %v", len(content), len(got), err)
		}
		mem, inline := w.Inline()
		if inline != (len(content) <= 8) || inline && string(mem) != content {
			t.Errorf("%d octets: inline %v", len(content), inline)
		}
		f, err := d.Open(w.Hash())
		if inline {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("an inline content has a file: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		file, _ := io.ReadAll(f)
		f.Close()
		if string(file) != content {
			t.Errorf("%d octets: the file differs", len(content))
		}
	}
}

func TestDraftInMemoryOnly(t *testing.T) {
	w := draft(t, nil, "far beyond eight octets")
	if mem, ok := w.Inline(); !ok || string(mem) != "far beyond eight octets" {
		t.Errorf("got %q, %v", mem, ok)
	}
}

func TestDraftTooBig(t *testing.T) {
	w := NewDraft(open(t), 4, 10)
	defer w.Close()
	if _, err := w.ReadFrom(strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrTooBig) {
		t.Errorf("got %v", err)
	}
}

func TestAbandonedDraftLeavesNothing(t *testing.T) {
	d := open(t)
	draft(t, d, "never kept, never found").Close()
	assertFiles(t, d, 0)
}

func TestRemoveSparesWhatADraftHasKept(t *testing.T) {
	d := open(t)
	a := draft(t, d, "the same long content")
	if err := a.Keep(); err != nil {
		t.Fatal(err)
	}
	b := draft(t, d, "the same long content")
	if err := b.Keep(); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if gone, err := d.Remove(b.Hash()); gone || err != nil {
		t.Fatalf("Remove took what b relies on: %v, %v", gone, err)
	}
	assertFiles(t, d, 1)
	b.Close()
	if gone, err := d.Remove(b.Hash()); !gone || err != nil {
		t.Fatalf("got %v, %v", gone, err)
	}
	assertFiles(t, d, 0)
}

func TestOpenRemovesStrays(t *testing.T) {
	d := open(t)
	if err := os.WriteFile(filepath.Join(d.tmp(), "stray"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := draft(t, d, "a kept long content")
	if err := w.Keep(); err != nil {
		t.Fatal(err)
	}
	d2, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(d2.tmp()); len(left) != 0 {
		t.Errorf("left below tmp: %v", left)
	}
	assertFiles(t, d2, 1)
}

// What Keep promises rests on two syncs: the file before its name, then the directory of the name.
func TestKeepSyncsFileThenDirectory(t *testing.T) {
	d := open(t)
	var synced []string
	d.sync = func(f *os.File) error { synced = append(synced, f.Name()); return f.Sync() }
	w := draft(t, d, "content of a file")
	if err := w.Keep(); err != nil {
		t.Fatal(err)
	}
	if len(synced) != 2 || filepath.Dir(synced[0]) != d.tmp() || synced[1] != filepath.Dir(d.name(w.Hash())) {
		t.Errorf("synced %q", synced)
	}
}

func TestKeepFailsWithTheSync(t *testing.T) {
	for _, nth := range []int{1, 2} {
		d := open(t)
		broken := errors.New("input/output error")
		n := 0
		d.sync = func(*os.File) error {
			if n++; n == nth {
				return broken
			}
			return nil
		}
		if err := draft(t, d, "content of a file").Keep(); !errors.Is(err, broken) {
			t.Errorf("sync %d failed, Keep says %v", nth, err)
		}
	}
}

func assertFiles(t *testing.T, d *Dir, want int) {
	t.Helper()
	n := 0
	err := d.Each(func(h Hash, size int64) error {
		n++
		f, err := d.Open(h)
		if err != nil {
			return err
		}
		defer f.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(f); err != nil {
			return err
		}
		if sha256.Sum256(b.Bytes()) != h || int64(b.Len()) != size {
			t.Errorf("%x does not name its content", h)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Errorf("%d files, want %d", n, want)
	}
}
