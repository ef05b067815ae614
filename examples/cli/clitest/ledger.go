package clitest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Ledger knows what was sent and what was acknowledged, by several goroutines at once.
type Ledger struct {
	mu    sync.Mutex
	sent  map[string]bool // "id to"
	acked map[string]bool
	acks  chan struct{} // one for each acknowledgement
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{sent: make(map[string]bool), acked: make(map[string]bool), acks: make(chan struct{}, 1<<20)}
}

// Letter returns the one message that has this id: most are short, some are too long for what servers keep inline.
func Letter(id string) string {
	h := fnv.New64a()
	h.Write([]byte(id))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	lines := 1 + r.IntN(60)
	if r.IntN(10) == 0 {
		lines = 3000 // 180 kB
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: <alice@a.example>\r\nTo: <bob@b.example>\r\nSubject: %s\r\nMessage-ID: <%s@a.example>\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n\r\n", id, id)
	for range lines {
		fmt.Fprintf(&b, ".%016x %016x %016x\r\n", r.Uint64(), r.Uint64(), r.Uint64())
	}
	return b.String()
}

// Send puts down that a message is being sent to somebody, Ack that it was acknowledged.
func (l *Ledger) Send(id, to string) { l.mu.Lock(); defer l.mu.Unlock(); l.sent[id+" "+to] = true }

// Ack puts down that a message was acknowledged.
func (l *Ledger) Ack(id, to string) {
	l.mu.Lock()
	l.acked[id+" "+to] = true
	l.mu.Unlock()
	l.acks <- struct{}{}
}

// patience is how long a test waits for what is to happen soon.
const patience = time.Minute

// Wait waits for n acknowledgements more, each within a minute.
func (l *Ledger) Wait(t testing.TB, n int) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for range n {
		select {
		case <-l.acks:
			timer.Reset(patience)
		case <-timer.C:
			t.Fatal("no acknowledgement came for a minute")
		}
	}
}

// Forget drops the acknowledgements that nobody has waited for.
func (l *Ledger) Forget() {
	for {
		select {
		case <-l.acks:
		default:
			return
		}
	}
}

// Check compares what is there for somebody, as whole messages, with what was sent: everything acknowledged is there,
// and whole; nothing is there that was not sent. It returns how many came more than once.
func (l *Ledger) Check(t testing.TB, to string, messages []string) (twice int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := make(map[string]int)
	for _, m := range messages {
		_, rest, _ := strings.Cut(m, "\nSubject: ")
		id, _, _ := strings.Cut(rest, "\r\n")
		got[id]++
		if !strings.HasSuffix(m, Letter(id)) {
			t.Errorf("%s: message %q is not as it was sent", to, id)
		}
		if !l.sent[id+" "+to] {
			t.Errorf("%s: message %q was not sent", to, id)
		}
		if got[id] == 2 {
			twice++
		}
	}
	lost, acked := 0, 0
	for k := range l.acked {
		id, who, _ := strings.Cut(k, " ")
		if who != to {
			continue
		}
		if acked++; got[id] == 0 {
			if lost++; lost <= 10 {
				t.Errorf("%s: message %q was acknowledged and is lost", to, id)
			}
		}
	}
	t.Logf("%s: %d acknowledged, %d there, %d lost, %d twice or more", to, acked, len(got), lost, twice)
	if acked == 0 {
		t.Errorf("%s: nothing was acknowledged", to)
	}
	return twice
}

// A Gate holds those back who wait for a server that is down.
type Gate struct {
	mu sync.Mutex
	up chan struct{} // closed: open
}

// NewGate returns a Gate that is open.
func NewGate() *Gate {
	g := &Gate{up: make(chan struct{})}
	close(g.up)
	return g
}

// Shut makes others wait until Open.
func (g *Gate) Shut() { g.mu.Lock(); defer g.mu.Unlock(); g.up = make(chan struct{}) }

// Open lets them go on.
func (g *Gate) Open() { g.mu.Lock(); defer g.mu.Unlock(); close(g.up) }

// Up returns a channel that is closed when the Gate is open.
func (g *Gate) Up() <-chan struct{} { g.mu.Lock(); defer g.mu.Unlock(); return g.up }
