package disktest

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// save writes a file as a durable store should, leaving out the named step.
func save(t *testing.T, fsys disk.FS, dir, name, content, without string) {
	t.Helper()
	tmp, final := filepath.Join(dir, name+".tmp"), filepath.Join(dir, name+".ok")
	f, err := fsys.Open(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	must(t, err)
	_, err = f.Write([]byte(content[:1]))
	must(t, err)
	_, err = f.Write([]byte(content[1:]))
	must(t, err)
	if without != "sync" {
		must(t, f.Sync())
	}
	must(t, f.Close())
	must(t, fsys.Rename(tmp, final))
	if without != "syncdir" {
		must(t, disk.SyncDir(fsys, dir))
	}
}

// TestOS runs the same steps on the operating system's file system and on a Disk.
func TestOS(t *testing.T) {
	for name, fsys := range map[string]disk.FS{"os": disk.OS(), "memory": New()} {
		dir := t.TempDir()
		save(t, fsys, dir, "a", "hello", "")
		names, err := disk.ReadDir(fsys, dir)
		must(t, err)
		if !slices.Equal(names, []string{"a.ok"}) {
			t.Errorf("%s: %v", name, names)
		}
		f, err := fsys.Open(filepath.Join(dir, "a.ok"), os.O_RDONLY)
		must(t, err)
		b := make([]byte, 3)
		if n, err := f.ReadAt(b, 2); n != 3 || err != nil || string(b) != "llo" {
			t.Errorf("%s: %q %v", name, b[:n], err)
		}
		if st, err := f.Stat(); err != nil || st.Size() != 5 {
			t.Errorf("%s: %v %v", name, st, err)
		}
		must(t, f.Close())
		if _, err := fsys.Open(filepath.Join(dir, "none.ok"), os.O_RDONLY); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := fsys.Open(filepath.Join(dir, "a.ok"), os.O_RDWR|os.O_CREATE|os.O_EXCL); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, fsys.Remove(filepath.Join(dir, "a.ok")))
	}
}

// TestCrash sees what is left behind each operation of a correct and of two careless writers.
func TestCrash(t *testing.T) {
	left := func(d *Disk, n int, keep func(int) bool) string {
		var out []string
		files := d.Crash(n, keep).Files()
		for _, name := range slices.Sorted(maps.Keys(files)) {
			out = append(out, filepath.Base(name)+"="+string(files[name]))
		}
		return strings.Join(out, " ")
	}
	all := func(int) bool { return true }

	d := New()
	save(t, d, "/q", "a", "hello", "")
	if d.Ops() != 6 { // create, write, write, sync, rename, syncdir
		t.Fatalf("%d operations", d.Ops())
	}
	for n, want := range []string{"", "", "", "", "", "", "a.ok=hello"} {
		if got := left(d, n, nil); got != want {
			t.Errorf("after %d, none kept: %q, want %q", n, got, want)
		}
	}
	for n, want := range []string{"", "a.tmp=", "a.tmp=h", "a.tmp=hello", "a.tmp=hello", "a.ok=hello", "a.ok=hello"} {
		if got := left(d, n, all); got != want {
			t.Errorf("after %d, all kept: %q, want %q", n, got, want)
		}
	}
	if got := left(d, 3, func(i int) bool { return i != 1 }); got != "a.tmp=\x00ello" {
		t.Errorf("hole: %q", got)
	}

	d = New()
	save(t, d, "/q", "a", "hello", "sync")
	if got := left(d, d.Ops(), nil); got != "a.ok=" {
		t.Errorf("without sync: %q", got)
	}
	d = New()
	save(t, d, "/q", "a", "hello", "syncdir")
	if got := left(d, d.Ops(), nil); got != "" {
		t.Errorf("without syncdir: %q", got)
	}

	// A second life: what the first left is durable, what the second does not sync is lost.
	d = New()
	save(t, d, "/q", "a", "hello", "")
	d = d.Crash(d.Ops(), nil)
	f, err := d.Open("/q/a.ok", os.O_RDWR)
	must(t, err)
	_, err = f.WriteAt([]byte("J"), 0)
	must(t, err)
	must(t, d.Remove("/q/a.ok"))
	if got := left(d, d.Ops(), nil); got != "a.ok=hello" {
		t.Errorf("second life: %q", got)
	}
	if got := left(d, d.Ops(), all); got != "" {
		t.Errorf("second life, all kept: %q", got)
	}
}

func TestBefore(t *testing.T) {
	d := New()
	boom := errors.New("boom")
	d.Before(func(o Op) error {
		if o.Kind == Sync && strings.HasSuffix(o.Name, ".tmp") {
			return boom
		}
		return nil
	})
	f, err := d.Open("/q/a.tmp", os.O_RDWR|os.O_CREATE|os.O_EXCL)
	must(t, err)
	if err := f.Sync(); !errors.Is(err, boom) {
		t.Error(err)
	}
	must(t, disk.SyncDir(d, "/q"))
}
