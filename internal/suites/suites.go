// Package suites finds public conformance data and real peers for tests.
//
// Both are absent on a fresh machine: the test then skips and says what is missing. With MAILBRICKS_PEERS=required,
// as in CI, it fails instead.
package suites

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Dir returns the folder of the named suite ("spf/openspf"), looked for in MAILBRICKS_SUITES and else in
// ../shared/suites beside the checkout.
func Dir(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("MAILBRICKS_SUITES")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared", "suites")
	}
	dir := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(dir); err != nil {
		missing(t, "suite "+name+" is absent: set MAILBRICKS_SUITES to the folder that holds it")
	}
	return dir
}

// Program returns the path of a peer's program, or skips with the name of the Debian package that has it.
func Program(t testing.TB, program, debian string) string {
	t.Helper()
	p, err := find(program)
	if err != nil {
		missing(t, program+" is absent: install the Debian package "+debian)
	}
	return p
}

// find also looks where only root does.
func find(program string) (string, error) {
	for _, name := range []string{"/usr/sbin/" + program, "/usr/bin/" + program} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return exec.LookPath(program)
}

// Node returns the path of Node.js for a peer whose package.json is in dir, or skips with the command that fetches its
// packages.
func Node(t testing.TB, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing(t, "the packages of "+dir+" are absent: npm ci --prefix "+dir)
	}
	return Program(t, "node", "nodejs")
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("MAILBRICKS_PEERS") == "required" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// moduleRoot walks up from the test's folder to the root module.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "SECURITY.md")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("root of the checkout not found")
		}
		dir = up
	}
}
