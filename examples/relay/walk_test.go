package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

const (
	alice = "alice@a.example"
	bob   = "bob@b.example"
)

// A party is a domain of the walks: a relay that asks unknown senders for a capability or postage, and a store, with one
// user.
type party struct {
	w      *world
	user   string
	relay  *clitest.Program
	mx     *clitest.Tap // leads to the relay
	grants string       // for grant -store
	jmap   string       // URL of the store

	inbox, requests *clitest.Mailbox
}

// party starts relay and store of a user's domain; its relay sends to other domains through connect.
func (w *world) party(t *testing.T, user, storeProgram string, mx *clitest.Tap, connect ...string) *party {
	t.Helper()
	_, domain, _ := strings.Cut(user, "@")
	dir := filepath.Join(w.dir, domain)
	submission := clitest.NewTap(t) // the store is there before the relay
	p := &party{w: w, user: user, mx: mx, grants: filepath.Join(dir, "contacts", "grants")}
	store := clitest.Spawn(t, storeProgram, "-data", filepath.Join(dir, "mail"), "-user", user+":secret", "-contacts", filepath.Dir(p.grants),
		"-lmtp", "127.0.0.1:0", "-imap", "127.0.0.1:0", "-jmap", "127.0.0.1:0", "-allow-plaintext-auth",
		"-submit", "smtp://"+submission.Addr, "-submit-user", user+":secret")
	p.jmap = "http://" + store.Addr("jmap")
	args := []string{"-hostname", "mx." + domain, "-mx", "127.0.0.1:0", "-submission", "127.0.0.1:0", "-user", user + ":secret", "-admin", "127.0.0.1:0",
		"-local", domain, "-deliver", "lmtp://" + store.Addr("lmtp"), "-queue", "dir:" + filepath.Join(dir, "queue"), "-resolver", "zone:" + w.files["zone"],
		"-dkim", domain + ":s:" + w.files["dkim"], "-retry", "1h", "-policy", "capability", "-contacts", filepath.Dir(p.grants)}
	for _, c := range connect {
		args = append(args, "-connect", c)
	}
	p.relay = clitest.Start(t, "relay", run, args...)
	mx.To(p.relay.Addr("mx"))
	submission.To(p.relay.Addr("submission"))
	p.inbox = clitest.OpenMailbox(t, store.Addr("imap"), user, "secret", "INBOX")
	p.requests = clitest.OpenMailbox(t, store.Addr("imap"), user, "secret", "Requests")
	return p
}

// write submits a letter of the user, and returns when the relay is done with it.
func (p *party) write(t *testing.T, to string) {
	t.Helper()
	c, err := smtpclient.Dial(t.Context(), p.relay.Addr("submission"), smtpclient.Config{Hostname: "laptop", TLS: smtpclient.None,
		Credentials: &sasl.Credentials{Username: p.user, Password: "secret", AllowPlaintext: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	res, err := c.Deliver(t.Context(), smtp.Envelope{From: mailbox(t, p.user), Recipients: []smtp.Recipient{{To: mailbox(t, to)}}}, strings.NewReader(letter(p.user, to)))
	if err != nil || !res[0].Reply.OK() {
		t.Fatalf("%v, %v", res, err)
	}
	drained(t, "http://"+p.relay.Addr("admin"))
}

// answer writes to somebody over JMAP, as the page of the store does, and returns when the relay is done with the letter.
func (p *party) answer(t *testing.T, to string) {
	t.Helper()
	between := func(s, before, after string) string {
		t.Helper()
		_, s, ok := strings.Cut(s, before)
		s, _, found := strings.Cut(s, after)
		if !ok || !found {
			t.Fatalf("no %s", before)
		}
		return s
	}
	identity := between(p.post(t, "Identity/get", `{"ids":null}`), `"list":[{"id":"`, `"`)
	box := between(p.post(t, "Mailbox/query", `{"filter":{"role":"sent"}}`), `"ids":["`, `"`)
	email := between(p.post(t, "Email/set", fmt.Sprintf(`{"create":{"e":{"mailboxIds":{%q:true},"from":[{"email":%q}],"to":[{"email":%q}],"subject":"Re: a letter",
		"bodyValues":{"1":{"value":"Yes."}},"textBody":[{"partId":"1","type":"text/plain"}]}}}`, box, p.user, to)), `"e":{"id":"`, `"`)
	if sent := p.post(t, "EmailSubmission/set", fmt.Sprintf(`{"create":{"s":{"emailId":%q,"identityId":%q}}}`, email, identity)); !strings.Contains(sent, `"created":{"s":{"id"`) {
		t.Fatal(sent)
	}
	drained(t, "http://"+p.relay.Addr("admin"))
}

// post makes one JMAP call as the user, and returns the response.
func (p *party) post(t *testing.T, method, args string) string {
	t.Helper()
	ask := func(verb, path, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), verb, p.jmap+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(p.user, "secret")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s, %v", resp.Status, b, err)
		}
		return string(b)
	}
	var session jmap.Session
	if err := jmap.Unmarshal([]byte(ask("GET", jmap.WellKnown, "")), &session); err != nil {
		t.Fatal(err)
	}
	args = fmt.Sprintf(`{"accountId":%q,%s`, session.PrimaryAccounts[contact.Capability], strings.TrimPrefix(args, "{"))
	return ask("POST", "/jmap/api", fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core",%q,%q,%q],"methodCalls":[[%q,%s,"0"]]}`,
		jmap.CapabilityMail, jmap.CapabilitySubmission, contact.Capability, method, args))
}

