package jmap_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the package's documentation names is there.
func TestDocNamesTests(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\b([a-z]+)\.(Test[A-Za-z0-9]+)\b`).FindAllStringSubmatch(string(doc), -1)
	if len(names) < 50 {
		t.Fatalf("only %d tests are named", len(names))
	}
	for _, n := range names {
		found := false
		for _, dir := range []string{n[1], "../jmap/" + n[1], "../" + n[1], "../examples/" + n[1], "../examples/mailstore/" + n[1]} {
			files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(b), "\nfunc "+n[2]+"(t *testing.T)")
			}
		}
		if !found {
			t.Errorf("no test %s.%s", n[1], n[2])
		}
	}
}
