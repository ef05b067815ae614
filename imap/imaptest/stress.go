package imaptest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// A tracker is a client that believes every response, and complains where two do not agree.
type tracker struct {
	t     *testing.T
	c     net.Conn
	d     *imap.Decoder
	uids  []imap.UID // by sequence number, 0 for one that has not been told
	flags map[string]bool
	state map[imap.UID]string // flags as last told
	tag   int
	done  bool // the tagged response was OK
}

func (k *tracker) fail(format string, args ...any) { k.t.Errorf(format, args...) }

// do sends a command and reads its responses. mayExpunge says that messages may be renumbered.
func (k *tracker) do(command string, mayExpunge bool) {
	k.tag++
	tag := fmt.Sprint("t", k.tag)
	if _, err := io.WriteString(k.c, tag+" "+command+"\r\n"); err != nil {
		k.t.Error(err)
		return
	}
	for {
		if err := k.d.Next(); err != nil {
			k.t.Errorf("%s: %v", command, err)
			return
		}
		switch {
		case k.d.Peek() == '+':
			if _, err := io.WriteString(k.c, "DONE\r\n"); err != nil {
				k.t.Error(err)
			}
		case k.d.Accept('*'):
			k.d.SP()
			k.untagged(command, mayExpunge)
		default:
			if got := k.d.Tag(); got != tag {
				k.fail("%s: tag %s, want %s", command, got, tag)
			}
			k.d.SP()
			st := k.d.Status()
			if k.done = st.Type == imap.StatusOK; st.Type == imap.StatusBad {
				k.fail("%s: %v", command, &st)
			}
			if k.d.Err() != nil {
				k.fail("%s: %v", command, k.d.Err())
			}
			return
		}
	}
}

func (k *tracker) untagged(command string, mayExpunge bool) {
	if c := k.d.Peek(); c < '0' || c > '9' {
		switch k.d.Keyword() {
		case "FLAGS":
			k.d.SP()
			k.flags = map[string]bool{}
			for _, f := range k.d.FlagList() {
				k.flags[strings.ToLower(string(f))] = true
			}
		}
		return
	}
	n := int(k.d.Number())
	k.d.SP()
	switch what := k.d.Keyword(); what {
	case "EXISTS":
		if n < len(k.uids) {
			k.fail("%s: %d EXISTS after %d", command, n, len(k.uids))
		}
		k.uids = append(k.uids, make([]imap.UID, max(0, n-len(k.uids)))...)
	case "EXPUNGE":
		if !mayExpunge || n < 1 || n > len(k.uids) {
			k.fail("%s: %d EXPUNGE of %d", command, n, len(k.uids))
			return
		}
		k.uids = slices.Delete(k.uids, n-1, n)
	case "FETCH":
		k.fetched(command, n)
	}
}

func (k *tracker) fetched(command string, n int) {
	if n < 1 || n > len(k.uids) {
		k.fail("%s: FETCH of %d among %d", command, n, len(k.uids))
		return
	}
	k.d.SP()
	flags, told := "", false
	k.d.List(func() {
		switch k.d.Keyword() {
		case "UID":
			k.d.SP()
			u := imap.UID(k.d.NzNumber())
			if old := k.uids[n-1]; old != 0 && old != u {
				k.fail("%s: %d is UID %d, was %d", command, n, u, old)
			}
			k.uids[n-1] = u
			if n > 1 && k.uids[n-2] >= u {
				k.fail("%s: %d is UID %d, that before %d", command, n, u, k.uids[n-2])
			}
		case "FLAGS":
			k.d.SP()
			var names []string
			for _, f := range k.d.FlagList() {
				if !k.flags[strings.ToLower(string(f))] {
					k.fail("%s: %s was not told before", command, f)
				}
				names = append(names, string(f))
			}
			slices.Sort(names)
			flags, told = strings.Join(names, " "), true
		default:
			k.d.SP()
			k.d.Value()
		}
	})
	if told && k.uids[n-1] != 0 {
		k.state[k.uids[n-1]] = flags
	}
}

