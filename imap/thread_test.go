package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestThreadResponse has the examples of RFC 5256 §4 and what breaks the grammar.
func TestThreadResponse(t *testing.T) {
	read := func(d *Decoder) any { return string(AppendThreads(nil, d.Threads())) }
	for line, want := range map[string]string{
		"":                                     "",
		" (2)(3 6 (4 23)(44 7 96))":            "(2)(3 6 (4 23)(44 7 96))",
		" ((3)(5))":                            "((3)(5))",
		" (1 ((2)(3))(4))":                     "(1 ((2)(3))(4))",
		" (196 (197)(198))(199)(200 202)(201)": "(196 (197)(198))(199)(200 202)(201)",
		" ":                                    "",
		" ()":                                  "! 2",
		" (0)":                                 "! 2",
		" (1":                                  "! 3",
		" (1 )":                                "! 4",
		" (1) (2)":                             "! 4",
		" x":                                   "! 1",
		" (1(2)(3))":                           "! 3",
		" " + strings.Repeat("(", 20000):       "limit: nesting",
		" (" + strings.Repeat("1 ", 10000) + "2)": "(" + strings.Repeat("1 ", 10000) + "2)",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%.60s: %.60s, want %.60s", line, got, want)
		}
	}
	for word, want := range map[string]string{"references": "REFERENCES", "ORDEREDSUBJECT": "ORDEREDSUBJECT", "REFS": "! 4"} {
		if got := parseLine(word, func(d *Decoder) any { return d.ThreadAlgorithm() }); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}

// A threadLetter is the header of a message: its Message-ID, References, In-Reply-To, and subject.
type threadLetter struct{ id, references, reply, subject string }

// arrange makes threads of messages numbered from 1, each a minute after the one before.
func arrange(a ThreadAlgorithm, letters ...threadLetter) string {
	var msgs []ThreadMessage
	for i, l := range letters {
		m := &Message{InternalDate: time.Unix(int64(60*i), 0), Envelope: &Envelope{Subject: l.subject, MessageID: l.id, InReplyTo: l.reply}}
		msgs = append(msgs, NewThreadMessage(UID(i+1), m, l.references))
	}
	return string(AppendThreads(nil, Threads(a, msgs)))
}

