package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestLines: the lines that the page offers to copy do what it says of them.
func TestLines(t *testing.T) {
	suites.Program(t, "curl", "curl")
	suites.Program(t, "swaks", "swaks")
	suites.Program(t, "dig", "bind9-dnsutils")
	suites.Program(t, "openssl", "openssl")
	p := clitest.Start(t, "world", run, "-http", "127.0.0.1:0", "-smtp", "127.0.0.1:0")
	get := func(path string, v any) {
		t.Helper()
		r, err := http.Get("http://" + p.Addr("http") + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	var w struct{ Lines []struct{ What, Text string } }
	get("/api/world", &w)
	want := map[string]string{
		"Send a letter with curl":  "",
		"Send a letter with swaks": "<-  250 2.0.0 The letter is on its way",
		"Ask the world's DNS":      "10 mx.meadow.example.",
		"Read a mailbox over IMAP": "Subject: by curl",
		"Read a mailbox over POP3": "Subject: by curl",
		"Speak to a relay":         "221 2.0.0",
	}
	if len(w.Lines) != len(want) {
		t.Errorf("%d lines", len(w.Lines))
	}
	for _, l := range w.Lines {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		cmd := exec.CommandContext(ctx, "sh", "-c", l.Text)
		cmd.Stdin = strings.NewReader("QUIT\r\n")
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil || !strings.Contains(string(out), want[l.What]) {
			t.Errorf("%s: %s\n%v\n%s", l.What, l.Text, err, out)
		}
		if l.What == "Send a letter with curl" {
			var letter story.Letter
			for until := time.Now().Add(30 * time.Second); letter.State != story.Delivered && time.Now().Before(until); {
				get("/api/letters/w1", &letter)
			}
		}
	}
}
