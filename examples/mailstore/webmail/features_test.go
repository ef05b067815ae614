package webmail_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/jmap"
)

// nowhere is where nothing may go.
const nowhere = "http://127.0.0.1:1"

// alice makes one JMAP call as alice and decodes its answer. In args, ACCOUNT is her account.
func alice(t *testing.T, url, name, args string, out any) {
	t.Helper()
	ask := func(method, path, body string) []byte {
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("alice@example.com", "sécret")
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %s, %v: %s", path, resp.Status, err, b)
		}
		return b
	}
	var session jmap.Session
	if err := jmap.Unmarshal(ask("GET", "/.well-known/jmap", ""), &session); err != nil {
		t.Fatal(err)
	}
	args = strings.ReplaceAll(args, "ACCOUNT", `"accountId":"`+string(session.PrimaryAccounts[jmap.CapabilityMail])+`"`)
	var resp jmap.Response
	b := ask("POST", "/jmap/api", `{"using":["`+jmap.CapabilityCore+`","`+jmap.CapabilityMail+`","`+jmap.CapabilitySubmission+`"],"methodCalls":[["`+name+`",`+args+`,"0"]]}`)
	if err := jmap.Unmarshal(b, &resp); err != nil {
		t.Fatal(err)
	}
	if err := resp.MethodResponses[0].Decode(name, out); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if s := string(b); strings.Contains(s, `"notCreated":{"`) || strings.Contains(s, `"notUpdated":{"`) {
		t.Fatal(s)
	}
}

// picnic delivers a conversation of four letters, the first two of which were read.
func picnic(t *testing.T, store *mailstore.Store, url string) {
	t.Helper()
	head := func(id, after, from, rest string) string {
		s := "From: " + from + "\r\nSubject: Picnic\r\nMessage-ID: <" + id + "@example.org>\r\n" + rest + "MIME-Version: 1.0\r\n"
		if after != "" {
			s += "References: <" + after + "@example.org>\r\n"
		}
		return s
	}
	toBoth := "To: alice@example.com, Ben Two <ben@example.org>\r\n"
	deliver(t, store, head("p1", "", "Ann One <ann@example.org>", toBoth)+"\r\nShall we?\r\n")
	deliver(t, store, head("p2", "p1", "Ben Two <ben@example.org>", "To: alice@example.com, Ann One <ann@example.org>\r\n")+"\r\nWho brings cake?\r\n")
	var got jmap.QueryResponse
	alice(t, url, "Email/query", `{ACCOUNT}`, &got)
	for _, id := range got.IDs {
		alice(t, url, "Email/set", `{ACCOUNT,"update":{"`+string(id)+`":{"keywords/$seen":true}}}`, &jmap.Raw{})
	}
	deliver(t, store, head("p3", "p2", "Ann One <ann@example.org>", toBoth)+"Content-Type: text/html\r\n\r\n<p>Not me.</p><blockquote>Who brings cake?<blockquote>Shall we?</blockquote></blockquote>\r\n")
	deliver(t, store, head("p4", "p3", "Ben Two <ben@example.org>", "To: alice@example.com, Ann One <ann@example.org>\r\nCc: \"Three, Cat\" <cat@example.org>, alice@example.com\r\n")+
		"\r\nI bring cake.\r\n\r\nOn Monday, Ben Two wrote:\r\n> Who brings cake?\r\n> Anyone?\r\n")
}

// TestThreads reads a conversation and answers it.
func TestThreads(t *testing.T) {
	store, url := start(t)
	picnic(t, store, url)
	deliver(t, store, "From: Ann One <ann@example.org>\r\nTo: alice@example.com\r\nSubject: With a picture\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"+
		"--m\r\nContent-Type: text/html\r\n\r\n<p>Look at this:</p><ul><li>cake<li>tea</ul>\r\n--m\r\nContent-Type: text/plain; name=cake.txt\r\nContent-Disposition: attachment\r\n\r\nflour\r\n--m--\r\n")
	alice(t, url, "Identity/set", `{ACCOUNT,"create":{"i":{"email":"alice@example.com","name":"Alice at work","textSignature":"Alice, Cakes & Co."}}}`, &jmap.Raw{})
	browse(t, url, nowhere, "threads")
}

// TestDrafts writes letters in several windows.
func TestDrafts(t *testing.T) {
	store, url := start(t)
	picnic(t, store, url)
	browse(t, url, nowhere, "drafts")
}
