package mailserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// TestJmapJam has a client with a Bearer token read, write, send, follow and be told.
func TestJmapJam(t *testing.T) {
	program := suites.Node(t, "testdata/jmapjam")
	store := newStore()
	store.Deliver("alice@example.com", "inbox", at(0), []byte(invitation))
	store.Deliver("alice@example.com", "inbox", at(1), jmaptest.Message("Bob <bob@example.net>", "Lunch?", "At noon?"))
	auth := jmapserver.Auth{AllowPlaintext: true, Token: func(_ context.Context, token string) (string, error) {
		if token != "t0ken" {
			return "", sasl.ErrCredentials
		}
		return "alice@example.com", nil
	}}
	server := httptest.NewServer(mailserver.NewServer(store, auth.User))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "testdata/jmapjam/peer.mjs", server.URL, "t0ken")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line struct {
			Kind  string
			Value json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		seen[line.Kind] = string(line.Value)
		if line.Kind == "listening" {
			store.Deliver("alice@example.com", "inbox", at(2), jmaptest.Message("Bob <bob@example.net>", "Now", "Now."))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr.String())
	}
	for kind, want := range map[string]string{
		"session":   `["alice@example.com","u1",true]`,
		"mailboxes": `[true,true]`,
		"found":     `[["Dinner on Thursday?","joe@example.com","multipart/mixed","<html><body><p>Hello there, this goes on for a while</p>"],["Lunch?","bob@example.net","text/plain","At noon?\n"]]`,
		"threads":   `2`,
		"snippets":  `1`,
		"blob":      `[13,"text/plain","an attachment"]`,
		"set":       `[["draft"],1,"notFound"]`,
		"made":      `[["Ünïcode",["a.txt"],true,["$draft"]]]`,
		"submitted": `[["s"],{}]`,
		"changes":   `[1,1,0,false]`,
		"error":     `["accountNotFound"]`,
		"problem":   `[true,"urn:ietf:params:jmap:error:unknownCapability",400]`,
		"listening": `"text/event-stream; charset=utf-8"`,
		"pushed":    `true`,
	} {
		if seen[kind] != want {
			t.Errorf("%s: got %s, want %s", kind, seen[kind], want)
		}
	}
	if got := store.Sent("alice@example.com"); len(got) != 1 {
		t.Errorf("%d sent", len(got))
	}
}
