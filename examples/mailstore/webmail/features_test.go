package webmail_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
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
	for i := range 12 {
		deliver(t, store, dan(fmt.Sprint("story", i), "Long story", "story0"))
	}
	var got jmap.QueryResponse
	alice(t, url, "Email/query", `{ACCOUNT,"filter":{"subject":"Long story"}}`, &got)
	for _, id := range got.IDs {
		alice(t, url, "Email/set", `{ACCOUNT,"update":{"`+string(id)+`":{"keywords/$seen":true}}}`, &jmap.Raw{})
	}
	alice(t, url, "Identity/set", `{ACCOUNT,"create":{"i":{"email":"alice@example.com","name":"Alice at work","textSignature":"Alice, Cakes & Co."}}}`, &jmap.Raw{})
	browse(t, url, nowhere, "threads")
}

// TestDrafts writes letters in several windows.
func TestDrafts(t *testing.T) {
	store, url := start(t)
	picnic(t, store, url)
	browse(t, url, nowhere, "drafts")
}

// dan is a letter whose Message-ID is made of id; answers, if any, is that of the letter before.
func dan(id, subject, answers string) string {
	s := "From: Dan <dan@example.org>\r\nTo: alice@example.com\r\nSubject: " + subject + "\r\nMessage-ID: <" + id + "@letters.example>\r\n"
	if answers != "" {
		s += "References: <" + answers + "@letters.example>\r\n"
	}
	return s + "\r\nSome words.\r\n"
}

// control is what a script asks to do things behind the page's back: GET /deliver?subject=…&answers=…&times=…, and more.
func control(t *testing.T, store *mailstore.Store, more map[string]func()) string {
	t.Helper()
	mux := http.NewServeMux()
	n := 0
	mux.HandleFunc("GET /deliver", func(_ http.ResponseWriter, r *http.Request) {
		subject := r.FormValue("subject")
		times, err := strconv.Atoi(r.FormValue("times"))
		if err != nil {
			times = 1
		}
		for i := range times {
			n++
			one := subject
			if times > 1 {
				one = fmt.Sprint(subject, " ", i)
			}
			deliver(t, store, dan(fmt.Sprint("later", n), one, r.FormValue("answers")))
		}
	})
	for path, run := range more {
		mux.HandleFunc("GET /"+path, func(http.ResponseWriter, *http.Request) { run() })
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// mailboxes returns the mailboxes of alice by name.
func mailboxes(t *testing.T, url string) map[string]jmap.ID {
	t.Helper()
	var got jmap.GetResponse[mail.Mailbox]
	alice(t, url, "Mailbox/get", `{ACCOUNT}`, &got)
	out := make(map[string]jmap.ID)
	for _, m := range got.List {
		out[m.Name] = m.ID
	}
	return out
}

// TestList scrolls through a long list while mail comes, and looks what the request for it reads.
func TestList(t *testing.T) {
	store, url := start(t)
	for i := 1; i <= 120; i++ {
		id := fmt.Sprintf("%03d", i)
		deliver(t, store, dan(id, "Letter "+id, ""))
	}
	alice(t, url, "Mailbox/set", `{ACCOUNT,"create":{"c":{"name":"Cake","parentId":"#p"},"p":{"name":"Projects"}}}`, &jmap.Raw{})
	out := browse(t, url, control(t, store, nil), "list")
	_, request, ok := strings.Cut(out, "REQUEST ")
	if !ok {
		t.Fatalf("no request: %s", out)
	}
	request, _, _ = strings.Cut(request, "\n")
	var asked jmap.Request
	if err := jmap.Unmarshal([]byte(request), &asked); err != nil {
		t.Fatal(err)
	}
	body, err := jmap.Marshal(jmap.Request{Using: []string{jmap.CapabilityCore, jmap.CapabilityMail}, MethodCalls: asked.MethodCalls})
	if err != nil {
		t.Fatal(err)
	}
	h := mailserver.NewServer(unread{t, store}, func(*http.Request) (string, error) { return "alice@example.com", nil })
	r := httptest.NewRequest("POST", "/jmap/api", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if n := strings.Count(w.Body.String(), `"preview":"Some words.`); n != 50 || strings.Contains(w.Body.String(), `["error"`) {
		t.Errorf("the list has %d previews: %.2000s", n, w.Body)
	}
}

// unread is a store none of whose messages may be read.
type unread struct {
	t     *testing.T
	store *mailstore.Store
}

func (u unread) Accounts(ctx context.Context, user string) ([]*mail.Account, error) {
	list, err := u.store.Accounts(ctx, user)
	for _, a := range list {
		a.Blobs = u
	}
	return list, err
}

func (u unread) OpenBlob(_ context.Context, id jmap.ID) (jmap.Blob, error) {
	u.t.Errorf("the message %s is read for the list", id)
	return nil, &jmap.SetError{Type: jmap.SetBlobNotFound}
}

// TestActions files mail away and takes it back.
func TestActions(t *testing.T) {
	store, url := start(t)
	for i := 1; i <= 8; i++ {
		deliver(t, store, dan(strconv.Itoa(i), "Letter "+strconv.Itoa(i), ""))
	}
	browse(t, url, nowhere, "actions")
}

// TestSearch looks for mail.
func TestSearch(t *testing.T) {
	_, url := start(t)
	boxes := mailboxes(t, url)
	for _, e := range []struct{ box, from, to, subject, text, date, more string }{
		{"Inbox", "dan", "alice@example.com", "Old cake", "stale", "2019-05-06T07:08:09Z", ""},
		{"Inbox", "ann", "alice@example.com", "Picnic", "we have cake and tea", "2026-02-03T04:05:06Z", ""},
		{"Inbox", "dan", "carol@example.net", "Picture", "tea, then cake", "2026-02-03T04:05:07Z", ""},
		{"Trash", "ann", "alice@example.com", "Thrown away", "cake", "2026-02-03T04:05:08Z", ""},
		{"Inbox", "ann", "alice@example.com", "Invoice", "pay", "2026-02-03T04:05:09Z",
			`,"attachments":[{"partId":"a","type":"text/csv","name":"a.csv","disposition":"attachment"}]`},
	} {
		alice(t, url, "Email/set", fmt.Sprintf(`{ACCOUNT,"create":{"e":{"mailboxIds":{%q:true},"from":[{"email":"%s@example.org"}],"to":[{"email":%q}],"subject":%q,"receivedAt":%q,
			"bodyValues":{"t":{"value":%q},"a":{"value":"1,2"}},"textBody":[{"partId":"t","type":"text/plain"}]%s}}}`, boxes[e.box], e.from, e.to, e.subject, e.date, e.text, e.more), &jmap.Raw{})
	}
	browse(t, url, nowhere, "search")
}

// A cutter is a listener whose connections can be cut, and which then takes none until it is mended.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		if !c.cut {
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			return conn, nil
		}
		c.mu.Unlock()
		conn.Close()
	}
}

