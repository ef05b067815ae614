package pop3

import (
	"strings"
	"testing"
)

// octets makes a message of n octets.
func octets(n int) string { return "Subject: x\r\n\r\n" + strings.Repeat("o", n-16) + "\r\n" }

// TestRFC1939Session is the example session of RFC 1939 §10 with USER and PASS for APOP.
func TestRFC1939Session(t *testing.T) {
	m := newMemory(octets(120), octets(200))
	dialogue(t, newServer(m), `
		S: +OK…
		C: USER bob
		S: +OK…
		C: PASS s p
		S: +OK 2 messages (320 octets)
		C: STAT
		S: +OK 2 320
		C: LIST
		S: +OK 2 messages (320 octets)
		S: 1 120
		S: 2 200
		S: .
		C: RETR 1
		S: +OK 120 octets
		S: Subject: x
		S:
		S: `+strings.Repeat("o", 104)+`
		S: .
		C: DELE 1
		S: +OK…
		C: RETR 2
		S: +OK 200 octets
		S: Subject: x
		S:
		S: `+strings.Repeat("o", 184)+`
		S: .
		C: DELE 2
		S: +OK…
		C: QUIT
		S: +OK good-bye (0 messages left)
		S: (closed)`)
	if got := strings.Join(m.expunges, "; "); got != "INBOX 1:2" {
		t.Errorf("expunged %q", got)
	}
}

// TestRFC1939Commands are the examples of RFC 1939 §5 and §7, one command each.
func TestRFC1939Commands(t *testing.T) {
	m := newMemory(octets(120), "A: 1\r\nB: 2\r\n\r\none\r\n.two\r\n..\r\nthree\r\n")
	dialogue(t, newServer(m), login+`
		C: LIST 2
		S: +OK 2 36
		C: LIST 3
		S: -ERR no such message, there are 2
		C: UIDL
		S: +OK 2 messages (156 octets)
		S: 1 77.1
		S: 2 77.2
		S: .
		C: UIDL 2
		S: +OK 2 77.2
		C: uidl 3
		S: -ERR…
		C: TOP 2 0
		S: +OK…
		S: A: 1
		S: B: 2
		S:
		S: .
		C: TOP 2 2
		S: +OK…
		S: A: 1
		S: B: 2
		S:
		S: one
		S: ..two
		S: .
		C: TOP 2 1000000000000000000000
		S: +OK…
		S: A: 1
		S: B: 2
		S:
		S: one
		S: ..two
		S: ...
		S: three
		S: .
		C: TOP 100 3
		S: -ERR…
		C: NOOP
		S: +OK…
		C: DELE 1
		S: +OK…
		C: DELE 1
		S: -ERR message 1 is deleted
		C: LIST
		S: +OK 1 messages (36 octets)
		S: 2 36
		S: .
		C: UIDL
		S: +OK…
		S: 2 77.2
		S: .
		C: STAT
		S: +OK 1 36
		C: TOP 1 0
		S: -ERR message 1 is deleted
		C: RETR 1
		S: -ERR message 1 is deleted
		C: LIST 1
		S: -ERR message 1 is deleted
		C: RSET
		S: +OK 2 messages (156 octets)
		C: STAT
		S: +OK 2 156
		C: QUIT
		S: +OK good-bye (2 messages left)
		S: (closed)`)
	if len(m.expunges) != 0 {
		t.Errorf("RSET and QUIT expunged %q", m.expunges)
	}
}

// TestRFC5034 are AUTH exchanges in the forms of RFC 5034 §6.
func TestRFC5034(t *testing.T) {
	for _, script := range []string{
		"C: AUTH PLAIN AGJvYgBzIHA=\nS: +OK…",
		"C: auth plain\nS: +\nC: AGJvYgBzIHA=\nS: +OK…",
		"C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: Ym9i\nS: + UGFzc3dvcmQ6\nC: cyBw\nS: +OK…",
		"C: AUTH PLAIN\nS: +\nC: *\nS: -ERR cancelled\nC: AUTH PLAIN AGJvYgBzIHA=\nS: +OK…",
		"C: AUTH PLAIN =\nS: -ERR [AUTH]…\nC: AUTH PLAIN AGJvYgBzIHA=\nS: +OK…",
		"C: AUTH PLAIN =AAA\nS: -ERR…\nC: AUTH PLAIN AAA=BBB\nS: -ERR…\nC: AUTH PLAIN AGJvYgBzIHA\nS: -ERR…\nC: AUTH PLAIN AGJvYgBzIHB=\nS: -ERR…\nC: AUTH PLAIN AGJvYgBzIHA=\nS: +OK…",
		"C: AUTH CRAM-MD5\nS: -ERR no such mechanism\nC: AUTH PLAIN AGJvYgBzIHA=\nS: +OK…\nC: AUTH PLAIN AGJvYgBzIHA=\nS: -ERR…",
		"C: AUTH PLAIN AGJvYgB4\nS: -ERR [AUTH] wrong name or password",
	} {
		script = strings.ReplaceAll(script, "S: +\n", "S: + \n")
		dialogue(t, newServer(newMemory()), "S: +OK…\n"+script)
	}
}
