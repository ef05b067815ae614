package floors

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"testing/fstest"
)

// TestTree holds the tree itself to the table.
func TestTree(t *testing.T) {
	got, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got {
		t.Error(v)
	}
}

// TestPlanted plants each kind of violation once and sees it caught.
func TestPlanted(t *testing.T) {
	file := func(imports string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("package p\n" + imports)} }
	imp := func(path string) *fstest.MapFile { return file(`import _ "` + path + `"`) }
	tests := []struct {
		name, path string
		file       *fstest.MapFile
		rule       string
	}{
		{"upward", "smtp/a.go", imp(Module + "/smtp/smtpserver"), "floor 1 imports floor 2"},
		{"sibling", "dkim/a.go", imp(Module + "/spf"), "floor 1 imports floor 1"},
		{"no floor", "smtp/extra/a.go", file(""), "package stands on no floor"},
		{"imports no floor", "smtp/a.go", imp(Module + "/smtp/extra"), "imports a package that stands on no floor"},
		{"example internal", "examples/x/a.go", imp(Module + "/internal/line"), "an example imports internal/"},
		{"third party", "smtp/a.go", imp("github.com/miekg/dns"), "third-party import that is not on this package's list"},
		{"prefix is not a path", "jmap/a.go", imp("github.com/go-json-experiment/jsonx"), "third-party import that is not on this package's list"},
		{"unsafe", "smtp/a.go", imp("unsafe"), "no cgo, no unsafe"},
		{"parent", "smtp/dsn/a.go", imp(Module + "/smtp"), ""},
		{"lower", "smtp/smtpserver/a.go", imp(Module + "/auth/sasl"), ""},
		{"allowed third party", "auth/resolver/a.go", imp("github.com/miekg/dns"), ""},
		{"example public", "examples/x/a.go", imp("modernc.org/sqlite"), ""},
		{"tests are free", "dkim/a_test.go", imp(Module + "/spf"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Check(fstest.MapFS{"go.mod": file(""), "examples/go.mod": file(""), tt.path: tt.file})
			if err != nil {
				t.Fatal(err)
			}
			if tt.rule == "" {
				if len(got) != 0 {
					t.Fatalf("refused: %v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Rule != tt.rule {
				t.Fatalf("got %v, want %q", got, tt.rule)
			}
		})
	}
}

var update = flag.Bool("update", false, "write floors.svg anew")

// TestPicture holds floors.svg, which the README shows, to the table and the tree.
func TestPicture(t *testing.T) {
	want := Picture(os.DirFS("../.."))
	if *update {
		if err := os.WriteFile("floors.svg", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("floors.svg")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("floors.svg is not what the tree looks like (%v): go test ./internal/floors -update", err)
	}
}
