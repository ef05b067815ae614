package imapserver_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// A rightsRow is a command about "box", a mailbox of alice that bob has rights to, and the rights that make a difference to it (RFC
// 4314 §4). Within it, <box> is the mailbox's name to bob.
type rightsRow struct {
	command string
	matter  string
	before  string // run with every right
	above   bool   // the rights are to the mailbox above the others
}

func rightsRows() []rightsRow {
	const opened = "SELECT <box>"
	letter := func(text string) string { return fmt.Sprintf("{%d+}\r\n%s", len(text), text) }
	const short = "Subject: x\r\n\r\n"
	return []rightsRow{
		{command: `LIST "" *`, matter: "lr"},
		{command: `LIST "" * RETURN (MYRIGHTS)`, matter: "lr"},
		{command: `LIST "" * RETURN (STATUS (MESSAGES))`, matter: "lr"},
		{command: `LSUB "" *`, matter: "l", before: "SUBSCRIBE <box>"},
		{command: `SUBSCRIBE <box>`, matter: "l"},
		{command: `UNSUBSCRIBE <box>`, matter: "l", before: "SUBSCRIBE <box>"},
		{command: `CREATE <box>/new/er`, matter: "k"},
		{command: `DELETE <box>`, matter: "x"},
		{command: `RENAME <box> <above>/box`, matter: "x"},
		{command: `RENAME <box> <above>/box`, matter: "k", above: true},
		{command: `SELECT <box>`, matter: "rswt"},
		{command: `SELECT <box> (QRESYNC (2 1))`, matter: "rswt", before: "ENABLE QRESYNC"},
		{command: `EXAMINE <box>`, matter: "r"},
		{command: `STATUS <box> (MESSAGES UIDNEXT SIZE)`, matter: "r"},
		{command: `APPEND <box> ` + letter(short), matter: "i"},
		{command: `APPEND <box> (\Seen \Deleted \Draft $K) ` + letter(short), matter: "iswt"},
		{command: `APPEND <box> (\Seen) ` + letter(short) + ` (\Draft) ` + letter(short), matter: "isw"},
		{command: `APPEND INBOX CATENATE (URL "/Other%20Users/alice/box;UIDVALIDITY=2/;UID=1")`, matter: "r"},
		{command: `MYRIGHTS <box>`},
		{command: `GETACL <box>`, matter: "a"},
		{command: `LISTRIGHTS <box> carol`, matter: "a"},
		{command: `SETACL <box> carol lr`, matter: "a"},
		{command: `DELETEACL <box> dave`, matter: "a"},
		{command: `GETQUOTAROOT <box>`, matter: "r"},
		{command: `GETQUOTA ""`},
		{command: `GETMETADATA <box> /shared/comment`, matter: "l"},
		{command: `SETMETADATA <box> (/private/comment "x")`, matter: "l"},
		{command: `SETMETADATA <box> (/shared/comment "x")`, matter: "lw"},
		{command: `NOTIFY SET STATUS (mailboxes <box> (MessageNew MessageExpunge))`, matter: "lr"},
		{command: `NOTIFY SET STATUS (personal (MessageNew MessageExpunge))`},
		{command: `FETCH 1 (FLAGS UID)`, matter: "r", before: opened},
		{command: `FETCH 1 BODY[]`, matter: "rs", before: opened},
		{command: `UID FETCH 1 BINARY[1]`, matter: "rs", before: opened},
		{command: `FETCH 1 BODY.PEEK[]`, matter: "r", before: opened},
		{command: `FETCH 1 (ENVELOPE BODYSTRUCTURE PREVIEW)`, matter: "r", before: opened},
		{command: `STORE 1 +FLAGS (\Seen)`, matter: "rs", before: opened},
		{command: `STORE 1 +FLAGS.SILENT (\Seen \Draft)`, matter: "rsw", before: opened},
		{command: `STORE 1 -FLAGS (\Deleted)`, matter: "rt", before: opened},
		{command: `UID STORE 1 FLAGS (\Seen $K)`, matter: "rswt", before: opened},
		{command: `STORE 1 (UNCHANGEDSINCE 1) +FLAGS ()`, matter: "r", before: opened},
		{command: `EXPUNGE`, matter: "re", before: opened},
		{command: `UID EXPUNGE 1`, matter: "re", before: opened},
		{command: `CLOSE`, matter: "re", before: opened},
		{command: `UNSELECT`, before: opened},
		{command: `NOOP`, matter: "r", before: opened},
		{command: `CHECK`, matter: "r", before: opened},
		{command: "IDLE\r\nDONE", matter: "r", before: opened},
		{command: `SEARCH ALL`, matter: "r", before: opened},
		{command: `UID SEARCH RETURN (ALL SAVE) SUBJECT letter`, matter: "r", before: opened},
		{command: `SORT (SUBJECT) UTF-8 ALL`, matter: "r", before: opened},
		{command: `THREAD REFERENCES UTF-8 ALL`, matter: "r", before: opened},
		{command: `ESEARCH IN (mailboxes <box>) RETURN (COUNT) ALL`, matter: "r"},
		{command: `ESEARCH IN (subtree "Other Users/alice") RETURN (COUNT) ALL`, matter: "lr"},
		{command: `CANCELUPDATE "x"`, matter: "r", before: opened},
		{command: `UIDBATCHES 500`, matter: "r", before: opened},
		{command: `COPY 1 INBOX`, matter: "r", before: opened},
		{command: `MOVE 1 INBOX`, matter: "rte", before: opened},
		{command: `UID COPY 1 <box>`, matter: "irt", before: opened}, // the message has \Deleted
		{command: `COPY 1 <box>`, matter: "isw", before: "SELECT INBOX"},
		{command: `UID MOVE 1 <box>`, matter: "isw", before: "SELECT INBOX"},
		{command: `REPLACE 1 INBOX ` + letter(short), matter: "rte", before: opened},
		{command: `UID REPLACE 1 <box> (\Seen) ` + letter(short), matter: "rteis", before: opened},
		{command: `REPLACE 1 <box> (\Draft) ` + letter(short), matter: "iw", before: "SELECT INBOX"},
	}
}