// step does something at random.
func (k *tracker) step(r *rand.Rand, who int) {
	n := len(k.uids)
	one, flag := 1+r.IntN(max(1, n)), []string{`\Seen`, `\Deleted`, `\Flagged`, fmt.Sprintf("key%d-%d", who, r.IntN(8))}[r.IntN(4)]
	op := []string{"+", "-", ""}[r.IntN(3)]
	switch x := r.IntN(12); {
	case x == 0:
		k.do("NOOP", true)
	case x == 1:
		k.do("IDLE", true)
	case x < 4:
		k.do("APPEND INBOX ("+flag+") {13+}\r\nSubject: x\r\n\r", true)
	case n == 0:
		k.do("UID FETCH 1:* FLAGS", true)
	case x == 4:
		k.do("FETCH 1:* (UID FLAGS)", false)
	case x == 5:
		k.do(fmt.Sprintf("UID FETCH %d:* (FLAGS BODY[])", 1+r.IntN(50)), true)
	case x == 6:
		k.do(fmt.Sprintf("STORE %d %sFLAGS (%s)", one, op, flag), false)
	case x == 7:
		clear(k.state) // what changes silently is not told
		k.do(fmt.Sprintf("UID STORE %d:%d %sFLAGS.SILENT (%s)", r.IntN(50)+1, r.IntN(50)+1, op, flag), true)
		clear(k.state)
	case x == 8:
		k.do("EXPUNGE", true)
	case x == 9:
		k.do(fmt.Sprintf("COPY %d INBOX", one), true)
	case x == 10:
		k.do(fmt.Sprintf("MOVE %d INBOX", one), true)
	case x == 11:
		k.do("SEARCH OR KEYWORD "+strings.TrimPrefix(flag, `\`)+" SEEN", false)
	}
}

// StressOptions say what Stress does. Zero is the default that is told.
type StressOptions struct {
	User, Password string
	Clients        int    // 0: 4
	Steps          int    // commands of each client; 0: 300
	Seed           uint64 // of the choice of commands
}

// Stress has several clients do things at random to one INBOX, which nobody else may use meanwhile. Each believes what it
// is told and complains where two responses do not agree: a message that changes its number unannounced, a sequence number
// that names another UID than before, an EXPUNGE where there must be none, a keyword that FLAGS has not named. In the end
// all must have been told the same. dial connects to a server that offers UIDPLUS, MOVE, IDLE and LITERAL+.
func Stress(t *testing.T, dial func() (net.Conn, error), o StressOptions) {
	t.Helper()
	clients, steps := cmp.Or(o.Clients, 4), cmp.Or(o.Steps, 300)
	trackers := make([]*tracker, clients)
	for i := range trackers {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		k := &tracker{t: t, c: c, d: imap.NewDecoder(bufio.NewReader(c), imap.DecoderOptions{}), state: map[imap.UID]string{}}
		trackers[i] = k
		if err := k.d.Next(); err != nil { // the greeting
			t.Fatal(err)
		}
		k.do("LOGIN "+string(imap.AppendQuoted(nil, o.User))+" "+string(imap.AppendQuoted(nil, o.Password)), false)
		if k.do("SELECT INBOX", false); !k.done {
			t.Fatal("no INBOX is selected")
		}
	}
	var wg sync.WaitGroup
	for i, k := range trackers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(o.Seed, uint64(i)))
			for range steps {
				if k.step(r, i); t.Failed() {
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	var want string
	for i, k := range trackers {
		k.do("NOOP", true)
		told := maps.Clone(k.state)
		clear(k.state)
		k.do("FETCH 1:* (UID FLAGS)", false)
		for u, f := range k.state { // what was told before was right
			if old, ok := told[u]; ok && old != f {
				t.Errorf("client %d: message %d has %q, told was %q", i, u, f, old)
			}
		}
		got := fmt.Sprint(k.uids, k.state)
		if i == 0 {
			want = got
		} else if got != want {
			t.Errorf("client %d has\n%s\nclient 0\n%s", i, got, want)
		}
	}
}
