package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// hard is a message that is easy to damage.
const hard = "From: eve@example.org\r\nTo: alice@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <hard@example.org>\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
	"Gr\xc3\xbc\xc3\x9fe\r\n.\r\n..\r\n.dot\r\nA1 OK not the end\r\n)\r\ntrailing \t\r\n\r\n\r\n"

// below cuts off the trace fields of a delivery.
func below(message string) string {
	_, rest, _ := strings.Cut("\r\n"+message, "\r\nFrom: ")
	return "From: " + rest
}

// TestCurl reads over IMAP, POP3 and JMAP, with STARTTLS, STLS and implicit TLS, and appends.
func TestCurl(t *testing.T) {
	curl := suites.Program(t, "curl", "curl")
	s := startStore(t, "-memory")
	if res := s.deliver(t, hard, "alice@example.com"); res[0].Reply.Code != 250 {
		t.Fatal(res)
	}
	login := []string{"-sS", "--cacert", s.cert, "--ssl-reqd", "--user", "alice@example.com:secret"}
	get := func(args ...string) string { t.Helper(); return clitest.Output(t, curl, append(login, args...)...) }
	for name, url := range map[string]string{"IMAP": "imap://" + s.Addr("imap") + "/INBOX;MAILINDEX=1", "IMAPS": "imaps://" + s.Addr("imaps") + "/INBOX;MAILINDEX=1",
		"POP3": "pop3://" + s.Addr("pop3") + "/1", "POP3S": "pop3s://" + s.Addr("pop3s") + "/1"} {
		if got := below(get(url)); got != hard {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := get("pop3://" + s.Addr("pop3") + "/"); !strings.HasPrefix(got, "1 ") {
		t.Errorf("LIST: %q", got)
	}
	// HTTP: the session, a query that fetches the message's blob id, and the blob.
	var session struct {
		APIURL, DownloadURL string
		PrimaryAccounts     map[string]string
	}
	decode := func(text string, v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	decode(get("-L", "https://"+s.Addr("jmap")+"/.well-known/jmap"), &session)
	account := session.PrimaryAccounts["urn:ietf:params:jmap:mail"]
	var res struct {
		MethodResponses [2][3]json.RawMessage
	}
	decode(get("-H", "Content-Type: application/json", "--data", `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[
		["Email/query",{"accountId":"`+account+`"},"0"],
		["Email/get",{"accountId":"`+account+`","#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},"properties":["blobId","subject"]},"1"]]}`, session.APIURL), &res)
	var emails struct {
		List []struct{ BlobID, Subject string }
	}
	decode(string(res.MethodResponses[1][1]), &emails)
	if len(emails.List) != 1 || emails.List[0].Subject != "Grüße" {
		t.Fatalf("%+v", emails)
	}
	url := strings.NewReplacer("{accountId}", account, "{blobId}", emails.List[0].BlobID, "{name}", "x.eml", "{type}", "message/rfc822").Replace(session.DownloadURL)
	if got := below(get(url)); got != hard {
		t.Errorf("JMAP: %q", got)
	}
	get("-T", clitest.File(t, "draft.eml", hard), "imap://"+s.Addr("imap")+"/Drafts")
	if got := get("imap://" + s.Addr("imap") + "/Drafts;UID=1"); got != hard {
		t.Errorf("APPEND: %q", got)
	}
	if got := clitest.Output(t, curl, "-sS", "--cacert", s.cert, "-o", os.DevNull, "-w", "%{http_code}", "-H", "Authorization: Bearer t0ken", "https://"+s.Addr("jmap")+"/.well-known/jmap"); got != "200" {
		t.Errorf("with a token: %s", got)
	}
}

const python = `
import imaplib, poplib, ssl, sys
ca, imap, imaps, pop3, pop3s, dir = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)
def put(name, data):
    with open(dir + "/" + name, "wb") as f: f.write(data)
def split(addr): return addr.rsplit(":", 1)[0], int(addr.rsplit(":", 1)[1])
for name in ("imap", "imaps"):
    if name == "imap":
        m = imaplib.IMAP4(*split(imap)); m.starttls(ssl_context=tls)
    else:
        m = imaplib.IMAP4_SSL(*split(imaps), ssl_context=tls)
    m.login("alice@example.com", "secret")
    status, count = m.select("INBOX", readonly=True)
    assert status == "OK" and count == [b"1"], count
    status, found = m.uid("SEARCH", "SUBJECT", '"Gr"')
    assert status == "OK" and found == [b"1"], found
    status, data = m.fetch("1", "(FLAGS BODY.PEEK[])")
    put(name, data[0][1])
    status, data = m.append("Archive", r"(\Seen)", None, data[0][1])
    assert status == "OK" and b"APPENDUID" in data[0], data
    m.close(); m.logout()
for name in ("pop3", "pop3s"):
    if name == "pop3":
        p = poplib.POP3(*split(pop3)); p.stls(tls)
    else:
        p = poplib.POP3_SSL(*split(pop3s), context=tls)
    p.user("alice@example.com"); p.pass_("secret")
    assert p.stat()[0] == 1
    put(name, b"".join(line + b"\r\n" for line in p.retr(1)[1]))
    p.quit()
`

// TestPython reads with imaplib and poplib.
func TestPython(t *testing.T) {
	s := startStore(t, "-memory")
	s.deliver(t, hard, "alice@example.com")
	dir := t.TempDir()
	clitest.Output(t, suites.Program(t, "/usr/bin/python3", "python3"), "-c", python, s.cert, s.Addr("imap"), s.Addr("imaps"), s.Addr("pop3"), s.Addr("pop3s"), dir)
	for _, name := range []string{"imap", "imaps", "pop3", "pop3s"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := below(string(b)); got != hard {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestSwaks delivers by LMTP.
func TestSwaks(t *testing.T) {
	s := startStore(t, "-memory")
	file := clitest.File(t, "x.eml", strings.TrimSuffix(hard, "\r\n")) // swaks adds a line end
	clitest.Output(t, suites.Program(t, "swaks", "swaks"), "--protocol", "LMTP", "--server", s.Addr("lmtp"), "--from", "eve@example.org",
		"--to", "alice@example.com,bob@example.com", "--data", "@"+file)
	for user, password := range map[string]string{"alice@example.com": "secret", "bob": "s3cret"} {
		if got := s.emails(t, user, password); len(got) != 1 || below(got[0]) != hard {
			t.Errorf("%s: %q", user, got)
		}
	}
}