// TestReferences has one case a rule of RFC 5256 §3.
func TestReferences(t *testing.T) {
	for name, c := range map[string]struct {
		letters []threadLetter
		want    string
	}{
		"none":                    {nil, ""},
		"a chain":                 {[]threadLetter{{id: "<a@x>"}, {id: "<b@x>", references: "<a@x>"}, {id: "<c@x>", references: "<a@x> <b@x>"}}, "(1 2 3)"},
		"the answer is first":     {[]threadLetter{{id: "<b@x>", references: "<a@x>"}, {id: "<a@x>"}}, "(2 1)"},
		"siblings":                {[]threadLetter{{id: "<a@x>"}, {id: "<b@x>", reply: "<a@x>"}, {id: "<c@x>", reply: "<a@x>"}}, "(1 (2)(3))"},
		"the parent is not there": {[]threadLetter{{id: "<b@x>", references: "<a@x>"}, {id: "<c@x>", references: "<a@x>"}}, "((1)(2))"},
		"only one answers it":     {[]threadLetter{{id: "<b@x>", references: "<z@x> <a@x>"}}, "(1)"},
		"a dummy between":         {[]threadLetter{{id: "<a@x>"}, {id: "<c@x>", references: "<a@x> <b@x>"}}, "(1 2)"},
		"a dummy below a dummy":   {[]threadLetter{{references: "<a@x> <b@x>"}, {references: "<a@x> <b@x>"}}, "((1)(2))"},
		"a loop":                  {[]threadLetter{{id: "<a@x>", references: "<b@x>"}, {id: "<b@x>", references: "<a@x>"}}, "(2 1)"},
		"itself":                  {[]threadLetter{{id: "<a@x>", references: "<a@x>"}}, "(1)"},
		"the same ID twice":       {[]threadLetter{{id: "<a@x>"}, {id: "<a@x>"}, {reply: "<a@x>"}}, "(1 3)(2)"},
		"linked by a third":       {[]threadLetter{{id: "<a@x>"}, {id: "<b@x>"}, {id: "<c@x>", references: "<a@x> <b@x>"}}, "(1 2 3)"},
		"quoting":                 {[]threadLetter{{id: `<"a b"@x>`}, {references: "<\"a b\"\r\n @x>"}}, "(1 2)"},
		"case matters":            {[]threadLetter{{id: "<a@x>"}, {references: "<A@x>"}}, "(1)(2)"},
		"invalid references":      {[]threadLetter{{id: "<a@x>"}, {references: "<nonsense> <@x> <a@>", reply: "Your letter of <a@x> (alice@example.com) <b@x>"}}, "(1 2)"},
		"by subject":              {[]threadLetter{{subject: "s"}, {subject: "Re: S"}, {subject: "fwd: s"}}, "(1 (2)(3))"},
		"two with one subject":    {[]threadLetter{{subject: "s"}, {subject: "s"}}, "((1)(2))"},
		"answers alone":           {[]threadLetter{{subject: "re: s"}, {subject: "re: s"}}, "((1)(2))"},
		"no subject":              {[]threadLetter{{}, {}, {subject: "Re:"}}, "(1)(2)(3)"},
		"a dummy with the subject": {[]threadLetter{{subject: "s"}, {references: "<a@x>", subject: "re: s"}, {references: "<a@x>", subject: "re: s"}},
			"((1)(2)(3))"},
		"two dummies with one subject": {[]threadLetter{{references: "<a@x>", subject: "re: s"}, {references: "<a@x>", subject: "t"},
			{references: "<b@x>", subject: "re: s"}, {references: "<b@x>", subject: "u"}}, "((1)(2)(3)(4))"},
		"an answer older than its question": {[]threadLetter{{subject: "Re: s"}, {subject: "s"}}, "(2 1)"},
	} {
		if got := arrange(ThreadReferences, c.letters...); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestOrderedSubject(t *testing.T) {
	if got := arrange(ThreadOrderedSubject, threadLetter{subject: "a"}, threadLetter{subject: "b"}, threadLetter{subject: "Re: A"},
		threadLetter{subject: "[fwd: a]"}, threadLetter{}); got != "(1 (3)(4))(2)(5)" {
		t.Error(got)
	}
	msgs := []ThreadMessage{{Number: 1, Sent: time.Unix(9, 0), Subject: "A"}, {Number: 2, Sent: time.Unix(5, 0), Subject: "B"}, {Number: 3, Sent: time.Unix(1, 0), Subject: "A"}}
	if got := string(AppendThreads(nil, Threads(ThreadOrderedSubject, msgs))); got != "(3 1)(2)" {
		t.Error(got)
	}
}

// TestThreadsHostile has mailboxes of an attacker: long chains both ways, and messages with many references.
func TestThreadsHostile(t *testing.T) {
	const n = 20_000
	id := func(i int) string { return fmt.Sprintf("<%d@x>", i) }
	var up, down, wide []ThreadMessage
	add := func(list []ThreadMessage, id, references string) []ThreadMessage {
		return append(list, NewThreadMessage(UID(len(list)+1), &Message{Envelope: &Envelope{MessageID: id}}, references))
	}
	for i := range n {
		up, down = add(up, id(i), id(i-1)), add(down, id(i), id(i+1))
		wide = add(wide, id(i), id(i%7)+id(i%11)+id(i%13)+id(i/2)+id(i+1))
	}
	many := strings.Repeat("<a@x><b@x>", 5000)
	one := add(nil, "<c@x>", many+"<z@x>")
	if r := one[0].References; len(r) != maxReferences || r[len(r)-1] != "z@x" {
		t.Errorf("%d references, the last %q", len(r), r[len(r)-1])
	}
	for name, msgs := range map[string][]ThreadMessage{"up": up, "down": down, "wide": wide} {
		for _, a := range []ThreadAlgorithm{ThreadOrderedSubject, ThreadReferences} {
			if err := once(Threads(a, msgs), msgs); err != nil {
				t.Errorf("%s, %s: %v", name, a, err)
			}
		}
	}
}

// once reports messages that are not in the threads exactly once, and dummies in the wrong place.
func once(threads []Thread, msgs []ThreadMessage) error {
	var got []UID
	var walk func(list []Thread, top bool) error
	walk = func(list []Thread, top bool) error {
		for _, th := range list {
			if th.Number != 0 {
				got = append(got, th.Number)
			} else if !top || len(th.Children) < 2 {
				return fmt.Errorf("a message that is not there with %d answers", len(th.Children))
			}
			if err := walk(th.Children, false); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(threads, true); err != nil {
		return err
	}
	slices.Sort(got)
	for i := range msgs {
		if len(got) != len(msgs) || got[i] != msgs[i].Number {
			return fmt.Errorf("%d numbers for %d messages", len(got), len(msgs))
		}
	}
	return nil
}

func FuzzThreads(f *testing.F) {
	f.Add(" (2)(3 6 (4 23)(44 7 96))")
	f.Add("<a@x>;;;s\n<b@x>;<a@x>;;Re: s\n;<c@x> <b@x>;;t\n;;<z@x>;[fwd: t]")
	f.Fuzz(func(t *testing.T, s string) {
		d := decode(s+"\r\n", DecoderOptions{})
		if threads := d.Threads(); d.Err() == nil {
			wire := string(AppendThreads(nil, threads))
			if d := decode(" "+wire+"\r\n", DecoderOptions{}); wire != "" {
				if again := string(AppendThreads(nil, d.Threads())); again != wire || d.Err() != nil {
					t.Errorf("%q: %q, then %q, %v", s, wire, again, d.Err())
				}
			}
		}
		var msgs []ThreadMessage
		for line := range strings.SplitSeq(s, "\n") {
			p := strings.SplitN(line+";;;", ";", 4)
			m := &Message{InternalDate: time.Unix(int64(len(line)), 0), Envelope: &Envelope{Subject: p[3], MessageID: p[0], InReplyTo: p[2]}}
			msgs = append(msgs, NewThreadMessage(UID(len(msgs)+1), m, p[1]))
		}
		for _, a := range []ThreadAlgorithm{ThreadOrderedSubject, ThreadReferences} {
			if err := once(Threads(a, msgs), msgs); err != nil {
				t.Errorf("%s of %q: %v", a, s, err)
			}
		}
	})
}
