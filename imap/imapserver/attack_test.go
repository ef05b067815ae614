package imapserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// smuggled is what an attacker hides in literals that get refused.
const smuggled = "x9 DELETE victim\r\nx8 RENAME victim gone\r\n"

// TestAttacks sends what is hostile. After each exchange the victim mailbox of alice is still there, and INBOX has its
// three messages: nothing of a literal has run as a command.
func TestAttacks(t *testing.T) {
	hidden := strings.Repeat(smuggled, 50)
	big := imapserver.Limits{Message: 1000}
	for _, c := range []struct {
		name   string
		limits imapserver.Limits
		login  bool
		send   string
		want   []string // "..." as in want; the last may be "<closed>"
	}{
		{"literal of 2 GB before the login", big, false, "a LOGIN {2147483648}\r\nb NOOP\r\n", []string{"a BAD [TOOBIG] ...", "b OK ..."}},
		{"the same, unasked", big, false, "a LOGIN {2147483648+}\r\n" + hidden, []string{"a BAD [TOOBIG] ...", "* BAD ...", "* BYE ...", "<closed>"}},
		{"literal of 9 kB before the login", big, false, "a LOGIN {9000+}\r\n" + strings.Repeat(smuggled, 250)[:9000] + " x\r\nb NOOP\r\n", []string{"a BAD [TOOBIG] ...", "b OK ..."}},
		{"literal beyond 2^64", big, true, "a CREATE {18446744073709551616}\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"literal beyond 2^64, unasked", big, true, "a CREATE {18446744073709551616+}\r\n" + smuggled, []string{"a BAD ...", "* BAD ...", "* BYE ...", "<closed>"}},
		{"literal of -1", big, true, "a CREATE {-1}\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"line of 1 MB", big, true, "a CREATE " + strings.Repeat("x", 1<<20) + "\r\n" + smuggled, []string{"* BAD [TOOBIG] ...", "* BYE ...", "<closed>"}},
		{"line of 1 MB before the login", big, false, strings.Repeat("x", 1<<20), []string{"* BAD [TOOBIG] ...", "* BYE ...", "<closed>"}},
		{"HTTP", big, false, "POST / HTTP/1.1\r\nHost: x\r\n\r\na LOGIN alice secret\r\n" + smuggled, []string{"* BYE ...", "<closed>"}},
		{"bad commands", big, false, strings.Repeat("a FOO\r\n", 30), append(repeat("a BAD ...", 20), "* BYE ...", "<closed>")},
		{"tag +", big, true, "+ NOOP\r\na NOOP\r\n", []string{"* BAD ...", "a OK ..."}},
		{"tag *", big, true, "* NOOP\r\na NOOP\r\n", []string{"* BAD ...", "a OK ..."}},
		{"empty line", big, true, "\r\na NOOP\r\n", []string{"* BAD ...", "a OK ..."}},
		{"bare LF", big, true, "a NOOP\nb NOOP\r\n", []string{"* BAD ...", "b OK ..."}},
		{"NUL in a quoted string", big, true, "a CREATE \"x\x00y\"\r\nb NOOP\r\n", []string{"* BAD ...", "b OK ..."}},
		{"bare CR in a quoted string", big, true, "a CREATE \"x\r" + "y\"\r\nb NOOP\r\n", []string{"* BAD ...", "b OK ..."}},
		{"CRLF in a name", big, true, "a CREATE {6+}\r\nx\r\ny z\r\nb NOOP\r\n", []string{"a NO [CANNOT] ...", "b OK ..."}},
		{"APPEND too big, unasked", big, true, fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s\r\nb NOOP\r\n", len(hidden), hidden), []string{"a NO [TOOBIG] ...", "b OK ..."}},
		{"APPEND far too big, unasked", big, true, "a APPEND INBOX {300000000+}\r\n" + hidden, []string{"a NO [TOOBIG] ...", "* BAD ...", "* BYE ...", "<closed>"}},
		{"APPEND of 2 MB to nowhere, unasked", imapserver.Limits{}, true, "a APPEND nosuch {2000000+}\r\n" + strings.Repeat(smuggled, 50000)[:2000000] + "\r\nb NOOP\r\n", []string{"a NO [TRYCREATE] ...", "b OK ..."}},
		{"APPEND too big, asked", big, true, "a APPEND INBOX {300000000}\r\nb NOOP\r\n", []string{"a NO [TOOBIG] ...", "b OK ..."}},
		{"APPEND to nowhere, asked", big, true, "a APPEND nosuch {30}\r\nb NOOP\r\n", []string{"a NO [TRYCREATE] ...", "b OK ..."}},
		{"APPEND to nowhere, unasked", big, true, "a APPEND nosuch {40+}\r\n" + smuggled[:40] + "\r\nb NOOP\r\n", []string{"a NO [TRYCREATE] ...", "b OK ..."}},
		{"APPEND with a bad flag", big, true, "a APPEND INBOX (\\Foo) {40+}\r\n" + smuggled[:40] + "\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"APPEND with a bad date", big, true, "a APPEND INBOX \"32-Jan-2000 00:00:00 +0000\" {40+}\r\n" + smuggled[:40] + "\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"APPEND with something behind", big, true, "a APPEND INBOX {40+}\r\n" + smuggled[:40] + " x\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"APPEND of two, the second too big", big, true, "a APPEND INBOX {18+}\r\n" + smuggled[:18] + fmt.Sprintf(" {%d+}\r\n%s\r\nb NOOP\r\n", len(hidden), hidden),
			[]string{"a NO [TOOBIG] ...", "b OK ..."}},
		{"APPEND of two, the second against the grammar", big, true, "a APPEND INBOX {18+}\r\n" + smuggled[:18] + " x {18+}\r\n" + smuggled[:18] + "\r\nb STATUS INBOX (MESSAGES)\r\n",
			[]string{"a BAD ...", "* STATUS INBOX (MESSAGES 3)", "b OK ..."}},
		{"APPEND of two, cancelled", big, true, "a APPEND INBOX {18+}\r\n" + smuggled[:18] + " {0+}\r\n\r\nb STATUS INBOX (MESSAGES)\r\n",
			[]string{"a NO ...", "* STATUS INBOX (MESSAGES 3)", "b OK ..."}},
		{"APPEND of 1001", imapserver.Limits{}, true, "a APPEND INBOX" + strings.Repeat(" {1+}\r\nx", 1001) + "\r\nb STATUS INBOX (MESSAGES)\r\n",
			[]string{"a NO [LIMIT] ...", "* STATUS INBOX (MESSAGES 3)", "b OK ..."}},
		{"APPEND of too much in all", imapserver.Limits{Message: 20}, true, "a APPEND INBOX" + strings.Repeat(" {20+}\r\n"+smuggled[:20], 5) + "\r\nb STATUS INBOX (MESSAGES)\r\n",
			[]string{"a NO [LIMIT] ...", "* STATUS INBOX (MESSAGES 3)", "b OK ..."}},
		{"CATENATE of itself, until it is too big", imapserver.Limits{Message: 100}, true, "a APPEND INBOX CATENATE (" + strings.Repeat("URL /INBOX/;UID=3 ", 50) + "URL /INBOX/;UID=3)\r\nb STATUS INBOX (MESSAGES)\r\n",
			[]string{"a NO [TOOBIG] ...", "* STATUS INBOX (MESSAGES 3)", "b OK ..."}},
		{"CATENATE of 1001 parts", big, true, "a APPEND INBOX CATENATE (TEXT {1+}\r\nx" + strings.Repeat(" TEXT {0+}\r\n", 1000) + ")\r\nb STATUS INBOX (MESSAGES)\r\n",
			[]string{"a NO [LIMIT] ...", "* STATUS INBOX (MESSAGES 3)", "b OK ..."}},
		{"CATENATE with a text too big, unasked", big, true, fmt.Sprintf("a APPEND INBOX CATENATE (URL /INBOX/;UID=1 TEXT {%d+}\r\n%s)\r\nb NOOP\r\n", len(hidden), hidden), []string{"a NO [TOOBIG] ...", "b OK ..."}},
		{"APPEND of nothing", big, true, "a APPEND INBOX {0+}\r\n\r\nb NOOP\r\n", []string{"a NO ...", "b OK ..."}},
		{"literals in an unknown command", big, true, "a FOO {18+}\r\n" + smuggled[:18] + " {18+}\r\n" + smuggled[:18] + "\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"a literal where none can be", big, true, "a NOOP {18+}\r\n" + smuggled[:18] + "\r\nb NOOP\r\n", []string{"a BAD ...", "b OK ..."}},
		{"SEARCH 20,000 deep", big, true, "a SELECT INBOX\r\nb SEARCH " + strings.Repeat("(", 20000) + "ALL" + strings.Repeat(")", 20000) + "\r\n", append(repeat("* ...", 9), "a OK ...", "b BAD [LIMIT] ...")},
		{"SEARCH NOT 10,000 times", big, true, "a SELECT INBOX\r\nb SEARCH " + strings.Repeat("NOT ", 10000) + "ALL\r\n", append(repeat("* ...", 9), "a OK ...", "b BAD [LIMIT] ...")},
		{"sets", big, true, "a SELECT INBOX\r\nb FETCH 0 FLAGS\r\nc FETCH 4294967296 FLAGS\r\nd FETCH 5 FLAGS\r\ne UID FETCH 1:4294967295 UID\r\n",
			append(repeat("* ...", 9), "a OK ...", "b BAD ...", "c BAD ...", "d BAD ...", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "e OK ...")},
		{"a set of 20,000", imapserver.Limits{Line: 200000}, true, "a SELECT INBOX\r\nb UID FETCH " + strings.Repeat("1,", 20000) + "1 UID\r\n", append(repeat("* ...", 9), "a OK ...", "* 1 FETCH (UID 1)", "b OK ...")},
		{"an empty mailbox", big, true, "a SELECT victim\r\nb FETCH 5 FLAGS\r\nc FETCH 1:* FLAGS\r\nd UID FETCH 1:* FLAGS\r\ne SEARCH ALL\r\n",
			append(repeat("* ...", 8), "a OK ...", "b BAD ...", "c BAD ...", "d OK ...", "* SEARCH", "e OK ...")},
		{"LIST with 60 wildcards", big, true, "a LIST \"\" " + strings.Repeat("*a", 60) + "*b\r\n", []string{"a OK ..."}},
		{"LIST with a long pattern", big, true, "a LIST \"\" " + strings.Repeat("*a", 3000) + "\r\n", []string{"a BAD [LIMIT] ..."}},
		{"LIST with many patterns", big, true, "a LIST \"\" (" + strings.Repeat("x ", 32) + "x)\r\n", []string{"a BAD [LIMIT] ..."}},
		{"names that are none", big, true, "a CREATE &Jjo\r\nb CREATE \"M\xc3\xbcll\"\r\nc CREATE \"/\"\r\nd CREATE \"\"\r\ne CREATE a//b\r\nf CREATE \"a\x01\"\r\n",
			repeat("... NO [CANNOT] ...", 6)},
		{"partial ranges", big, true, "a EXAMINE INBOX\r\nb FETCH 1 BODY[]<4294967295.1>\r\nc FETCH 1 BODY[]<0.9223372036854775808>\r\nd FETCH 1 BODY[]<0.0>\r\n",
			append(repeat("* ...", 9), "a OK ...", "* 1 FETCH (BODY[]<4294967295> \"\")", "b OK ...", "c BAD ...", "d BAD ...")},
		{"an unknown charset", big, true, "a SELECT INBOX\r\nb SEARCH CHARSET KOI-7 SUBJECT x\r\n", append(repeat("* ...", 9), "a OK ...", "b NO [BADCHARSET (US-ASCII UTF-8)] ...")},
		{"QRESYNC beyond everything", imapserver.Limits{Line: 1 << 20}, true, "a ENABLE QRESYNC\r\nb SELECT INBOX (QRESYNC (1 9223372036854775808))\r\nc SELECT INBOX (QRESYNC (1 1 1" + strings.Repeat(",1", 100000) + "))\r\n",
			[]string{"* ENABLED QRESYNC", "a OK ...", "b BAD ...", "c BAD [LIMIT] ..."}},
		{"SEARCH with 1001 keys", big, true, "a SELECT INBOX\r\nb SEARCH " + strings.Repeat("TEXT x ", 1000) + "ALL\r\n", append(repeat("* ...", 9), "a OK ...", "b BAD [LIMIT] ...")},
		{"what is not there", big, true, "a SELECT nosuch\r\nb STATUS nosuch (MESSAGES)\r\nc DELETE nosuch\r\nd SUBSCRIBE nosuch\r\ne EXAMINE INBOX\r\nf COPY 1 nosuch\r\n",
			append(append([]string{}, "a NO [NONEXISTENT] ...", "b NO [NONEXISTENT] ...", "c NO [NONEXISTENT] ...", "d NO [NONEXISTENT] ..."), append(repeat("* ...", 9), "e OK ...", "f NO [TRYCREATE] ...")...)},
		{"DONE and the next command at once", big, true, "a IDLE\r\nDONE\r\nb NOOP\r\n", []string{"+ idling", "a OK ...", "b OK ..."}},
		{"IDLE with garbage", big, true, "a IDLE\r\nx9 DELETE victim\r\nb NOOP\r\n", []string{"+ idling", "a BAD ...", "b OK ..."}},
		{"AUTHENTICATE with garbage", big, false, "a AUTHENTICATE PLAIN\r\n!!!\r\nb AUTHENTICATE PLAIN\r\n*\r\nc AUTHENTICATE NOSUCH\r\nd AUTHENTICATE PLAIN =\r\ne AUTHENTICATE PLAIN AGFsaWNlAHdyb25n\r\n",
			[]string{"+ ", "a BAD ...", "+ ", "b BAD cancelled", "c NO [CANNOT] ...", "d BAD ...", "e NO [AUTHENTICATIONFAILED] ..."}},
		{"logins", big, false, strings.Repeat("a LOGIN alice wrong\r\n", 9), append(repeat("a NO [AUTHENTICATIONFAILED] ...", 5), "<closed>")},
		{"a user without mailboxes", big, false, "a LOGIN nobody secret\r\nb NOOP\r\n", []string{"a NO [AUTHORIZATIONFAILED] ...", "b OK ..."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := memory(t)
			a, err := b.OpenAccount(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Editor.Create(t.Context(), "victim", imap.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			s := server(t)
			s.Backend, s.Limits = b, c.limits
			p := dial(t, start(t, s))
			if c.login {
				p.login()
			} else {
				p.want("* OK ...")
			}
			go p.Write([]byte(c.send)) // it may be cut off
			for _, want := range c.want {
				p.want(want)
			}
			untouched(t, a)
		})
	}
}

func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// untouched fails unless alice has the victim mailbox and her three messages.
func untouched(t *testing.T, a *imap.Account) {
	t.Helper()
	if _, err := a.Store.OpenMailbox(t.Context(), "victim"); err != nil {
		t.Error(err)
	}
	m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := m.Status(t.Context()); err != nil || st.Messages != 3 {
		t.Errorf("INBOX: %+v, %v", st, err)
	}
}

// TestHostileMessages fetches the structure and a part of messages that are made to hurt.
func TestHostileMessages(t *testing.T) {
	deep := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return b.String() + "\r\nleaf\r\n"
	}
	for name, text := range map[string]string{
		"multipart 5000 deep":         deep(5000),
		"messages 5000 deep":          strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 5000) + "\r\nleaf\r\n",
		"20,000 parts":                "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 20000) + "--b--\r\n",
		"multipart without parts":     "Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n",
		"multipart without boundary":  "Content-Type: multipart/mixed\r\n\r\nnothing\r\n",
		"a header of 1 MB":            "Subject: " + strings.Repeat("x", 1<<20) + "\r\n\r\nbody\r\n",
		"20,000 addresses":            "To: " + strings.Repeat("a@example.com, ", 20000) + "b@example.com\r\n\r\nbody\r\n",
		"encoded words without end":   "Subject: " + strings.Repeat("=?a?q?", 200000) + "?=\r\nFrom: " + strings.Repeat("=?", 200000) + "\r\n\r\nbody\r\n",
		"200,000 fields":              strings.Repeat("X: y\r\n", 200000) + "\r\nbody\r\n",
		"header alone":                "Subject: x\r\n",
		"no header":                   "\r\nbody",
		"not a message":               "\x00\xff\xfe\r\r\n\n",
		"a single octet":              "x",
		"a type with a quote in it":   "Content-Type: text/pl\"ain\r\nContent-Disposition: attachment; filename=\"a\\\"\r\n b\"\r\n\r\nx",
		"names in the wrong charset":  "From: \xff\xfe <a@b>\r\nSubject: \xe4\r\n\r\nx",
		"addresses that are not some": "From: ,,;:<>@()\r\nTo: a:b:c;;\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, start(t, server(t))).login()
			p.send(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s\r\n", len(text), text))
			p.want("a OK [APPENDUID 1 4] ...")
			p.do("b", "SELECT INBOX")
			begin := time.Now()
			p.send("c FETCH 4 (ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[1] BODY.PEEK[1.1.1.HEADER] BINARY.SIZE[1] BODY.PEEK[HEADER])\r\n")
			d := imap.NewDecoder(p.r, imap.DecoderOptions{MaxLine: 8 << 20, MaxLiteral: 8 << 20, MaxCommand: 64 << 20, Lenient: true})
			if err := d.Next(); err != nil {
				t.Fatal(err)
			}
			d.Expect('*')
			d.SP()
			d.Value()
			d.SP()
			d.Keyword()
			d.SP()
			d.Value()
			if d.EOL(); d.Err() != nil {
				t.Error(d.Err())
			}
			p.want("c OK ...")
			p.send("f FETCH 4 (" + strings.Repeat("BODY.PEEK[HEADER.FIELDS.NOT (nosuch)] ", 90) + "UID)\r\n")
			size := 0
			for {
				line, err := p.r.ReadString('\n')
				if size += len(line); err != nil || strings.HasPrefix(line, "f ") {
					break
				}
			}
			if size > 3*len(text)+2<<20 {
				t.Errorf("%d octets of a message of %d", size, len(text))
			}
			if got := p.do("d", "SEARCH OR TEXT \"nosuch\" NOT BODY \"nosuch either\""); got[0] != "* SEARCH 1 2 3 4" {
				t.Error(got)
			}
			t.Logf("%v", time.Since(begin))
			p.send("e FETCH 4 BODY.PEEK[]\r\n")
			p.want(fmt.Sprintf("* 4 FETCH (BODY[] {%d}", len(text)))
			got := make([]byte, len(text))
			if _, err := readFull(p, got); err != nil || string(got) != text {
				t.Errorf("the message has changed: %v", err)
			}
			p.want(")")
			p.want("e OK ...")
		})
	}
}

func readFull(p *peer, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		k, err := p.r.Read(b[n:])
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

// TestPipeline sends 10,000 commands at once.
func TestPipeline(t *testing.T) {
	p := dial(t, start(t, server(t))).login()
	go p.Write([]byte(strings.Repeat("a NOOP\r\n", 10000)))
	for range 10000 {
		p.want("a OK NOOP completed")
	}
}