// grant runs the program on the files that the relay has open.
func (p *party) grant(t *testing.T, program string, args ...string) string {
	t.Helper()
	verb := 1
	if args[0] == "channel" {
		verb = 2
	}
	args = append(append(append([]string{}, args[:verb]...), "-store", p.grants, "-for", p.user), args[verb:]...)
	return strings.TrimSpace(clitest.Output(t, program, args...))
}

// last waits for the n-th message and returns it.
func last(m *clitest.Mailbox, n int) string { return m.Wait(n)[n-1] }

// check looks for what a text must have.
func check(t *testing.T, what, text string, want map[string]int) {
	t.Helper()
	for s, n := range want {
		if got := strings.Count(text, s); got != n {
			t.Errorf("%s: %q is there %d times, not %d:\n%s", what, s, got, n, text)
		}
	}
}

// TestFirstContact is the whole walk between two relays and their stores, over SMTP, LMTP and IMAP.
func TestFirstContact(t *testing.T) {
	store, grant := clitest.Build(t, "../store"), clitest.Build(t, "../grant")
	w := newWorld(t)
	toA, toB := clitest.NewTap(t), clitest.NewTap(t)
	a := w.party(t, alice, store, toA, "mx.b.example:25="+toB.Addr)
	b := w.party(t, bob, store, toB, "mx.a.example:25="+toA.Addr)
	const refused = "S: 550-5.7.1 Unknown sender, capability not established"
	const price = "S: 550 5.7.1 Postage: scheme=hashcash; bits=20; resource=bob@b.example"

	a.write(t, bob) // refused with the price, paid and sent again by the relay of a.example
	check(t, "request", last(b.requests, 1), map[string]int{"Mailbricks-Decision: class=request; postage=20\r\n": 1, "X-Hashcash": 0, "Delivery-Capability": 0})
	check(t, "first letter", toB.Said(), map[string]int{refused: 1, price: 1, "C: RCPT TO:<bob@b.example> POSTAGE=1:20:": 1, "S: 250 2.1.5 Delivered": 1})

	asks := b.post(t, "Request/get", `{"ids":null,"properties":["from","subject"]}`)
	check(t, "requests", asks, map[string]int{`"from":"alice@a.example","subject":"a letter"`: 1})
	_, id, _ := strings.Cut(asks, `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	check(t, "accepted", b.post(t, "Request/set", fmt.Sprintf(`{"update":{%q:{"decision":"accept"}}}`, id)), map[string]int{fmt.Sprintf(`"updated":{%q:null}`, id): 1})
	b.inbox.Wait(1)
	check(t, "who may write", b.post(t, "Grant/get", `{"ids":null,"properties":["correspondent","state","capability"]}`), map[string]int{`"correspondent":"alice@a.example","state":"known","capability":null`: 1})
	b.answer(t, alice)
	check(t, "answer", last(a.inbox, 1), map[string]int{"Mailbricks-Decision: class=trusted; channel=": 1, "Delivery-Capability": 0})
	check(t, "answer", toA.Said(), map[string]int{"S: 550": 0, "POSTAGE=": 0, "C: Delivery-Capability-Offer:": 1})

	a.write(t, bob)
	check(t, "who may write", b.post(t, "Grant/get", `{"ids":null,"properties":["correspondent","state","capability"]}`), map[string]int{`"correspondent":"alice@a.example","state":"known","capability":"`: 1})
	check(t, "second letter", last(b.inbox, 2), map[string]int{"Mailbricks-Decision: class=trusted; channel=": 1})
	check(t, "second letter", toB.Said(), map[string]int{"S: 550": 0, "C: RCPT TO:<bob@b.example> CAP=": 1, " POSTAGE=": 0})

	if said := b.grant(t, grant, "revoke", alice); said != "disconnected "+alice {
		t.Error(said)
	}
	a.write(t, bob) // the capability is refused; a stranger pays once more
	check(t, "after the end", last(b.requests, 1), map[string]int{"Mailbricks-Decision: class=request; postage=20\r\n": 1})
	check(t, "after the end", toB.Said(), map[string]int{refused: 1, price: 1, "C: RCPT TO:<bob@b.example> CAP=": 1, "C: RCPT TO:<bob@b.example> POSTAGE=": 1})

	b.grant(t, grant, "revoke", "-block", alice)
	check(t, "who may write", b.post(t, "Grant/get", `{"ids":null,"properties":["correspondent","state","capability"]}`), map[string]int{`"correspondent":"alice@a.example","state":"blocked","capability":null`: 1})
	a.write(t, bob) // no price any more: the sender is told
	check(t, "notification", last(a.inbox, 2), map[string]int{"Return-Path: <>": 1, "Action: failed": 1, "550 5.7.1 Unknown sender, capability not established": 2})
	check(t, "blocked", toB.Said(), map[string]int{"S: 550 5.7.1 Unknown sender, capability not established": 1, "Postage:": 0, "POSTAGE=1": 0})
	if inbox, requests := len(b.inbox.Wait(2)), len(b.requests.Wait(1)); inbox != 2 || requests != 1 {
		t.Errorf("%d letters, %d requests", inbox, requests)
	}
}
