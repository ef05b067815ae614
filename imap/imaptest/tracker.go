package imaptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// A tracker is a client that believes every response, and complains where two do not agree. It asks for mod-sequences, so that
// each change of flags has to come with a higher one (RFC 7162 §3.1).
type tracker struct {
	mailbox  string // its name on the wire
	name     string
	complain func(format string, args ...any)
	failed   *atomic.Bool // one of all has complained
	timeout  time.Duration

	c    net.Conn
	d    *imap.Decoder
	tail *tail
	tag  int

	qresync  bool // hears VANISHED in place of EXPUNGE
	validity string
	uids     []imap.UID // by sequence number, 0 for one that has not been told
	messages map[imap.UID]*tracked
	flags    map[string]bool           // as FLAGS has named them, in lower case
	highest  uint64                    // mod-sequence seen
	modified imap.UIDSet               // of the last command
	pending  map[imap.UID]uint64       // refused by UNCHANGEDSINCE: has changed since, to be told
	earlier  imap.UIDSet               // of VANISHED (EARLIER)
	fetched  []imap.UID                // UIDs told by FETCH in the last command
	searches map[string]*trackedSearch // by tag, those that are kept up to date
	found    []imap.UID                // by the last ESEARCH
}

// tracked is what was told of one message.
type tracked struct {
	flags  string
	known  bool // nothing has changed since that did not tell them
	modseq uint64
}

func newTracker(name string, c net.Conn, timeout time.Duration, failed *atomic.Bool, complain func(string, ...any)) *tracker {
	k := &tracker{name: name, complain: complain, failed: failed, timeout: timeout, c: c, tail: &tail{}, messages: map[imap.UID]*tracked{}, pending: map[imap.UID]uint64{}}
	k.d = imap.NewDecoder(bufio.NewReader(io.TeeReader(c, k.tail)), imap.DecoderOptions{})
	return k
}

// fail complains once for all trackers: what follows a first fault says little.
func (k *tracker) fail(format string, args ...any) {
	if !k.failed.Swap(true) {
		k.complain("client %s: %s\nthe end of its dialogue:\n%s", k.name, fmt.Sprintf(format, args...), k.tail)
	}
}

func (k *tracker) write(s string) error {
	_, _ = k.tail.Write([]byte(s))
	_, err := io.WriteString(k.c, s)
	return err
}

// greeting reads the server's first line.
func (k *tracker) greeting() {
	if err := k.c.SetDeadline(time.Now().Add(k.timeout)); err != nil {
		k.fail("%v", err)
	} else if err := k.d.Next(); err != nil {
		k.fail("greeting: %v", err)
	}
}

// do sends a command and reads its responses. mayExpunge says that messages may be renumbered.
func (k *tracker) do(command string, mayExpunge bool) (st imap.Status) {
	k.tag++
	k.modified, k.earlier, k.fetched = nil, nil, k.fetched[:0]
	tag := fmt.Sprint("t", k.tag)
	err := k.c.SetDeadline(time.Now().Add(k.timeout))
	if err == nil {
		err = k.write(tag + " " + command + "\r\n")
	}
	for err == nil && !k.failed.Load() {
		if err = k.d.Next(); err != nil {
			break
		}
		switch {
		case k.d.Peek() == '+':
			err = k.write("DONE\r\n")
			continue
		case k.d.Accept('*'):
			k.d.SP()
			k.untagged(command, mayExpunge)
		default:
			if got := k.d.Tag(); got != tag {
				k.fail("%s: tag %s, want %s", command, got, tag)
			}
			k.d.SP()
			st = k.d.Status()
			k.code(&st)
			if st.Type == imap.StatusBad {
				k.fail("%s: %v", command, &st)
			}
		}
		if k.d.EOL(); k.d.Err() != nil {
			k.fail("%s: %v", command, k.d.Err())
		}
		if st.Type != "" {
			return st
		}
	}
	if err != nil {
		k.fail("%s: %v", command, err)
	}
	return st
}

// code takes in what a response code tells.
func (k *tracker) code(st *imap.Status) {
	switch st.Code {
	case imap.CodeUIDValidity:
		if k.validity != "" && k.validity != st.Args {
			k.fail("UIDVALIDITY %s, was %s", st.Args, k.validity)
		}
		k.validity = st.Args
	case imap.CodeModified:
		set, err := imap.ParseUIDSet([]byte(st.Args))
		if err != nil {
			k.fail("%v: %v", st, err)
		}
		k.modified = set
	case imap.CodeHighestModSeq:
		n, err := strconv.ParseUint(st.Args, 10, 63)
		if err != nil {
			k.fail("%v: %v", st, err)
		}
		k.highest = max(k.highest, n)
	}
}

