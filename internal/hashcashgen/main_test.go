package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCommitted: what is committed is what this program writes. The first line of assembly has the command that was run.
func TestCommitted(t *testing.T) {
	for kernel, name := range map[string]string{"avx512": "scan_avx512_amd64.s", "avx2": "scan_avx2_amd64.s", "portable": "scan_portable.go",
		"blake2b": "postage/equihash/blocks_avx512_amd64.s"} {
		out := filepath.Join(t.TempDir(), filepath.Base(name))
		args := []string{"run", ".", "-kernel", kernel, "-out", out}
		if kernel == "portable" {
			args = []string{"run", ".", "-kernel", kernel, out}
		}
		if log, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, log)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("..", "..", "hashcash", name))
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ = bytes.Cut(got, []byte("\n"))
		_, want, _ = bytes.Cut(want, []byte("\n"))
		if len(got) == 0 || !bytes.Equal(got, want) {
			t.Errorf("%s is not what -kernel %s writes: go generate ./hashcash/...", name, kernel)
		}
	}
}
