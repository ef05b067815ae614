package imapserver_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/tls"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// letters are messages for exchanges with others, public ones and some that are awkward.
func letters(t testing.TB) []string {
	t.Helper()
	out := []string{
		"Subject: dots\r\n\r\n.\r\n..\r\n",
		"Subject: 8-bit\r\n\r\nGr\xfc\xdfe, Gr\xc3\xbc\xc3\x9fe\r\n",
		"Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n.\r\n", 30_000),
		"Subject: no line end\r\n\r\n)",
		"Subject: no body\r\n",
		"\r\n",
	}
	files, err := filepath.Glob(filepath.Join(suites.Dir(t, "mime/cpython-email"), "msg_*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no messages")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.NewReplacer("\r\n", "\r\n", "\r", "", "\n", "\r\n").Replace(string(b)))
	}
	return out
}

// peerServer serves an empty account over STARTTLS, or over implicit TLS, and returns its address, the file of its
// certificate, and the account.
func peerServer(t *testing.T, implicit bool) (addr, ca string, a *imap.Account) {
	t.Helper()
	m := &imaptest.Memory{}
	m.AddUser("alice")
	a, err := m.OpenAccount(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	s := &imapserver.Server{Backend: m, Authenticator: users(t), TLS: serverTLS(t)}
	ca = filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.TLS.Certificates[0].Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if implicit {
		ln = tls.NewListener(ln, s.TLS)
	}
	return startOn(t, s, ln), ca, a
}

func fill(t *testing.T, a *imap.Account, all []string) {
	t.Helper()
	for _, text := range all {
		if _, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: int64(len(text)), Body: strings.NewReader(text)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// stored returns the messages of a mailbox in order.
func stored(t *testing.T, a *imap.Account, box string) []string {
	t.Helper()
	m, err := a.Store.OpenMailbox(t.Context(), box)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for x, err := range m.Messages(t.Context(), imap.AllUIDs(), imap.FieldSize) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Body(t.Context(), x.UID)
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, x.Size)
		if n, err := b.ReadAt(text, 0); n < len(text) {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

// python appends the messages of a file, reads them back, and goes through the commands that imaplib has.
const python = `
import imaplib, json, ssl, sys
host, port, cafile, letters = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.load(open(sys.argv[4]))
m = imaplib.IMAP4(host, port, timeout=20)
m.starttls(ssl.create_default_context(cafile=cafile))
m.login('alice', 'secret')
def ok(r):
    assert r[0] == 'OK', r
    return r[1]
m.enable('CONDSTORE')
for l in letters:
    ok(m.append('INBOX', '(\\Flagged)', '"17-Jul-1996 02:44:25 -0700"', bytes.fromhex(l)))
print(ok(m.select())[0].decode())
for i in range(len(letters)):
    r = ok(m.fetch(str(i+1), '(UID FLAGS BODY.PEEK[])'))
    print(r[0][1].hex())
print(ok(m.search(None, 'FLAGGED', 'UNSEEN'))[0].decode())
ok(m.create('Work')); ok(m.copy('1:2', 'Work')); ok(m.store('1', '+FLAGS', '\\Deleted'))
print(ok(m.expunge())[0].decode())
print(ok(m.status('Work', '(MESSAGES)'))[0].decode())
print(b'|'.join(ok(m.list())).decode())
print(ok(m.uid('SEARCH', 'SUBJECT', 'dots'))[0])
print(m.select('nosuch')[0])
ok(m.rename('Work', 'Play')); ok(m.subscribe('Play')); print(ok(m.lsub())[0].decode()); ok(m.delete('Play'))
ok(m.select('INBOX', readonly=True)); ok(m.check()); ok(m.noop()); ok(m.unselect()); print(ok(m.namespace())[0].decode())
ok(m.create('Shared')); ok(m.setacl('Shared', 'carol', 'lrsd')); ok(m.setacl('Shared', 'dave', 'lr')); ok(m.deleteacl('Shared', 'dave'))
print(ok(m.getacl('Shared'))[0].decode()); print(ok(m.myrights('Shared'))[0].decode()); ok(m.delete('Shared'))
print(m.logout()[0])
`

func TestImaplib(t *testing.T) {
	program := suites.Program(t, "/usr/bin/python3", "python3")
	all := letters(t)
	addr, ca, a := peerServer(t, false)
	var encoded []string
	for _, l := range all {
		// imaplib makes CRLF of every line end; these have them already.
		encoded = append(encoded, hex.EncodeToString([]byte(l)))
	}
	file := filepath.Join(t.TempDir(), "letters.json")
	b, err := json.Marshal(encoded)
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(addr)
	out, err := exec.CommandContext(t.Context(), program, "-c", python, host, port, ca, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out[max(0, len(out)-1000):])
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(all)+12 {
		t.Fatalf("%d lines", len(lines))
	}
	var numbers []string
	for i, l := range all {
		if got, _ := hex.DecodeString(lines[1+i]); string(got) != l {
			t.Errorf("message %d: got %.200q, want %.200q", i+1, got, l)
		}
		numbers = append(numbers, fmt.Sprint(i+1))
	}
	want := []string{strings.Join(numbers, " "), "1", "Work (MESSAGES 2)", `(\HasNoChildren) "/" INBOX|(\HasNoChildren) "/" Work`, "b''", "NO",
		`() "/" Play`, `(("" "/")) (("Other Users/" "/")) NIL`, "Shared alice lrswipkxteacd carol lrsted", "Shared lrswipkxteacd", "BYE"}
	if got := lines[1+len(all):]; lines[0] != fmt.Sprint(len(all)) || !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := stored(t, a, "INBOX"); !slices.Equal(got, all[1:]) {
		t.Errorf("%d messages are stored, or they differ", len(got))
	}
}

func TestCurl(t *testing.T) {
	program := suites.Program(t, "curl", "curl")
	all := letters(t)
	for _, implicit := range []bool{false, true} {
		addr, ca, a := peerServer(t, implicit)
		fill(t, a, all)
		scheme := "imap"
		if implicit {
			scheme = "imaps"
		}
		curl := func(path string, args ...string) string {
			t.Helper()
			args = append(args, "-sS", "--max-time", "20", "--ssl-reqd", "--cacert", ca, "-u", "alice:secret", scheme+"://"+addr+path)
			out, err := exec.CommandContext(t.Context(), program, args...).Output()
			if err != nil {
				t.Fatalf("curl %s: %v", path, err)
			}
			return string(out)
		}
		for i, l := range all {
			if got := curl(fmt.Sprintf("/INBOX;UID=%d", i+1)); got != l {
				t.Errorf("message %d: got %.200q, want %.200q", i+1, got, l)
			}
		}
		if got := curl("/INBOX?SUBJECT%20dots"); got != "* SEARCH 1\r\n" {
			t.Errorf("SEARCH: %q", got)
		}
		if got := curl("/"); got != "* LIST (\\HasNoChildren) \"/\" INBOX\r\n" {
			t.Errorf("LIST: %q", got)
		}
		if got := curl("/INBOX;UID=1;SECTION=TEXT"); got != ".\r\n..\r\n" {
			t.Errorf("TEXT: %q", got)
		}
		file := filepath.Join(t.TempDir(), "letter.eml")
		if err := os.WriteFile(file, []byte(all[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		curl("/INBOX", "-T", file)
		if got := stored(t, a, "INBOX"); !slices.Equal(got, append(slices.Clone(all), all[2])) {
			t.Errorf("%d messages are stored, or they differ", len(got))
		}
	}
}

// TestMbsync copies a mailbox to a Maildir, then a new message and a flag back, and has nothing to do in the end.
func TestMbsync(t *testing.T) {
	program := suites.Program(t, "mbsync", "isync")
	addr, ca, a := peerServer(t, false)
	all := letters(t)
	all = slices.DeleteFunc(all, func(l string) bool { return !strings.Contains(l, "\r\n\r\n") || !strings.HasSuffix(l, "\r\n") })
	fill(t, a, all)
	host, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	rc := fmt.Sprintf("IMAPAccount a\nHost %s\nPort %s\nUser alice\nPass secret\nSSLType STARTTLS\nCertificateFile %s\nAuthMechs PLAIN\n\n"+
		"IMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/\nInbox %s/INBOX\nSubFolders Verbatim\n\n"+
		"Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n", host, port, ca, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "rc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), program, "-c", filepath.Join(dir, "rc"), "c").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run()
	files, _ := filepath.Glob(filepath.Join(dir, "INBOX/*/*"))
	var got []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if i := strings.Index(text, "X-TUID: "); i >= 0 { // its own field
			text = text[:i] + text[i+strings.Index(text[i:], "\n")+1:]
		}
		got = append(got, text)
	}
	want := make([]string, len(all))
	for i, l := range all {
		want[i] = strings.ReplaceAll(l, "\r\n", "\n")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d messages fetched, %d are there, or they differ", len(got), len(want))
	}
	if err := os.WriteFile(filepath.Join(dir, "INBOX/new/1.mine"), []byte("Subject: mine\n\nbody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run()
	if n := len(stored(t, a, "INBOX")); n != len(all)+1 {
		t.Errorf("%d messages after one was added to %d", n, len(all))
	}
	m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	before, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run()
	if after, err := m.Status(t.Context()); err != nil || after.HighestModSeq != before.HighestModSeq {
		t.Errorf("the third run changed something: %+v, %v", after, err)
	}
}

// TestFetchmail takes a mailbox away: every message is fetched, then deleted.
func TestFetchmail(t *testing.T) {
	addr, ca, a := peerServer(t, false)
	all := slices.DeleteFunc(letters(t), func(l string) bool {
		name, _, ok := strings.Cut(l, ":")
		return !ok || strings.Contains(name, " ") || !strings.Contains(l, "\r\n\r\n") || !strings.HasSuffix(l, "\r\n") // it leaves those
	})
	fill(t, a, all)
	got, want := suites.Fetchmail(t, "imap", addr, ca, "alice", "secret"), make([]string, len(all))
	for i, l := range all {
		want[i] = strings.ReplaceAll(l, "\r\n", "\n")
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) < 40 || !slices.Equal(got, want) {
		t.Errorf("%d messages fetched, %d are there, or they differ", len(got), len(want))
	}
	if left := stored(t, a, "INBOX"); len(left) != 0 {
		t.Errorf("%d messages are left", len(left))
	}
}

// TestImapflow has a client use STARTTLS, COMPRESS, CONDSTORE, QRESYNC and IDLE.
func TestImapflow(t *testing.T) {
	program := suites.Node(t, "testdata/imapflow")
	addr, ca, a := peerServer(t, false)
	all := letters(t)
	fill(t, a, all)
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(t.Context(), program, "testdata/imapflow/peer.mjs", port, ca)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	seen, messages := map[string]string{}, 0
	for lines := json.NewDecoder(out); ; {
		var line struct {
			Kind  string
			Value json.RawMessage
		}
		if lines.Decode(&line) != nil {
			break
		}
		switch line.Kind {
		case "message":
			var m struct {
				UID    int
				Source []byte
				ModSeq int
			}
			if err := json.Unmarshal(line.Value, &m); err != nil || m.UID != messages+1 || m.ModSeq == 0 || string(m.Source) != all[messages] {
				t.Errorf("message %d: %.300s, %v", messages+1, line.Value, err)
			}
			messages++
		case "idle":
			fill(t, a, []string{"Subject: news\r\n\r\n"})
		default:
			seen[line.Kind] = string(line.Value)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if messages != len(all) || messages < 40 {
		t.Errorf("%d messages of %d", messages, len(all))
	}
	for kind, want := range map[string]string{"compressed": "true", "flagged": "true", "deleted": "true", "found": "[1,3]",
		"appended": fmt.Sprint(len(all) + 1), "changed": fmt.Sprintf("[1,3,%d]", len(all)+1), "gone": "[2]", "news": "1"} {
		if seen[kind] != want {
			t.Errorf("%s: got %s, want %s", kind, seen[kind], want)
		}
	}
	for _, want := range []string{"CONDSTORE", "QRESYNC"} {
		if !strings.Contains(seen["enabled"], want) {
			t.Errorf("%s is not enabled: %s", want, seen["enabled"])
		}
	}
}

// TestNeomutt opens a mailbox in a reader of mail, with CONDSTORE and QRESYNC, reads the last message and flags it; a second
// run finds its cache right.
func TestNeomutt(t *testing.T) {
	program := suites.Program(t, "neomutt", "neomutt")
	script := suites.Program(t, "script", "bsdutils")
	addr, ca, a := peerServer(t, false)
	fill(t, a, messages())
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "cache"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(keys string) {
		t.Helper()
		rc := fmt.Sprintf("set ssl_starttls=yes ssl_force_tls=yes ssl_ca_certificates_file=%s ssl_use_system_certs=no certificate_file=%s\n"+
			"set imap_user=alice imap_pass=secret folder=\"imap://%s/\" spool_file=\"imap://%s/INBOX\" imap_condstore=yes imap_qresync=yes\n"+
			"set header_cache=%s/cache sleep_time=0 sort=mailbox-order delete=yes move=no\npush \"%s\"\n", ca, ca, addr, addr, dir, keys)
		if err := os.WriteFile(filepath.Join(dir, "rc"), []byte(rc), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c := exec.CommandContext(ctx, script, "-qec", "stty rows 24 cols 80; "+program+" -F "+filepath.Join(dir, "rc"), "/dev/null")
		c.Env = append(os.Environ(), "TERM=xterm", "HOME="+dir)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %q", err, out[max(0, len(out)-500):])
		}
	}
	flags := func() string {
		t.Helper()
		m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for x, err := range m.Messages(t.Context(), imap.AllUIDs(), imap.FieldFlags) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprint(x.UID, x.Flags))
		}
		return strings.Join(out, " ")
	}
	run("<last-entry><display-message><exit><flag-message><sync-mailbox><exit>")
	if got := flags(); got != `1 [] 2 [] 3 [\Flagged \Seen]` && got != `1 [] 2 [] 3 [\Seen \Flagged]` {
		t.Errorf("flags %s", got)
	}
	if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(2), true); err != nil {
		t.Fatal(err)
	}
	run("<first-entry><delete-message><sync-mailbox><exit>")
	if got := flags(); got != `3 [\Flagged \Seen]` && got != `3 [\Seen \Flagged]` {
		t.Errorf("flags %s", got)
	}
}
