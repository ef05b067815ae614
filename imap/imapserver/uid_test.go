package imapserver_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// TestUIDBatches has the rules of RFC 10022 §3.1, on a mailbox of 1237 messages of which the first has gone.
func TestUIDBatches(t *testing.T) {
	s := server(t)
	a, err := s.Backend.OpenAccount(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	msgs := make([]imap.AppendMessage, 1238)
	for i := range msgs {
		msgs[i] = imap.AppendMessage{Size: 1, Body: strings.NewReader("x")}
	}
	if _, err := a.Appender.Append(t.Context(), "INBOX", msgs); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.UIDs(1), true); err != nil {
		t.Fatal(err)
	}
	p := dial(t, start(t, s))
	p.want("* OK ...")
	p.do("a", "LOGIN bob secret")
	if got := p.do("a", "UIDBATCHES 500")[0]; !strings.HasPrefix(got, "a BAD") {
		t.Error(got)
	}
	p.do("a", "ENABLE UIDONLY")
	p.do("a", "SELECT INBOX")
	for _, c := range [][2]string{
		{"500", `* UIDBATCHES (TAG "a") 1238:739,738:239,238:2|a OK UIDBATCHES completed`},
		{"1000", `* UIDBATCHES (TAG "a") 1238:239,238:2|a OK ...`},
		{"1237", `* UIDBATCHES (TAG "a") 1238:2|a OK ...`},
		{"4294967295", `* UIDBATCHES (TAG "a") 1238:2|a OK ...`},
		{"500 2:3", `* UIDBATCHES (TAG "a") 738:239,238:2|a OK ...`},
		{"500 3:4294967295", `* UIDBATCHES (TAG "a") 238:2|a OK ...`},
		{"500 4:9", `* UIDBATCHES (TAG "a")|a OK ...`},
		{"500 4294967295:4294967295", `* UIDBATCHES (TAG "a")|a OK ...`},
		{"500 4:1", "a BAD [CLIENTBUG] ..."},
		{"499", "a NO [TOOFEW] ..."},
		{"0", "a BAD ..."},
		{"500 1", "a BAD ..."},
		{"500 0:1", "a BAD ..."},
		{"500 1:*", "a BAD ..."},
	} {
		if got := strings.Join(p.do("a", "UIDBATCHES "+c[0]), "|"); !matches(c[1], got) {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}

// TestJMAPAccess has the dialogue of RFC 9698 §5, with and without a JMAP server.
func TestJMAPAccess(t *testing.T) {
	s := server(t)
	if got := dial(t, start(t, s)).login().do("a", "GETJMAPACCESS"); !strings.HasPrefix(got[0], "a BAD") {
		t.Error(got)
	}
	s = server(t)
	s.JMAP = "https://example.com/.well-known/jmap"
	p := dial(t, start(t, s))
	if got := p.want("* OK [CAPABILITY ..."); strings.Contains(got, "JMAPACCESS") {
		t.Error(got)
	}
	if got := p.do("a", "LOGIN alice secret")[0]; !strings.Contains(got, " JMAPACCESS ") {
		t.Error(got)
	}
	if got := strings.Join(p.do("1b", "GETJMAPACCESS"), "|"); got != `* JMAPACCESS "https://example.com/.well-known/jmap"|1b OK GETJMAPACCESS completed` {
		t.Error(got)
	}
}

// TestOverQuota fills an account (RFC 9208 §4.3.1).
func TestOverQuota(t *testing.T) {
	m := memory(t)
	m.MaxStorage = 2048
	s := server(t)
	s.Backend = m
	p := dial(t, start(t, s)).login()
	if got := p.do("a", `GETQUOTA ""`)[0]; !strings.HasPrefix(got, `* QUOTA "" (STORAGE 1 2 `) {
		t.Error(got)
	}
	p.do("a", "SELECT INBOX")
	text := strings.Repeat("x", 1000)
	p.send("b APPEND INBOX {1000+}\r\n" + text + "\r\n")
	p.want("* 4 EXISTS")
	p.want("b OK ...")
	p.send("c APPEND INBOX {1000+}\r\n" + text + "\r\n")
	p.want("c NO [OVERQUOTA] ...")
	if got := p.do("d", "COPY 4 INBOX"); got[0] != "d NO [OVERQUOTA] over quota" {
		t.Error(got)
	}
	if got := p.do("e", "MOVE 4 INBOX"); !strings.HasPrefix(got[len(got)-1], "e OK") {
		t.Error(got)
	}
	if got := strings.Join(p.do("f", `SETQUOTA "" (STORAGE 1 MESSAGE 7)`), "|"); got != `* QUOTA "" (STORAGE 2 1 MESSAGE 4 7)|f OK SETQUOTA completed` {
		t.Error(got)
	}
	if got := p.do("g", `SETQUOTA "" (STORAGE 9)`)[0]; !strings.HasPrefix(got, `* QUOTA "" (STORAGE 2 2 MESSAGE 4 `) { // no more than MaxStorage
		t.Error(got)
	}
	for command, want := range map[string]string{`SETQUOTA x ()`: "g NO [NONEXISTENT] no such quota root", `SETQUOTA "" (X 1)`: "g NO [CANNOT] this root cannot have such limits",
		`SETQUOTA "" (MESSAGE 1 MESSAGE 2)`: "g BAD [CLIENTBUG] at octet 34: want each resource once"} {
		if got := p.do("g", command); got[0] != want {
			t.Errorf("%s: %s", command, got)
		}
	}
	for _, without := range []struct {
		role                func(*imap.Account)
		capability, command string
	}{
		{func(a *imap.Account) { a.QuotaSetter = nil }, "QUOTASET", `SETQUOTA "" ()`},
		{func(a *imap.Account) { a.Quoter = nil }, "QUOTA", "GETQUOTAROOT INBOX"},
	} {
		s := server(t)
		s.Backend = wrapped{s.Backend, without.role}
		p := dial(t, start(t, s))
		p.want("* OK ...")
		if got := p.do("a", "LOGIN alice secret")[0]; strings.Contains(got, without.capability) {
			t.Error(got)
		}
		if got := p.do("a", without.command); !strings.HasPrefix(got[0], "a BAD") {
			t.Error(got)
		}
	}
}
