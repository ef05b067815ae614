package mailstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	sqlite3 "modernc.org/sqlite/lib"
)

// grouped runs operations that wait together and returns their errors.
func grouped(t *testing.T, d *db, runs ...func(*tx) error) []error {
	t.Helper()
	d.ops = make(chan *op, len(runs))
	var ops []*op
	for _, r := range runs {
		ops = append(ops, &op{run: r, done: make(chan struct{})})
	}
	for _, o := range ops[1:] {
		d.ops <- o
	}
	d.group(ops[0])
	for len(d.ops) > 0 { // a failure ends a group
		d.group(<-d.ops)
	}
	var out []error
	for _, o := range ops {
		<-o.done
		out = append(out, o.err)
	}
	return out
}

// testDB opens a database without its writing goroutine.
func testDB(t *testing.T, dir string) (*db, *int) {
	t.Helper()
	d, err := openDB(dir, "FULL", 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.pool.Close() })
	commits := new(int)
	d.committed = func(*tx) { *commits++ }
	return d, commits
}

func newAccount(name string) func(*tx) error {
	return func(t *tx) error {
		_, err := t.insert(`INSERT INTO account (name, modseq, horizon, uidvalidity, gone) VALUES (?, 0, 0, 0, 0)`, name)
		return err
	}
}

func accounts(t *testing.T, d *db) int {
	t.Helper()
	var n int
	if err := d.read(t.Context(), func(c *conn) error { return c.row([]any{&n}, `SELECT count(*) FROM account`) }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGroup(t *testing.T) {
	refused := errors.New("refused before anything was written")
	failed := errors.New("failed half way")
	refuse := func(*tx) error { return refused }
	fail := func(t *tx) error {
		if err := newAccount("half")(t); err != nil {
			return err
		}
		return failed
	}
	for _, tt := range []struct {
		name     string
		runs     []func(*tx) error
		want     []error
		commits  int
		accounts int
	}{
		{"one", []func(*tx) error{newAccount("a")}, []error{nil}, 1, 1},
		{"one commit for many", []func(*tx) error{newAccount("a"), newAccount("b"), newAccount("c")}, []error{nil, nil, nil}, 1, 3},
		{"a refusal costs the others nothing", []func(*tx) error{newAccount("a"), refuse, newAccount("c")}, []error{nil, refused, nil}, 1, 2},
		{"a failure is one operation's alone", []func(*tx) error{newAccount("a"), fail, newAccount("c")}, []error{nil, failed, nil}, 2, 2},
		{"the last fails", []func(*tx) error{newAccount("a"), fail}, []error{nil, failed}, 1, 1},
		{"alone", []func(*tx) error{fail}, []error{failed}, 0, 0},
		{"only failures", []func(*tx) error{fail, fail}, []error{failed, failed}, 0, 0},
	} {
		for _, dir := range []string{"", t.TempDir()} {
			d, commits := testDB(t, dir)
			got := grouped(t, d, tt.runs...)
			if fmt.Sprint(got) != fmt.Sprint(tt.want) || *commits != tt.commits || accounts(t, d) != tt.accounts {
				t.Errorf("%s: %v, %d commits, %d accounts", tt.name, got, *commits, accounts(t, d))
			}
		}
	}
}

func TestGroupIsBounded(t *testing.T) {
	d, commits := testDB(t, "")
	var runs []func(*tx) error
	for i := range maxGroup + 1 {
		runs = append(runs, newAccount(fmt.Sprint(i)))
	}
	d.ops = make(chan *op, len(runs))
	for _, r := range runs[1:] {
		d.ops <- &op{run: r, done: make(chan struct{})}
	}
	d.group(&op{run: runs[0], done: make(chan struct{})})
	if len(d.ops) != 1 || *commits != 1 {
		t.Errorf("%d are left, %d commits", len(d.ops), *commits)
	}
}

func TestDiskFull(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{})
	a := user(t, s, "alice")
	limit := func(pages int) {
		t.Helper()
		err := s.db.write(t.Context(), func(t *tx) error {
			var n int
			return t.row([]any{&n}, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // what there is
	var err error
	for range 100 {
		_, err = a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: -1, Body: strings.NewReader(strings.Repeat("x", 10_000))}})
		if err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	before := status(t, box(t, a, "INBOX"))
	limit(1 << 30)
	if out := add(t, a, "INBOX", "there is room again"); out.UIDs[0] != before.UIDNext {
		t.Errorf("UID %d, want %d", out.UIDs[0], before.UIDNext)
	}
}

// A page that cannot be read fails the operations that need it, and no other one.
func TestDamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	d, _ := testDB(t, dir)
	if errs := grouped(t, d, newAccount("a")); errs[0] != nil {
		t.Fatal(errs)
	}
	var root int
	if err := d.writer.row([]any{&root}, `SELECT rootpage FROM sqlite_schema WHERE name = 'account'`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.writer.c.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	d.pool.Close()
	for _, c := range []*conn{d.writer, <-d.readers, <-d.readers} {
		c.c.Close()
	}
	file := filepath.Join(dir, "mail.db")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := (root - 1) * 4096; i < root*4096; i++ {
		b[i] = 0xa5
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d, commits := testDB(t, dir)
	errs := grouped(t, d, newAccount("b"), func(*tx) error { return nil })
	if errs[0] == nil || errs[1] != nil || d.failed != nil || *commits != 1 {
		t.Fatalf("%v, %d commits, failed: %v", errs, *commits, d.failed)
	}
}

// After a failed fsync nothing more is acknowledged.
func TestReadOnlyAfterFailedSync(t *testing.T) {
	for code, want := range map[int]bool{sqlite3.SQLITE_IOERR_FSYNC: true, sqlite3.SQLITE_IOERR_WRITE: true, sqlite3.SQLITE_FULL: false,
		sqlite3.SQLITE_CORRUPT: false, sqlite3.SQLITE_IOERR_READ: false, sqlite3.SQLITE_BUSY: false} {
		if fatalCode(code) != want {
			t.Errorf("code %d: not %v", code, want)
		}
	}
	d, commits := testDB(t, t.TempDir())
	d.failed = errors.New("read-only")
	for _, err := range grouped(t, d, newAccount("a"), newAccount("b")) {
		if err != d.failed {
			t.Errorf("got %v", err)
		}
	}
	if *commits != 0 || accounts(t, d) != 0 {
		t.Error("something was written")
	}
}

func TestOtherSchemaVersion(t *testing.T) {
	dir := t.TempDir()
	d, _ := testDB(t, dir)
	if _, err := d.writer.c.ExecContext(context.Background(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := openDB(dir, "FULL", 1); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v", err)
	}
}

func TestDatabaseIsDurable(t *testing.T) {
	d, _ := testDB(t, t.TempDir())
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		if err := d.writer.row([]any{&got}, "PRAGMA "+pragma); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", pragma, got, want, err)
		}
	}
}