func (c *cutter) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for _, conn := range c.conns {
			conn.Close()
		}
		c.conns = nil
	}
}

// TestOffline cuts the connection while mail is read and written.
func TestOffline(t *testing.T) {
	line := &cutter{Listener: listen(t)}
	store, users, url := startWith(t, line, mailstore.Options{})
	deliver(t, store, dan("1", "First", ""))
	browse(t, url, control(t, store, map[string]func(){
		"cut":  func() { line.set(true) },
		"mend": func() { line.set(false) },
		"lock": func() {
			if err := users.Set("alice@example.com", "another"); err != nil {
				t.Error(err)
			}
		},
	}), "offline")
}

// TestLook looks at all parts of the page at three widths, by day and by night.
func TestLook(t *testing.T) {
	store, url := start(t)
	picnic(t, store, url)
	deliver(t, store, letter("With pictures", `<p>hello</p><img src="https://pictures.example/1.png">`))
	alice(t, url, "Identity/set", `{ACCOUNT,"create":{"i":{"email":"alice@example.com","name":"Alice at work"}}}`, &jmap.Raw{})
	browse(t, url, nowhere, "look")
}

// answers are what was sent to those who wrote while alice was away.
type answers struct {
	mu  sync.Mutex
	all []string
}

func (*answers) Check(context.Context, *mail.Submission) error { return nil }

func (a *answers) Submit(_ context.Context, m *mail.Submission) ([]mail.DeliveryStatus, error) {
	b, err := io.ReadAll(m.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, string(b))
	return make([]mail.DeliveryStatus, len(m.To)), err
}

// TestVacation sets answers for a time away, one of which goes out.
func TestVacation(t *testing.T) {
	sent := new(answers)
	t.Cleanup(func() { // the store is closed: what was under way is over
		if len(sent.all) != 1 || !strings.Contains(sent.all[0], "I am away.") || !strings.Contains(sent.all[0], "Subject: Gone") {
			t.Errorf("answers: %q", sent.all)
		}
	})
	store, _, url := startWith(t, listen(t), mailstore.Options{Answers: sent})
	deliver(t, store, dan("1", "First", ""))
	browse(t, url, control(t, store, nil), "vacation")
}

// TestUndo takes letters back that were sent, or were to be sent later.
func TestUndo(t *testing.T) {
	store, url := start(t)
	deliver(t, store, dan("1", "First", ""))
	browse(t, url, nowhere, "undo")
}