func (k *tracker) untagged(command string, mayExpunge bool) {
	if c := k.d.Peek(); c < '0' || c > '9' {
		switch word := k.d.PeekKeyword(); word {
		case "OK", "NO", "BAD", "BYE":
			st := k.d.Status()
			if k.code(&st); word == "BAD" || word == "BYE" {
				k.fail("%s: %v", command, &st)
			}
		case "FLAGS":
			k.d.Keyword()
			k.d.SP()
			k.flags = map[string]bool{}
			for _, f := range k.d.FlagList() {
				k.flags[strings.ToLower(string(f))] = true
			}
		case "ESEARCH":
			k.esearch(command)
		case "VANISHED":
			k.vanished(command, mayExpunge)
		default: // CAPABILITY, SEARCH, ENABLED
			k.d.Line()
		}
		return
	}
	n := int(k.d.Number())
	k.d.SP()
	switch k.d.Keyword() {
	case "EXISTS":
		if n < len(k.uids) {
			k.fail("%s: %d EXISTS after %d", command, n, len(k.uids))
			return
		}
		k.uids = append(k.uids, make([]imap.UID, n-len(k.uids))...)
	case "EXPUNGE":
		if !mayExpunge || k.qresync || n < 1 || n > len(k.uids) {
			k.fail("%s: %d EXPUNGE of %d", command, n, len(k.uids))
			return
		}
		delete(k.messages, k.uids[n-1])
		k.uids = slices.Delete(k.uids, n-1, n)
		k.renumber(imap.UID(n))
	case "FETCH":
		k.fetch(command, n)
	}
}

// vanished is EXPUNGE by UID (RFC 7162 §3.2.10).
func (k *tracker) vanished(command string, mayExpunge bool) {
	k.d.Keyword()
	k.d.SP()
	earlier := k.d.Accept('(')
	if earlier {
		if word := k.d.Keyword(); word != "EARLIER" {
			k.fail("%s: VANISHED (%s", command, word)
		}
		k.d.Expect(')')
		k.d.SP()
	}
	set, err := imap.ParseUIDSet([]byte(k.d.Line()))
	switch {
	case err != nil:
		k.fail("%s: VANISHED: %v", command, err)
		return
	case earlier:
		k.earlier = k.earlier.Union(set)
		return
	case !mayExpunge || !k.qresync:
		k.fail("%s: VANISHED %v", command, set)
		return
	}
	for u := range set.All() {
		at := k.find(u)
		if at < 0 {
			k.fail("%s: VANISHED %d, which is not there", command, u)
			return
		}
		delete(k.messages, u)
		k.uids = slices.Delete(k.uids, at, at+1)
		k.renumber(imap.UID(at + 1))
	}
}

// find returns where a message is, or, if it has not been told, a place where it may be; -1 if there is none.
func (k *tracker) find(u imap.UID) int {
	free := -1
	for i, v := range k.uids {
		switch {
		case v == u:
			return i
		case v > u:
			return free
		case v != 0:
			free = -1
		case free < 0:
			free = i
		}
	}
	return free
}

func (k *tracker) fetch(command string, n int) {
	if n < 1 || n > len(k.uids) {
		k.fail("%s: FETCH of %d among %d", command, n, len(k.uids))
		return
	}
	k.d.SP()
	flags, told, modseq := "", false, uint64(0)
	k.d.List(func() {
		item := k.d.FetchDataItem()
		k.d.SP()
		switch item.Att {
		case imap.FetchUID:
			u := imap.UID(k.d.NzNumber())
			if old := k.uids[n-1]; old != 0 && old != u {
				k.fail("%s: %d is UID %d, was %d", command, n, u, old)
			}
			if n > 1 && k.uids[n-2] >= u || n < len(k.uids) && k.uids[n] != 0 && k.uids[n] <= u {
				k.fail("%s: %d is UID %d, beside it %v", command, n, u, k.uids[max(0, n-2):min(len(k.uids), n+1)])
			}
			k.uids[n-1] = u
			k.fetched = append(k.fetched, u)
		case imap.FetchFlags:
			var names []string
			for _, f := range k.d.FlagList() {
				if !k.flags[strings.ToLower(string(f))] {
					k.fail("%s: %s was not told before", command, f)
				}
				names = append(names, string(f))
			}
			slices.Sort(names)
			flags, told = strings.Join(names, " "), true
		case imap.FetchModSeq:
			k.d.List(func() { modseq = uint64(k.d.Number64()) })
		default:
			k.d.Value()
		}
	})
	if told && modseq == 0 {
		k.fail("%s: FETCH of %d tells flags without a mod-sequence", command, n)
	}
	u := k.uids[n-1]
	if u == 0 || k.d.Err() != nil {
		return
	}
	m := k.messages[u]
	if m == nil {
		m = &tracked{}
		k.messages[u] = m
	}
	k.highest = max(k.highest, modseq)
	switch {
	case modseq > 0 && modseq < m.modseq:
		k.fail("%s: UID %d has mod-sequence %d after %d", command, u, modseq, m.modseq)
	case told && m.known && modseq == m.modseq && flags != m.flags:
		k.fail("%s: UID %d has flags %q and %q, both with mod-sequence %d", command, u, m.flags, flags, modseq)
	}
	if told {
		m.flags, m.known = flags, true
	} else if modseq > m.modseq { // by STORE .SILENT
		m.known = false
	}
	m.modseq = max(m.modseq, modseq)
}

