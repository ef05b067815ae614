package imapclient

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// TestSession is a session from the greeting to LOGOUT, with the data of RFC 9051 §8.
func TestSession(t *testing.T) {
	var events []string
	o := plain
	o.Unilateral = func(e Event) { events = append(events, fmt.Sprint(e.Kind, " ", e.Number)) }
	c := connect(t, o, "LITERAL- IDLE UIDPLUS MOVE", `
		C: a2 LOGIN mrc "sec\"ret"
		S: * CAPABILITY IMAP4rev1 LITERAL- IDLE UIDPLUS MOVE UNSELECT
		S: a2 OK LOGIN completed
		C: a3 SELECT INBOX
		S: * 18 EXISTS
		S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk)
		S: * OK [UIDVALIDITY 3857529045] UIDs valid
		S: * OK [UIDNEXT 4392] Predicted next UID
		S: * OK [UNSEEN 12] Message 12 is first unseen
		S: * OK [PERMANENTFLAGS (\Deleted \Seen \*)] Limited
		S: a3 OK [READ-WRITE] SELECT completed
		C: a4 UID FETCH 4391:4392 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)
		S: * 18 FETCH (UID 4391 FLAGS (\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 4286 ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US") ("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>") BODYSTRUCTURE ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92 NIL NIL NIL NIL))
		S: * 19 EXISTS
		S: a4 OK FETCH completed
		C: a5 UID STORE 4391 +FLAGS.SILENT (\Deleted)
		S: * 18 FETCH (UID 4391 FLAGS (\Seen \Deleted))
		S: a5 OK +FLAGS completed
		C: a6 UID EXPUNGE 4391
		S: * 18 EXPUNGE
		S: a6 OK
		C: a7 UNSELECT
		S: a7 OK
		C: a8 LOGOUT
		S: * BYE IMAP4rev2 server terminating connection
		S: a8 OK LOGOUT completed`)
	ctx := t.Context()
	if err := c.Login(ctx, "mrc", `sec"ret`); err != nil {
		t.Fatal(err)
	}
	s, err := c.Select(ctx, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(*s); got != `{INBOX false 18 12 3857529045 4392 0  [\Answered \Flagged \Deleted \Seen \Draft $Junk] [\Deleted \Seen \*]}` {
		t.Errorf("selected %s", got)
	}
	n := 0
	for m, err := range c.Fetch(ctx, imap.UIDSet{{First: 4391, Last: 4392}}, imap.FieldFlags|imap.FieldInternalDate|imap.FieldSize|imap.FieldEnvelope|imap.FieldStructure|imap.FieldModSeq|imap.FieldIDs) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if m.Seq != 18 || m.UID != 4391 || !slices.Equal(m.Flags, []imap.Flag{imap.FlagSeen}) || m.Size != 4286 || m.InternalDate.Unix() != 837596665 ||
			m.Envelope.From[0].Mailbox != "gray" || len(m.Envelope.Cc) != 2 || m.Structure.Lines != 92 {
			t.Errorf("got %+v", m.Message)
		}
	}
	if n != 1 {
		t.Errorf("%d messages", n)
	}
	if _, err := c.Store(ctx, imap.UIDs(4391), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince); err != nil {
		t.Error(err)
	}
	if err := c.Expunge(ctx, imap.UIDs(4391)); err != nil {
		t.Error(err)
	}
	if got := c.Selected().Messages; got != 18 {
		t.Errorf("%d messages", got)
	}
	if err := c.Unselect(ctx); err != nil || c.Selected() != nil {
		t.Error(err)
	}
	if err := c.Logout(ctx); err != nil {
		t.Error(err)
	}
	if got := strings.Join(events, ", "); got != "1 19, 4 0, 2 18" {
		t.Errorf("events %s", got)
	}
}

