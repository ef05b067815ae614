package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestBrowser opens the page in a browser, at desktop width and at 360 px: a letter is sent and arrives without reload,
// things are broken on purpose, first contact is paid for. testdata/browser has the script; npm ci there gets what it
// drives the browser with.
func TestBrowser(t *testing.T) {
	node := suites.Program(t, "node", "nodejs")
	chromium := suites.Program(t, "chromium", "chromium")
	dir := filepath.Join("testdata", "browser")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "playwright-core")); err != nil {
		const why = "playwright-core is missing: npm ci --prefix examples/world/testdata/browser"
		if os.Getenv("MAILBRICKS_PEERS") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	p := clitest.Start(t, "world", run, "-http", "127.0.0.1:0", "-smtp", "127.0.0.1:0")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "page.mjs", "http://"+p.Addr("http")+"/", chromium)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
