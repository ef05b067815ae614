package imaptest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// StressOptions say what Stress does. Zero is the default that is told.
type StressOptions struct {
	User, Password string
	Guests         []StressGuest // others to whom the mailbox is shared; the clients are of all in turn
	Clients        int           // 0: 4
	Steps          int           // commands of each client; 0: 300, or without end where there is a Duration
	Duration       time.Duration // after which no client begins another command; 0: none
	Messages       int           // from which on clients rather remove messages than add some; 0: 100
	Timeout        time.Duration // for each command; 0: 10 s
	Seed           uint64        // of the choice of commands
}

// A StressGuest is another user with every right to the mailbox, and the name that it has for him.
type StressGuest struct{ User, Password, Mailbox string }

// Stress has several clients do things at random to one INBOX, which nobody else may use meanwhile. Each believes what it
// is told and complains where two responses do not agree: a message that changes its number unannounced, a sequence number
// that names another UID than before, an EXPUNGE where there must be none, a keyword that FLAGS has not named, flags that
// change without a higher mod-sequence, a mod-sequence that goes back, a QRESYNC that does not lead to what is there, a
// search kept up to date that does not find what it finds anew. In the
// end all must have been told the same. Every second client uses QRESYNC.
//
// dial connects to a server that offers UIDPLUS, MOVE, IDLE, LITERAL+, UNSELECT, QRESYNC, RFC 7162's, and CONTEXT=SORT.
func Stress(t *testing.T, dial func() (net.Conn, error), o StressOptions) {
	t.Helper()
	clients, steps := cmp.Or(o.Clients, 4), o.Steps
	if steps == 0 && o.Duration == 0 {
		steps = 300
	}
	var failed atomic.Bool
	trackers := make([]*tracker, clients)
	users := append([]StressGuest{{o.User, o.Password, "INBOX"}}, o.Guests...)
	for i := range trackers {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		k := newTracker(fmt.Sprint(i), c, cmp.Or(o.Timeout, 10*time.Second), &failed, t.Errorf)
		trackers[i] = k
		k.greeting()
		user := users[i%len(users)]
		k.mailbox = string(imap.AppendMailbox(nil, user.Mailbox, false))
		k.do("LOGIN "+string(imap.AppendQuoted(nil, user.User))+" "+string(imap.AppendQuoted(nil, user.Password)), false)
		if k.qresync = i/len(users)%2 == 1; k.qresync {
			k.do("ENABLE QRESYNC", false)
		}
		if st := k.do("SELECT "+k.mailbox+" (CONDSTORE)", false); st.Type != imap.StatusOK || failed.Load() {
			t.Fatalf("%s: %v", k.mailbox, &st)
		}
		k.keepSome()
	}
	end := time.Now().Add(o.Duration)
	var wg sync.WaitGroup
	for i, k := range trackers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(o.Seed, uint64(i)))
			for n := 0; (steps == 0 || n < steps) && (o.Duration == 0 || time.Now().Before(end)) && !failed.Load(); n++ {
				k.step(r, i, cmp.Or(o.Messages, 100))
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		return
	}
	commands, want := 0, ""
	for i, k := range trackers {
		switch got := k.check(); {
		case failed.Load():
			return
		case i == 0:
			want = got
		case got != want:
			t.Errorf("client %d has\n%s\nclient 0\n%s", i, got, want)
		}
		commands += k.tag
	}
	t.Logf("%d clients, %d commands, %d messages left", clients, commands, len(trackers[0].uids))
}

// step does something at random.
func (k *tracker) step(r *rand.Rand, who, limit int) {
	n := len(k.uids)
	one, flag := 1+r.IntN(max(1, n)), []string{`\Seen`, `\Deleted`, `\Flagged`, fmt.Sprintf("key%d-%d", who, r.IntN(8))}[r.IntN(4)]
	op := []string{"+", "-", ""}[r.IntN(3)]
	if n > limit {
		k.do(fmt.Sprintf(`STORE %d:%d +FLAGS.SILENT (\Deleted)`, one, n), false)
		k.do("EXPUNGE", true)
		return
	}
	switch x := r.IntN(15); {
	case x == 0:
		k.do("NOOP", true)
	case x == 1:
		k.do("IDLE", true)
	case x < 4:
		k.do("APPEND "+k.mailbox+" ("+flag+") {13+}\r\nSubject: x\r\n\r", true)
	case n == 0:
		k.do("UID FETCH 1:* (FLAGS MODSEQ)", true)
	case x == 4:
		k.do("FETCH 1:* (UID FLAGS MODSEQ)", false)
	case x == 5:
		k.do(fmt.Sprintf("UID FETCH %d:* (FLAGS MODSEQ BODY[])", k.uid(r)), true)
	case x == 6:
		k.do(fmt.Sprintf("STORE %d %sFLAGS (%s)", one, op, flag), false)
	case x == 7:
		k.do(fmt.Sprintf("UID STORE %d:%d %sFLAGS.SILENT (%s)", k.uid(r), k.uid(r), op, flag), true)
	case x == 8:
		k.do("EXPUNGE", true)
	case x == 9:
		k.do(fmt.Sprintf("COPY %d %s", one, k.mailbox), true)
	case x == 10:
		k.do(fmt.Sprintf("MOVE %d %s", one, k.mailbox), true)
	case x == 11:
		k.do("SEARCH OR KEYWORD "+strings.TrimPrefix(flag, `\`)+" SEEN", false)
	case x == 12:
		k.unchangedSince(r, flag)
	case x == 13 && k.qresync:
		k.resync()
	default:
		k.do(fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)", max(1, k.highest)), true)
	}
}

// uid returns the UID of some message, or one near.
func (k *tracker) uid(r *rand.Rand) imap.UID {
	return max(1, k.uids[r.IntN(len(k.uids))])
}

// unchangedSince changes a message unless somebody else has (RFC 7162 §3.1.3).
func (k *tracker) unchangedSince(r *rand.Rand, flag string) {
	u := k.uid(r)
	m := k.messages[u]
	if m == nil {
		return
	}
	since := m.modseq
	k.do(fmt.Sprintf("UID STORE %d (UNCHANGEDSINCE %d) +FLAGS (%s)", u, since, flag), true)
	if k.modified == nil {
		return
	}
	if !k.modified.Contains(u) || k.modified.Len() != 1 {
		k.fail("MODIFIED %v of a STORE to %d", k.modified, u)
	}
	k.pending[u] = since
}