// TestBodies fetches pieces that are kept, pieces that are streamed, and pieces that nobody reads.
func TestBodies(t *testing.T) {
	big := strings.Repeat("0123456789", 10_000)
	dialogue := `
		C: a2 UID FETCH 1:9 (UID FLAGS BODY.PEEK[HEADER.FIELDS (From)] BODY.PEEK[] BODY.PEEK[7.1])
		S> * 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)] {11}\r\nFrom: a\r\n\r\n BODY[] {100000}\r\n` + big + ` BODY[7.1] NIL FLAGS (\Seen))\r\n
		S> * 2 FETCH (UID 2 BODY[] {100000}\r\n` + big + ` BODY[HEADER.FIELDS (FROM)] "" BODY[7.1] {100000}\r\n` + big + ` FLAGS (\Flagged))\r\n
		S: * 7 EXPUNGE
		S> * 3 FETCH (BODY[] {0}\r\n UID 3 FLAGS ())\r\n
		S: a2 OK
		C: a3 NOOP
		S: a3 OK`
	items := []imap.FetchItem{HeaderFields("From"), Body(""), Body("7.1")}
	for _, read := range []string{"all", "nothing", "half of each", "the second only"} {
		c := connect(t, plain, "", dialogue)
		var got []string
		for m, err := range c.Fetch(t.Context(), imap.UIDSet{{First: 1, Last: 9}}, imap.FieldFlags, items...) {
			if err != nil {
				t.Fatal(read, err)
			}
			if read == "nothing" {
				continue
			}
			i := 0
			for p := range m.Bodies() {
				i++
				want := p.Size
				if read == "half of each" {
					want /= 2
				}
				if read == "the second only" && i != 2 {
					continue
				}
				b, err := io.ReadAll(io.LimitReader(p, want))
				if err != nil || int64(len(b)) != want || len(b) > 1000 && string(b) != big[:want] {
					t.Errorf("%s: %d of %d octets, %v", read, len(b), want, err)
				}
				got = append(got, fmt.Sprint(m.Seq, " ", string(imap.AppendSection(nil, &p.Item.Section)), " ", len(b), " ", p.Absent))
			}
			got = append(got, fmt.Sprint(m.UID, m.Flags))
		}
		want := map[string]string{
			"all": `1 [HEADER.FIELDS (FROM)] 11 false, 1 [] 100000 false, 1 [7.1] 0 true, 1 [\Seen], 2 [] 100000 false, 2 [HEADER.FIELDS (FROM)] 0 false, ` +
				`2 [7.1] 100000 false, 2 [\Flagged], 3 [] 0 false, 3 []`,
			"nothing": "",
			"half of each": `1 [HEADER.FIELDS (FROM)] 5 false, 1 [] 50000 false, 1 [7.1] 0 true, 1 [\Seen], 2 [] 50000 false, 2 [HEADER.FIELDS (FROM)] 0 false, ` +
				`2 [7.1] 50000 false, 2 [\Flagged], 3 [] 0 false, 3 []`,
			"the second only": `1 [] 100000 false, 1 [\Seen], 2 [HEADER.FIELDS (FROM)] 0 false, 2 [\Flagged], 3 []`,
		}[read]
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: got %s", read, s)
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Errorf("%s: the connection is not at the next command: %v", read, err)
		}
	}
}

