// Package examples holds nothing but programs in folders below; its tests hold the README to the tree.
package examples

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestProgram: the program in the README is that of border, which is compiled with all others.
func TestProgram(t *testing.T) {
	_, after, _ := strings.Cut(readme(t), "```go\n")
	program, _, found := strings.Cut(after, "```\n")
	src, err := os.ReadFile("border/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !found || !strings.HasSuffix(string(src), ")\n\n"+program) {
		t.Errorf("the README shows another program than border/main.go:\n%s", program)
	}
}

// rows returns the first cell's link target of each row of the table that begins with head.
func rows(t *testing.T, head string) []string {
	t.Helper()
	_, table, ok := strings.Cut(readme(t), "| "+head+" |")
	if !ok {
		t.Fatalf("no table of %ss", head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^\| \[([^\]]+)\]\(([^)]+)\) \|`).FindAllStringSubmatch(table, -1) {
		if m[1] != m[2] && "examples/"+m[1] != m[2] {
			t.Errorf("%s leads to %s", m[1], m[2])
		}
		out = append(out, m[2])
	}
	slices.Sort(out)
	return out
}

// folders returns the folders of the tree with Go files that want does not refuse.
func folders(t *testing.T, root string, want func(dir string, src []byte) bool) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && p != "." && (name[0] == '.' || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if dir := path.Dir(p); strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go") && !slices.Contains(out, dir) {
			src, err := os.ReadFile(root + "/" + p)
			if err != nil {
				return err
			}
			if want(dir, src) {
				out = append(out, dir)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// TestPackages: the README lists every public package, and no other.
func TestPackages(t *testing.T) {
	want := folders(t, "..", func(dir string, _ []byte) bool {
		return !strings.HasPrefix(dir, "examples/") && !strings.HasPrefix(dir, "internal/")
	})
	if got := rows(t, "package"); !slices.Equal(got, want) {
		t.Errorf("the README lists\n%q\nthe tree has\n%q", got, want)
	}
}

// TestPrograms: the README lists every program, and no other.
func TestPrograms(t *testing.T) {
	want := folders(t, ".", func(_ string, src []byte) bool { return regexp.MustCompile(`(?m)^package main$`).Match(src) })
	for i := range want {
		want[i] = "examples/" + want[i]
	}
	if got := rows(t, "program"); !slices.Equal(got, want) {
		t.Errorf("the README lists\n%q\nthe tree has\n%q", got, want)
	}
}