// resync leaves the mailbox and comes back, with what it knows (RFC 7162 §3.2.5): what it is told must make up the rest.
func (k *tracker) resync() {
	synced := k.highest
	k.do("NOOP", true) // now every change up to there is known, but not each UID
	if slices.Contains(k.uids, 0) {
		k.do("FETCH 1:* (UID FLAGS MODSEQ)", false)
	}
	before := slices.DeleteFunc(k.uids, func(u imap.UID) bool { return u == 0 })
	k.do("UNSELECT", false)
	k.uids, k.searches = nil, nil
	if st := k.do(fmt.Sprintf("SELECT %s (QRESYNC (%s %d))", k.mailbox, k.validity, synced), false); st.Type != imap.StatusOK || k.failed.Load() {
		k.fail("QRESYNC: %v", &st)
		return
	}
	want := slices.DeleteFunc(before, k.earlier.Contains)
	for _, u := range k.fetched {
		if at, found := slices.BinarySearch(want, u); !found {
			want = slices.Insert(want, at, u)
		}
	}
	for u := range k.messages {
		if _, found := slices.BinarySearch(want, u); !found {
			delete(k.messages, u)
		}
	}
	// What has gone since it was counted is told by no FETCH, and by VANISHED later.
	untold, at := len(k.uids)-len(want), 0
	for i, u := range k.uids {
		if u == 0 {
			continue
		}
		rank, _ := slices.BinarySearch(want, u)
		if i-rank < at || i-rank > untold {
			k.fail("QRESYNC: of %d messages %d is UID %d, and what was told makes it %d: %v", len(k.uids), i+1, u, rank+1, want)
			return
		}
		at = i - rank
	}
	switch {
	case untold < 0:
		k.fail("QRESYNC: %d messages, and what was told makes %d: %v", len(k.uids), len(want), want)
	case untold == 0:
		k.uids = want
	}
	k.keepSome()
}

// check asks for everything: what was told before must have been right. It returns what the mailbox holds.
func (k *tracker) check() string {
	k.do("NOOP", true)
	k.compareSearches()
	told := k.messages
	k.messages = map[imap.UID]*tracked{}
	if len(k.uids) > 0 { // else no message has such a number
		k.do("FETCH 1:* (UID FLAGS MODSEQ)", false)
	}
	var b strings.Builder
	for i, u := range k.uids {
		now := k.messages[u]
		if u == 0 || now == nil || !now.known {
			k.fail("nothing is told of message %d", i+1)
			return ""
		}
		old := told[u]
		if old != nil && (old.known && (old.flags != now.flags || old.modseq != now.modseq) || old.modseq > now.modseq) {
			k.fail("UID %d has flags %q and mod-sequence %d, told was %q and %d", u, now.flags, now.modseq, old.flags, old.modseq)
		}
		if since, ok := k.pending[u]; ok && now.modseq <= since {
			k.fail("UID %d was MODIFIED since %d, and has mod-sequence %d", u, since, now.modseq)
		}
		fmt.Fprintf(&b, "%d (%s) %d\n", u, now.flags, now.modseq)
	}
	return b.String()
}

// A tail keeps the last of what is written to it.
type tail struct {
	last []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	if t.last = append(t.last, p...); len(t.last) > 2*tailSize {
		t.last = append(t.last[:0], t.last[len(t.last)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.ToValidUTF8(string(t.last[max(0, len(t.last)-tailSize):]), "?")
}