// TestBreak leaves loops in the middle, and uses the connection further.
func TestBreak(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	c := connect(t, plain, "", `
		C: a2 UID FETCH 1:9 (UID BODY.PEEK[])
		S> * 1 FETCH (UID 1 BODY[] {100000}\r\n`+big+`)\r\n
		S> * 2 FETCH (UID 2 BODY[] {100000}\r\n`+big+`)\r\n
		S: a2 OK
		C: a3 LIST "" "*"
		S: * LIST () "/" INBOX
		S: * LIST () "/" b
		S: a3 OK
		C: a4 NOOP
		S: a4 OK`)
	ctx := t.Context()
	for m, err := range c.Fetch(ctx, imap.UIDSet{{First: 1, Last: 9}}, 0, Body("")) {
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Noop(ctx); !errors.Is(err, ErrBusy) {
			t.Errorf("a method within the loop: %v", err)
		}
		p := m.Body()
		if _, err := io.CopyN(io.Discard, p, 10); err != nil {
			t.Error(err)
		}
		defer func() {
			if _, err := p.Read(make([]byte, 1)); err == nil {
				t.Error("a piece was read after the loop")
			}
		}()
		break
	}
	for l, err := range c.List(ctx, "*") {
		if err != nil || l.Name != "INBOX" {
			t.Error(l, err)
		}
		break
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
}

// TestItemErrors checks that a message with a bad item is told of, with its other items where that can be, and that the
// others come all the same.
func TestItemErrors(t *testing.T) {
	const good = `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)`
	for _, tt := range []struct {
		bad, item string
		rest      bool // what is behind is there
	}{
		{`BODYSTRUCTURE (garbage`, "BODYSTRUCTURE", false},
		{`BODYSTRUCTURE (("TEXT" "PLAIN") "MIXED")`, "BODYSTRUCTURE", true},
		{`BODYSTRUCTURE ` + strings.Repeat("(", 300), "BODYSTRUCTURE", false},
		{`BODYSTRUCTURE (NIL "a")`, "BODYSTRUCTURE", true},
		{`ENVELOPE ("x" "unclosed`, "ENVELOPE", false},
		{`ENVELOPE ("d" "s")`, "ENVELOPE", true},
		{`ENVELOPE ("d" {4}\r\nabcd NIL NIL NIL NIL NIL NIL NIL)`, "ENVELOPE", false},
		{`INTERNALDATE "yesterday"`, "INTERNALDATE", true},
		{`FLAGS (\Seen \)`, "FLAGS", true},
		{`RFC822.SIZE 99999999999999999999`, "RFC822.SIZE", true},
		{`BODY[HEADER.FIELDS (] {5}\r\na b c`, "BODY[]", false},
		{`BODY[] {x}`, "BODY[]", false},
		{`MODSEQ 5`, "MODSEQ", true},
		{`EMAILID NIL`, "EMAILID", true},
	} {
		c := connect(t, plain, "", `
			C: a2 UID FETCH 1:9 (UID ENVELOPE BODYSTRUCTURE BODY.PEEK[])
			S: * 1 FETCH (UID 1 BODYSTRUCTURE `+good+`)
			S> * 2 FETCH (`+tt.bad+` UID 2 BODY[] {3}\r\nabc)\r\n
			S> * 3 FETCH (UID 3 BODYSTRUCTURE `+good+` X-NEW (a "b)" {3}\r\n)(" c))\r\n
			S: a2 OK
			C: a3 NOOP
			S: a3 OK`)
		var got []string
		for m, err := range c.Fetch(t.Context(), imap.UIDSet{{First: 1, Last: 9}}, imap.FieldEnvelope|imap.FieldStructure, Body("")) {
			if e, ok := errors.AsType[*ItemError](err); ok && m != nil {
				got = append(got, fmt.Sprint("bad ", e.Seq, " ", e.Item, " ", e.UID == 2 && m.UID == 2 && m.Body() != nil, " ", m.Structure))
			} else if err != nil {
				t.Errorf("%.40s: %v", tt.bad, err)
			} else {
				got = append(got, fmt.Sprint(m.UID, m.Structure != nil, len(m.Unknown)))
			}
		}
		if want := fmt.Sprint("1 true 0, bad 2 ", tt.item, " ", tt.rest, " <nil>, 3 true 1"); strings.Join(got, ", ") != want {
			t.Errorf("%.40s: got %q, want %q", tt.bad, got, want)
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Errorf("%.40s: the connection is lost: %v", tt.bad, err)
		}
	}
}

// TestLenient reads what some servers send against the grammar, and should be understood all the same.
func TestLenient(t *testing.T) {
	for _, tt := range []struct{ data, want string }{
		{`UID 1  FLAGS (\Seen )  `, `1 [\Seen]`},
		{`FLAGS ([Gmail]/x "a b" \Flagged) UID 1`, `1 [[Gmail]/x a b \Flagged]`},
		{`UID 1 RFC822.SIZE -1 FLAGS ()`, `1 []`},
		{`UID 1 BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL NIL -1 NIL) FLAGS ()`, `1 [] TEXT/PLAIN`},
		{`UID 1 BODYSTRUCTURE (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1) ("TEXT" "HTML" NIL NIL NIL "7BIT" 1 1) "ALTERNATIVE" NIL) FLAGS ()`, `1 [] MULTIPART/ALTERNATIVE`},
		{`UID 1 BODYSTRUCTURE ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 10) FLAGS ()`, `1 [] MESSAGE/RFC822`},
		{`UID 1 ENVELOPE (NIL subject () () () () () () NIL NIL) FLAGS ()`, `1 [] "subject"`},
		{`UID 1 ENVELOPE ("d" "a \"b\" \c" NIL NIL NIL NIL NIL NIL NIL NIL) FLAGS ()`, `1 [] "a \"b\" c"`},
		{`UID 1 INTERNALDATE "01-Jan-2026 00:00:00 +0000" FLAGS ()`, `1 []`},
		{"UID 1 ENVELOPE (NIL \"\xe4\" NIL NIL NIL NIL NIL NIL NIL NIL) FLAGS ()", `1 [] "\xe4"`},
	} {
		c := connect(t, plain, "", "C: a2 UID FETCH 1 (UID FLAGS)\nS: * 1 FETCH ("+tt.data+")\nS: * SEARCH \nS: * OK\nS: * FLAGS\nS: a2 OK\nC: a3 NOOP\nS: a3 OK")
		for m, err := range c.Fetch(t.Context(), imap.UIDs(1), imap.FieldFlags) {
			got := fmt.Sprint(m.UID, " ", m.Flags)
			if m.Structure != nil {
				got += " " + m.Structure.Type + "/" + m.Structure.Subtype
			}
			if m.Envelope != nil {
				got += fmt.Sprintf(" %q", m.Envelope.Subject)
			}
			if err != nil || got != tt.want {
				t.Errorf("%s: %s, %v, want %s", tt.data, got, err, tt.want)
			}
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Errorf("%s: %v", tt.data, err)
		}
	}
}
