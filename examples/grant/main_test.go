package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

func grant(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out, io.Discard)
	if got := cli.Status(err); got != want {
		t.Errorf("%v: status %d, want %d; %s %v", args, got, want, out.String(), err)
	}
	return strings.TrimSpace(out.String())
}

func TestLife(t *testing.T) {
	store := filepath.Join(t.TempDir(), "grants")
	token := grant(t, cli.StatusDone, "issue", "-store", store, "-for", "bob@example.com", "-sender", "shop.example", "-uses", "3", "-expires", "30d")
	verify := func(want int, token string, flags ...string) string {
		t.Helper()
		args := append([]string{"verify", "-store", store, "-sender", "orders@shop.example", "-recipient", "bob@example.com"}, flags...)
		return grant(t, want, append(args, token)...)
	}
	once := grant(t, cli.StatusDone, "attenuate", "-uses", "1", token)
	if out := verify(cli.StatusDone, once, "-domain", "shop.example", "-peek"); out != "valid" {
		t.Error(out)
	}
	verify(cli.StatusDone, once, "-domain", "shop.example")
	if out := verify(cli.StatusFailed, once, "-domain", "shop.example"); !strings.Contains(out, "used up") {
		t.Error(out)
	}
	verify(cli.StatusFailed, token)                            // claims the domain, is not authenticated
	verify(cli.StatusFailed, token, "-domain", "evil.example") // authenticated for another
	verify(cli.StatusDone, token, "-domain", "shop.example")
	grant(t, cli.StatusFailed, "attenuate", "-uses", "9", token)
	info := grant(t, cli.StatusDone, "inspect", once)
	for _, want := range []string{"for     bob@example.com", "sender  shop.example", "uses    1"} {
		if !strings.Contains(info, want) {
			t.Errorf("inspect: %s lacks %q", info, want)
		}
	}
	id := strings.Fields(info)[1]
	grant(t, cli.StatusDone, "revoke", "-store", store, id)
	if out := verify(cli.StatusFailed, token, "-domain", "shop.example"); !strings.Contains(out, "revoked") {
		t.Error(out)
	}
	// Another store's key did not sign it.
	other := filepath.Join(t.TempDir(), "other")
	grant(t, cli.StatusDone, "issue", "-store", other, "-for", "bob@example.com")
	if out := grant(t, cli.StatusFailed, "verify", "-store", other, "-sender", "orders@shop.example", "-domain", "shop.example", "-recipient", "bob@example.com", token); !strings.Contains(out, "signature") {
		t.Error(out)
	}
}

func TestChannels(t *testing.T) {
	store := filepath.Join(t.TempDir(), "grants")
	do := func(want int, verb string, args ...string) string {
		t.Helper()
		return grant(t, want, append([]string{"channel", verb, "-store", store, "-for", "bob@example.com"}, args...)...)
	}
	if out := do(cli.StatusDone, "list"); strings.Contains(out, "@") {
		t.Error(out)
	}
	shop := do(cli.StatusDone, "new", "-note", "shoes", "-uses", "5", "-expires", "30d", "shop.example")
	anybody := do(cli.StatusDone, "new", "-bare")
	if !strings.HasPrefix(shop, "bob+") || strings.HasPrefix(anybody, "bob") || strings.Contains(anybody, "+") || !strings.HasSuffix(anybody, "@example.com") {
		t.Errorf("%s, %s", shop, anybody)
	}
	out := do(cli.StatusDone, "list")
	for _, want := range []string{shop + "  open", "shop.example", `"shoes"`, anybody, "the first who writes", "never"} {
		if !strings.Contains(out, want) {
			t.Errorf("list lacks %q:\n%s", want, out)
		}
	}
	do(cli.StatusDone, "disconnect", strings.ToUpper(shop))
	if out := do(cli.StatusDone, "list"); !strings.Contains(out, shop+"  disconnected") {
		t.Error(out)
	}
	grant(t, cli.StatusFailed, "channel", "disconnect", "-store", store, "-for", "carol@example.com", anybody)
	for _, address := range []string{"bob@example.com", "carol" + shop[3:], "x"} {
		do(cli.StatusFailed, "disconnect", address)
	}
	do(cli.StatusUsage, "disconnect")
	do(cli.StatusUsage, "list", "x")
	do(cli.StatusUsage, "new", "no domain")
	do(cli.StatusUsage, "end")
}

// TestDisconnect ends what a mailbox has with a correspondent.
func TestDisconnect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	c, err := contacts.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const bob, ann = "bob@example.com", "ann@example.org"
	token, err := capability.Issue(capability.Grant{Issuer: bob, Limits: capability.Limits{Scope: ann}}, c.Key)
	if err == nil {
		err = c.Relations.SetRelation(t.Context(), bob, ann, policy.Relation{State: policy.Known, Grant: token.Grant().ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	verify := []string{"verify", "-store", path, "-sender", ann, "-domain", "example.org", "-recipient", bob, token.String()}
	grant(t, cli.StatusDone, verify...)
	for _, tt := range []struct {
		args []string
		said string
		want policy.Relation
	}{
		{nil, "disconnected " + ann, policy.Relation{}},
		{[]string{"-block"}, "blocked " + ann, policy.Relation{State: policy.Blocked}},
	} {
		out := grant(t, cli.StatusDone, append(append([]string{"revoke", "-store", path, "-for", bob}, tt.args...), ann)...)
		r, err := c.Relations.Relation(t.Context(), bob, ann)
		if out != tt.said || r != tt.want || err != nil {
			t.Errorf("%s: %+v, %v", out, r, err)
		}
		if out := grant(t, cli.StatusFailed, verify...); !strings.Contains(out, "revoked") {
			t.Error(out)
		}
	}
	grant(t, cli.StatusUsage, "revoke", "-store", path, "-for", bob, "ann")
	grant(t, cli.StatusUsage, "revoke", "-store", path, "-block", ann)
}

// TestForm: the page gives a channel, which list knows while it is served.
func TestForm(t *testing.T) {
	store := filepath.Join(t.TempDir(), "grants")
	p := clitest.Start(t, "grant", run, "form", "-store", store, "-for", "bob@example.com", "-name", "Bob", "-http", "127.0.0.1:0")
	resp, err := http.PostForm("http://"+p.Addr("http")+"/", url.Values{"from": {"ann@example.org"}, "about": {"a boat"}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || !strings.Contains(string(page), "mailto:bob") {
		t.Errorf("%v, %s", err, page)
	}
	if out := grant(t, cli.StatusDone, "channel", "list", "-store", store, "-for", "bob@example.com"); !strings.Contains(out, `"form: a boat"`) || !strings.Contains(out, "ann@example.org") {
		t.Error(out)
	}
	grant(t, cli.StatusUsage, "form", "-store", store, "-for", "bob@example.com")
	grant(t, cli.StatusUsage, "form", "-store", store, "-for", "bob", "-http", ":0")
}

func TestUsage(t *testing.T) {
	store := filepath.Join(t.TempDir(), "grants")
	for _, args := range [][]string{nil, {"give"}, {"issue"}, {"issue", "-store", store, "-for", "no address"}, {"channel", "list"}, {"revoke", "-store", store, "short"},
		{"attenuate"}, {"inspect"}, {"verify", "-uses", "x"}} {
		grant(t, cli.StatusUsage, args...)
	}
	grant(t, cli.StatusFailed, "inspect", "junk")
	grant(t, cli.StatusFailed, "verify", "-store", store, "junk")
}
