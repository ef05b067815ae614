package postgres_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mailbricks/mailbricks/examples/adapters/postgres"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/spenttest"
)

// program finds a program of PostgreSQL, which Debian does not put into PATH.
func program(t *testing.T, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	const why = "%s is missing: it is in the Debian package postgresql"
	if os.Getenv("MAILBRICKS_PEERS") == "required" {
		t.Fatalf(why, name)
	}
	t.Skipf(why, name)
	return ""
}

// start starts a server with an empty database, which ends with the test, and returns how to connect.
func start(t *testing.T) string {
	t.Helper()
	initdb, pgctl := program(t, "initdb"), program(t, "pg_ctl")
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := new(syscall.SysProcAttr)
	if os.Geteuid() == 0 { // the server does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.CommandContext(t.Context(), initdb, "-D", data, "-U", "mail", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
	cmd.SysProcAttr, cmd.Dir = attr, dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	ctl := func(args ...string) {
		cmd := exec.Command(pgctl, append([]string{"-D", data, "-w", "-s"}, args...)...)
		cmd.SysProcAttr, cmd.Dir = attr, dir
		if err := cmd.Run(); err != nil {
			t.Errorf("pg_ctl %s: %v", args[0], err)
		}
	}
	ctl("start", "-l", filepath.Join(dir, "log"), "-o", fmt.Sprintf("-h 127.0.0.1 -p %d -k %s", port, dir))
	t.Cleanup(func() { ctl("stop", "-m", "immediate") })
	return fmt.Sprintf("postgres://mail@127.0.0.1:%d/postgres", port)
}

func connect(t *testing.T, at string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func open(t *testing.T, pool *pgxpool.Pool, now func() time.Time) hashcash.SpentStore {
	t.Helper()
	s, err := postgres.OpenSpent(t.Context(), pool, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConforms(t *testing.T) {
	pool := connect(t, start(t))
	spenttest.Run(t, func(t *testing.T, now func() time.Time) hashcash.SpentStore {
		if _, err := pool.Exec(t.Context(), "DROP TABLE IF EXISTS mailbricks_spent"); err != nil {
			t.Fatal(err)
		}
		return open(t, pool, now)
	})
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := open(t, pool, func() time.Time { return now })
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Hour, false}, {2 * time.Hour, true}, {2 * time.Hour, false}} {
		now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).Add(tt.after)
		if got, err := s.Spend(t.Context(), "stamp", now.Add(time.Hour)); got != tt.want || err != nil {
			t.Errorf("after %s: %v, %v; want %v", tt.after, got, err, tt.want)
		}
	}
}

func TestProcesses(t *testing.T) {
	spenttest.Processes(t, func() string { return start(t) },
		func(t *testing.T, at string) hashcash.SpentStore { return open(t, connect(t, at), nil) })
}