// unconcerned are commands that are about no mailbox.
const unconcerned = "CAPABILITY LOGOUT ID LANGUAGE STARTTLS LOGIN AUTHENTICATE NAMESPACE ENABLE COMPRESS SETQUOTA GETJMAPACCESS UNAUTHENTICATE"

// TestRights runs every command with every right, with every one but one, and with those that matter alone; the first and the last
// have to do the same, and the second something else if the right matters and the same if it does not.
func TestRights(t *testing.T) {
	covered := map[string]bool{}
	for name := range strings.FieldsSeq(unconcerned) {
		covered[name] = true
	}
	for _, row := range rightsRows() {
		name := strings.Fields(strings.TrimPrefix(row.command, "UID "))[0]
		covered[name] = true
		t.Run(row.before+" "+strings.SplitN(row.command, "\r\n", 2)[0], func(t *testing.T) {
			t.Parallel()
			all := row.run(t, imap.AllRights)
			if !strings.Contains(all, "\nt OK") {
				t.Errorf("with every right: %s", all)
			}
			matter, err := imap.ParseRights(row.matter)
			if err != nil {
				t.Fatal(err)
			}
			enough := matter
			if row.matter == "" || row.matter == "l" { // one of several
				enough |= imap.RightLookup | imap.RightRead
			}
			if got := row.run(t, enough); !row.above && got != all {
				t.Errorf("with %s: %s\nwith every right: %s", enough, got, all)
			}
			for _, r := range imap.AllRights.Each() {
				if got := row.run(t, imap.AllRights&^r); (got != all) != matter.Has(r) {
					t.Errorf("without %s, which matters %v: %s\nwith it: %s", r, matter.Has(r), got, all)
				}
			}
			if matter != 0 && row.run(t, imap.RightPost) == all {
				t.Errorf("with no right: %s", all)
			}
		})
	}
	source, err := os.ReadFile("commands.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"([A-Z]+)"[,:]`).FindAllSubmatch(source[strings.Index(string(source), "func lookup("):strings.Index(string(source), "func (c *session) noop")], -1)
	if len(found) < 40 {
		t.Fatalf("%d commands", len(found))
	}
	for _, m := range found {
		if !covered[string(m[1])] {
			t.Errorf("%s is in no row", m[1])
		}
	}
}

// What is told of rights themselves, and of whether a mailbox can be selected, which a command that takes other rights does not need.
var (
	rightsTold = regexp.MustCompile(`(MYRIGHTS [^\r\n]*"| bob) [a-z]+`)
	changeTold = regexp.MustCompile(`\* (FLAGS|OK \[(PERMANENTFLAGS|READ-ONLY|READ-WRITE)).*\n`)
)

// run returns what the command is answered, and what is there afterwards.
func (row rightsRow) run(t *testing.T, rights imap.Rights) string {
	ctx, cancel := context.WithCancel(t.Context())
	b := &imaptest.Memory{}
	b.AddUser("alice")
	b.AddUser("bob")
	alice, bob := open(t, b, "alice"), open(t, b, "bob")
	for _, name := range []string{"box", "above"} {
		if _, err := alice.Editor.Create(ctx, name, imap.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		grant(t, alice, name, "bob", imap.AllRights)
	}
	put(t, alice, "box", imap.FlagDeleted)
	put(t, bob, "INBOX", imap.FlagSeen, "$Label")
	grant(t, alice, "box", "dave", imap.RightLookup)
	s := &imapserver.Server{Backend: b, AllowPlaintextAuth: true,
		Authenticator: sasl.New(sasl.Plain(func(_ context.Context, user, _ string) (string, error) { return user, nil }))}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	p := newPeer(t, nc)
	names := strings.NewReplacer("<box>/new/er", `"Other Users/alice/box/new/er"`, "<box>", `"Other Users/alice/box"`, "<above>/box", `"Other Users/alice/above/box"`)
	p.send("a LOGIN bob secret\r\n")
	p.answer("a")
	if row.before != "" {
		p.send("b " + names.Replace(row.before) + "\r\n")
		if got := p.answer("b"); !strings.Contains(got, "\nb OK") {
			t.Fatal(got)
		}
	}
	if grant(t, alice, "box", "bob", rights); row.above {
		grant(t, alice, "box", "bob", imap.AllRights)
		grant(t, alice, "above", "bob", rights)
	} else {
		grant(t, alice, "above", "bob", imap.RightCreate)
	}
	p.send("t " + names.Replace(row.command) + "\r\n")
	out := rightsTold.ReplaceAllString(p.answer("t"), "$1 ...")
	if row.before == "SELECT <box>" {
		out = changeTold.ReplaceAllString(out, "")
	}
	_ = nc.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return out + contents(t, alice) + contents(t, bob)
}

// TestStressShared has two users change one mailbox at once.
func TestStressShared(t *testing.T) {
	duration := 30 * time.Second
	if testing.Short() || os.Getenv("CI") == "" {
		duration = 2 * time.Second
	}
	t.Parallel()
	s := server(t)
	grant(t, open(t, s.Backend, "alice"), "INBOX", "bob", imap.AllRights)
	addr := start(t, s)
	imaptest.Stress(t, func() (net.Conn, error) { return net.Dial("tcp", addr) }, imaptest.StressOptions{User: "alice", Password: "secret", Clients: 10,
		Duration: duration, Guests: []imaptest.StressGuest{{User: "bob", Password: "secret", Mailbox: "Other Users/alice/INBOX"}}})
}

// answer returns the lines up to the tagged one, or to the end.
func (p *peer) answer(tag string) string {
	p.t.Helper()
	var out strings.Builder
	out.WriteString("\n")
	for {
		line := p.line()
		if out.WriteString(line + "\n"); strings.HasPrefix(line, tag+" ") || line == "<closed>" {
			return out.String()
		}
	}
}

func open(t *testing.T, b imap.Backend, user string) *imap.Account {
	t.Helper()
	a, err := b.OpenAccount(context.WithoutCancel(t.Context()), user)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func grant(t *testing.T, a *imap.Account, mailbox, identifier string, r imap.Rights) {
	t.Helper()
	if err := a.Authorizer.SetACL(t.Context(), mailbox, identifier, imap.RightsChange{Rights: r}); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, a *imap.Account, mailbox string, flags ...imap.Flag) {
	t.Helper()
	const text = "From: a@example.com\r\nSubject: letter\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n"
	_, err := a.Appender.Append(t.Context(), mailbox, []imap.AppendMessage{{Flags: flags, Body: strings.NewReader(text), Size: int64(len(text)),
		InternalDate: time.Date(1996, 7, 17, 0, 0, 0, 0, time.UTC)}})
	if err != nil {
		t.Fatal(err)
	}
}

// contents are the user's own mailboxes with their messages and lists, apart from bob's entry.
func contents(t *testing.T, a *imap.Account) string {
	t.Helper()
	var lines []string
	for m, err := range a.Store.Mailboxes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if a.IsOther(m.Name) {
			continue
		}
		list, err := a.Authorizer.ACL(t.Context(), m.Name)
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(e imap.ACLEntry) bool { return e.Identifier == "bob" })
		var line strings.Builder
		line.WriteString(fmt.Sprint(m.Name, list))
		box, err := a.Store.OpenMailbox(t.Context(), m.Name)
		if err != nil {
			t.Fatal(err)
		}
		for x, err := range box.Messages(t.Context(), imap.AllUIDs(), imap.FieldFlags) {
			if err != nil {
				t.Fatal(err)
			}
			line.WriteString(fmt.Sprint(" ", x.UID, x.Flags))
		}
		lines = append(lines, line.String()+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
