package imapserver_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// large returns a server with these limits, and a session that has selected a mailbox of 2500 messages, the even ones of which have
// \Deleted: UIDs 1 to 2502 without 1001 and 1002.
func large(t *testing.T, l imapserver.Limits) (*imapserver.Server, *peer) {
	t.Helper()
	s := server(t)
	s.Limits = l
	a, err := s.Backend.OpenAccount(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	msgs := make([]imap.AppendMessage, 2502)
	for i := range msgs {
		if msgs[i] = (imap.AppendMessage{Size: 1, Body: strings.NewReader("x")}); i%2 == 1 {
			msgs[i].Flags = []imap.Flag{imap.FlagDeleted}
		}
	}
	if _, err := a.Appender.Append(t.Context(), "INBOX", msgs); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDSet{{First: 1001, Last: 1002}}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Editor.Create(t.Context(), "Trash", imap.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := dial(t, start(t, s))
	p.want("* OK ...")
	p.do("a", "LOGIN bob secret")
	p.do("a", "SELECT INBOX")
	return s, p
}

// shortened is an answer with its untagged responses counted: the first, the last and the tagged one.
func shortened(lines []string) string {
	n := len(lines) - 1
	if n > 3 {
		lines = []string{lines[0], fmt.Sprintf("(%d)", n-2), lines[n-1], lines[n]}
	}
	return strings.Join(lines, "|")
}

// TestMessageLimit has the commands of RFC 9738 §3.1 to §3.4 on more messages than they may work on, and on fewer.
func TestMessageLimit(t *testing.T) {
	_, p := large(t, imapserver.Limits{Messages: 1000})
	for _, c := range [][2]string{
		{"CAPABILITY", "* CAPABILITY ... MESSAGELIMIT=1000...|a OK ..."},
		{"FETCH 1:2500 (UID)", "* 2500 FETCH (UID 2502)|(998)|* 1501 FETCH (UID 1503)|a OK [MESSAGELIMIT 1000 1503] ..."},
		{"FETCH 501:1500 (UID)", "* 501 FETCH (UID 501)|(998)|* 1500 FETCH (UID 1502)|a OK FETCH completed"},
		{"UID FETCH 1:1502 (UID)", "* 1500 FETCH (UID 1502)|(998)|* 501 FETCH (UID 501)|a OK [MESSAGELIMIT 1000 501] ..."},
		{"UID FETCH 1:500 (UID) (PARTIAL 1:1001)", "* 1 FETCH (UID 1)|(498)|* 500 FETCH (UID 500)|a OK FETCH completed"},
		{"UID FETCH 1:2502 (UID) (PARTIAL -1:-1001)", "a NO [MESSAGELIMIT 1000] ..."},
		{"UID FETCH 1:2502 (UID) (PARTIAL 1:1000)", "* 1 FETCH (UID 1)|(998)|* 1000 FETCH (UID 1000)|a OK FETCH completed"},
		{"UID SEARCH 1:* UNDELETED", "* SEARCH 1503 1505...2501|a OK [MESSAGELIMIT 1000 1503] ..."},
		{"UID SEARCH UIDBEFORE 1503 UIDAFTER 1100 UNDELETED", "* SEARCH 1101...1501|a OK SEARCH completed"},
		{"UID SEARCH RETURN (COUNT) UIDBEFORE 1", "* ESEARCH (TAG \"a\") UID COUNT 0|a OK ..."},
		{"UID SEARCH RETURN (COUNT) UIDAFTER 4294967295", "* ESEARCH (TAG \"a\") UID COUNT 0|a OK ..."},
		{"UID SEARCH RETURN (COUNT) NOT UIDAFTER 2000 UIDAFTER 1502", "* ESEARCH (TAG \"a\") UID COUNT 498|a OK ..."},
		{"UID SEARCH UIDAFTER 0", "a BAD ..."},
		{"UID SEARCH UIDBEFORE *", "a BAD ..."},
		{"UID SEARCH RETURN (SAVE) 1:* UNDELETED", "a OK [MESSAGELIMIT 1000 1503] ..."},
		{"SEARCH RETURN (COUNT MIN) $", "* ESEARCH (TAG \"a\") MIN 1501 COUNT 500|a OK SEARCH completed"},
		{"UID SEARCH RETURN (PARTIAL -1:-2) UNDELETED", "* ESEARCH (TAG \"a\") UID PARTIAL (-1:-2 2499,2501)|a OK [MESSAGELIMIT 1000 1503] ..."},
		{"UID SEARCH RETURN (PARTIAL 1:2) UNDELETED", "a NO [MESSAGELIMIT 1000] ..."},
		{"UID SORT (ARRIVAL) UTF-8 UNDELETED", "a NO [MESSAGELIMIT 1000] ..."},
		{"UID SORT RETURN (COUNT) (ARRIVAL) UTF-8 UID 1:1000", "* ESEARCH (TAG \"a\") UID COUNT 1000|a OK SORT completed"},
		{"UID THREAD REFERENCES UTF-8 ALL", "a NO [MESSAGELIMIT 1000] ..."},
		{"ESEARCH RETURN (COUNT) UNDELETED", "* ESEARCH (TAG \"a\" MAILBOX INBOX UIDVALIDITY ...) UID COUNT 500|a OK [MESSAGELIMIT 1000 1503] ..."},
		{"ESEARCH IN (personal) RETURN (COUNT) UNDELETED SINCE 1-Jan-2020", "a NO [MESSAGELIMIT 1000] ..."},
		{"ESEARCH IN (personal) RETURN (COUNT) UID 1:1000", "* ESEARCH (TAG \"a\" MAILBOX INBOX UIDVALIDITY ...) UID COUNT 1000|a OK ..."},
		{"UID SEARCH RETURN (COUNT UPDATE) 1:*", "* ESEARCH (TAG \"a\") UID COUNT 1000|* NO [NOUPDATE \"a\"] ...|a OK [MESSAGELIMIT 1000 1503] ..."},
		{"UID COPY 1:* Trash", "a NO [MESSAGELIMIT 1000 1503] ..."},
		{"STATUS Trash (MESSAGES)", "* STATUS Trash (MESSAGES 0)|a OK ..."},
		{"UID COPY 1:1000 Trash", "a OK [COPYUID ... 1:1000 1:1000] ..."},
		{"UID STORE 1:* +FLAGS (\\Seen)", "* 2500 FETCH (UID 2502 FLAGS (\\Deleted \\Seen))|(998)|* 1501 FETCH (UID 1503 FLAGS (\\Seen))|a OK [MESSAGELIMIT 1000 1503] ..."},
		{"UID STORE 1:1502 +FLAGS.SILENT (\\Flagged)", "a OK [MESSAGELIMIT 1000 501] ..."},
		{"UID SEARCH RETURN (COUNT) UID 1:1502 FLAGGED", "* ESEARCH (TAG \"a\") UID COUNT 1000|a OK [MESSAGELIMIT 1000 501] ..."},
		{"UID SEARCH RETURN (COUNT) UID 1:500 FLAGGED", "* ESEARCH (TAG \"a\") UID COUNT 0|a OK ..."},
		// the tagged response has a code of its own
		{"UID STORE 1:1502 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Answered)", "* NO [MESSAGELIMIT 1000 501] ...|a OK [MODIFIED 501:...1502] ..."},
		{"UID EXPUNGE 1:*", "* 2500 EXPUNGE|(998)|* 502 EXPUNGE|a OK [MESSAGELIMIT 1000 502] ..."},
		{"UID EXPUNGE 1:*", "* 500 EXPUNGE|(248)|* 2 EXPUNGE|a OK EXPUNGE completed"},
		{"STATUS INBOX (MESSAGES UNSEEN)", "* STATUS INBOX (MESSAGES 1250 UNSEEN 750)|a OK ..."},
		{"UID MOVE 1:* Trash", "* OK [COPYUID ... 501,...2501 1001:2000] ...|(999)|* 251 EXPUNGE|a OK [MESSAGELIMIT 1000 501] ..."},
		{"MOVE 1:* Trash", "* OK [COPYUID ... 1,...499 2001:2250] ...|(249)|* 1 EXPUNGE|a OK MOVE completed"},
	} {
		if got := shortened(p.do("a", c[0])); !matches(c[1], got) {
			t.Errorf("%s:\n\t%.400s\nwant\t%s", c[0], got, c[1])
		}
	}
}

// TestMessageLimitOthers has what RFC 9738 §3.1 does not limit, and the codes that go before MESSAGELIMIT.
func TestMessageLimitOthers(t *testing.T) {
	s, p := large(t, imapserver.Limits{Messages: 1000, Tolerated: 2000})
	a, err := s.Backend.OpenAccount(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Store.OpenMailbox(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	before, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range imap.UID(10) {
		if _, err := a.Flagger.StoreFlags(t.Context(), "INBOX", imap.UIDs(1+i*100), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{"x"}}, imap.NoUnchangedSince); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(2500), true); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"FETCH 1:2500 (UID)", "* 2500 FETCH (UID 2502)|(2009)|* NO [MESSAGELIMIT 2000 501] ...|a NO [EXPUNGEISSUED] ..."},
		{"CAPABILITY", "* CAPABILITY ... MESSAGELIMIT=1000...|a OK ..."},
		{"NOOP", "* 2498 EXPUNGE|a OK NOOP completed"},
		{"UID FETCH 1:* (UID)", "* 2499 FETCH (UID 2502)|(1998)|* 500 FETCH (UID 500)|a OK [MESSAGELIMIT 2000 500] ..."},
		{fmt.Sprintf("UID FETCH 1:* (UID) (CHANGEDSINCE %d)", before.HighestModSeq), "* 1 FETCH (UID 1 MODSEQ (...))|(8)|* 901 FETCH (UID 901 MODSEQ (...))|a OK FETCH completed"},
		{"STATUS INBOX (UNSEEN)", "* STATUS INBOX (UNSEEN 2499)|a OK ..."},
		{"ENABLE QRESYNC", "* ENABLED QRESYNC|a OK ..."},
		{"UID STORE 1:500 +FLAGS.SILENT (\\Deleted)", "* 1 FETCH ...|(248)|* 499 FETCH ...|a OK ..."},
		{"UID STORE 501:2502 +FLAGS.SILENT (\\Deleted)", "* ...|(...)|* ...|a OK STORE completed"},
		{"UID EXPUNGE 1:*", "* VANISHED 500:1000,1003:2499,2501:2502|* NO [MESSAGELIMIT 2000 500] ...|a OK [HIGHESTMODSEQ ...] ..."},
		{"UID STORE 1:* -FLAGS.SILENT (\\Flagged)", "a OK STORE completed"},
		{"EXPUNGE", "* VANISHED 1:499|a OK ..."},
	} {
		if got := shortened(p.do("a", c[0])); !matches(c[1], got) {
			t.Errorf("%s:\n\t%.400s\nwant\t%s", c[0], got, c[1])
		}
	}
	_, p = large(t, imapserver.Limits{Messages: 1000})
	if got := shortened(p.do("a", "EXPUNGE")); !matches("* 2500 EXPUNGE|(1248)|* 2 EXPUNGE|a OK EXPUNGE completed", got) {
		t.Error(got)
	}
}

// TestSaveLimit has COPY and APPEND alone limited (RFC 9738 §3).
func TestSaveLimit(t *testing.T) {
	_, p := large(t, imapserver.Limits{Saves: 1001})
	for _, c := range [][2]string{
		{"CAPABILITY", "* CAPABILITY ... SAVELIMIT=1001...|a OK ..."},
		{"UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)|(2498)|* 2500 FETCH (UID 2502)|a OK FETCH completed"},
		{"UID COPY 1:* Trash", "a NO [MESSAGELIMIT 1001 1502] ..."},
		{"COPY 1:1001 Trash", "a OK [COPYUID ...] ..."},
		{"APPEND Trash" + strings.Repeat(" {1+}\r\nx", 1001), "a OK [APPENDUID ... 1002:2002] ..."},
		{"APPEND Trash" + strings.Repeat(" {1+}\r\nx", 1002), "a NO [MESSAGELIMIT 1001] ..."},
		{"STATUS Trash (MESSAGES)", "* STATUS Trash (MESSAGES 2002)|a OK ..."},
	} {
		if got := shortened(p.do("a", c[0])); !matches(c[1], got) {
			t.Errorf("%.60s:\n\t%.400s\nwant\t%s", c[0], got, c[1])
		}
	}
	for _, l := range []imapserver.Limits{{Messages: 999}, {Saves: 999}, {Messages: -1}, {Messages: 1000, Saves: 1000}, {Tolerated: 5000},
		{Messages: 2000, Tolerated: 1999}, {Messages: 1 << 32}, {Saves: 1000, Tolerated: 1 << 32}} {
		s := server(t)
		s.Limits = l
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "Limits") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
