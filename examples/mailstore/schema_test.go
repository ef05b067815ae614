package mailstore

import (
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
)

// version returns PRAGMA user_version and the names of the tables.
func version(t *testing.T, c *conn) (n int, tables string) {
	t.Helper()
	if err := c.row([]any{&n}, "PRAGMA user_version"); err != nil {
		t.Fatal(err)
	}
	if err := c.row([]any{&tables}, "SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM sqlite_schema WHERE name LIKE 'new%' ORDER BY name)"); err != nil {
		t.Fatal(err)
	}
	return n, tables
}

// A database of an older version is brought up step by step, keeps what it has, and is left as it was where a step fails.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureAccount(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	first := len(steps())
	more := append(steps(), "CREATE TABLE new1 (x)", "CREATE TABLE new2 (x); INSERT INTO new2 SELECT name FROM account")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := openDB(dir, "FULL", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.pool.Close()
	c := <-d.readers
	if err := migrate(c, append(slices.Clone(more), "CREATE TABLE new3 (x); nonsense")); err == nil || !strings.Contains(err.Error(), "version") {
		t.Fatalf("a step that fails: %v", err)
	}
	if n, tables := version(t, c); n != first || tables != "" {
		t.Fatalf("after a failure: version %d, %s", n, tables)
	}
	for range 2 { // the second has nothing to do
		if err := migrate(c, more); err != nil {
			t.Fatal(err)
		}
		if n, tables := version(t, c); n != first+2 || tables != "new1 new2" {
			t.Fatalf("version %d, %s", n, tables)
		}
	}
	var name string
	if err := c.row([]any{&name}, "SELECT x FROM new2"); err != nil || name != "alice" {
		t.Fatalf("%q, %v", name, err)
	}
	newer, ok := errors.AsType[*VersionError](migrate(c, steps()))
	if !ok || newer.Have != first+2 || newer.Known != first {
		t.Fatalf("a newer database: %v", newer)
	}
}

// TestOldDatabase: a store of each older version opens, with what it held, and has what is new.
func TestOldDatabase(t *testing.T) {
	for old := 1; old < len(steps()); old++ {
		dir := t.TempDir()
		pool, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "mail.db"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := (&db{pool: pool}).connect()
		if err == nil {
			err = migrate(c, steps()[:old])
		}
		if err == nil {
			err = c.exec("INSERT INTO account (name, modseq, horizon, uidvalidity, gone) VALUES ('alice', 0, 0, 0, 0)")
		}
		if err == nil {
			err = pool.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		s := openAt(t, dir)
		a, err := s.OpenAccount(t.Context(), "alice")
		if err != nil {
			t.Fatalf("version %d: %v", old, err)
		}
		if err := a.Annotator.SetAnnotations(t.Context(), "", []imap.Annotation{{Entry: "/private/comment", Value: "x"}}); err != nil {
			t.Errorf("version %d: %v", old, err)
		}
		accounts, err := s.Accounts(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := accounts[0].Identities.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{}); err != nil || len(got.List) != 0 {
			t.Errorf("version %d: %+v, %v", old, got, err)
		}
	}
}
