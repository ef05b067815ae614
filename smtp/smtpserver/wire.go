package smtpserver

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

var (
	errTimeout  = errors.New("smtpserver: the peer took too long")
	errStopping = errors.New("smtpserver: the server stops")
)

// maxPending is how many octets of replies wait for company at most.
const maxPending = 4096

// A wire is the connection of a session. It says what is to be said before it waits for the peer, which is all that
// RFC 2920 §3.2 asks for, and keeps the time of each phase.
type wire struct {
	out      []byte // replies to be said
	writeErr error
	write    time.Duration // Timeouts.Write

	budget time.Duration // of this phase
	rate   int           // octets that add a second to the budget; 0: none do
	waited time.Duration
	got    int64

	mu       sync.Mutex
	c        net.Conn
	idle     bool // in a phase that ends when the server stops
	stopping bool
	alarm    alarm
}

// An alarm is the deadlines of a connection, without the price of setting one for each read and write: a timer that goes
// off no later than the earlier one, sees what is due then, and is set again if nothing is.
type alarm struct {
	timer       *time.Timer
	at          time.Time // when it goes off; zero: it is not set
	read, write time.Time // when the read and the write under way end; zero: there is none
	readPast    bool      // the connection's own deadline for reading has passed
}

// due says when what *end belongs to ends. It is called with mu held, as everything of an alarm.
func (w *wire) due(end *time.Time, now time.Time, after time.Duration) {
	*end = now.Add(after)
	a := &w.alarm
	switch {
	case a.timer == nil:
		a.timer = time.AfterFunc(after, w.ring)
	case a.at.IsZero() || end.Before(a.at):
		a.timer.Reset(after)
	default:
		return
	}
	a.at = *end
}

// ring is called when the timer has gone off.
func (w *wire) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, now := &w.alarm, time.Now()
	a.at = time.Time{}
	if !a.read.IsZero() && !now.Before(a.read) {
		w.endRead()
		a.read = time.Time{}
	}
	if !a.write.IsZero() && !now.Before(a.write) {
		_ = w.c.SetWriteDeadline(past())
		a.write = time.Time{}
	}
	for _, end := range []time.Time{a.read, a.write} {
		if !end.IsZero() && (a.at.IsZero() || end.Before(a.at)) {
			a.at = end
		}
	}
	if !a.at.IsZero() {
		a.timer.Reset(a.at.Sub(now))
	}
}

// endRead ends the read under way, or the next one.
func (w *wire) endRead() {
	w.alarm.readPast = true
	_ = w.c.SetReadDeadline(past())
}

// past is a deadline that has passed.
func past() time.Time { return time.Unix(1, 0) }

// close ends the alarm.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarm.read, w.alarm.write = time.Time{}, time.Time{}
	if w.alarm.timer != nil {
		w.alarm.timer.Stop()
	}
}

// begin begins a phase.
func (w *wire) begin(budget time.Duration, rate int, idle bool) {
	w.budget, w.rate, w.waited, w.got = budget, rate, 0, 0
	if w.idle != idle {
		w.mu.Lock()
		w.idle = idle
		w.mu.Unlock()
	}
}

// stop ends the idle phase that the session is in, or the next one.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	if w.idle {
		w.endRead()
	}
}

// become goes on with c, TLS over the connection so far, without the deadline that its handshake had.
func (w *wire) become(c net.Conn) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c, w.alarm.readPast = c, false
	return c.SetDeadline(time.Time{})
}

// Read reads from the peer after it has said what is to be said. The errors are errTimeout, errStopping, io.EOF, and
// those of the connection.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := w.arm(start); err != nil {
		return 0, err
	}
	n, err := w.c.Read(p)
	w.waited += time.Since(start)
	w.got += int64(n)
	w.mu.Lock()
	w.alarm.read = time.Time{}
	w.mu.Unlock()
	if n > 0 || err == nil {
		return n, nil // an error that lasts comes again
	}
	return 0, w.readError(err)
}

func (w *wire) readError(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping && w.idle {
		return errStopping
	}
	return errTimeout
}

// arm sets the alarm for a read that begins now.
func (w *wire) arm(now time.Time) error {
	left := w.budget - w.waited
	if w.rate > 0 {
		left += time.Duration(w.got/int64(w.rate)) * time.Second
	}
	if left <= 0 {
		return errTimeout
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping && w.idle {
		return errStopping
	}
	if w.alarm.readPast {
		w.alarm.readPast = false
		if err := w.c.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
	}
	w.due(&w.alarm.read, now, left)
	return nil
}

// say puts s behind what is to be said.
func (w *wire) say(s string) {
	w.out = append(w.out, s...)
	if len(w.out) > maxPending {
		_ = w.flush()
	}
}

// flush says what is to be said.
func (w *wire) flush() error {
	if w.writeErr != nil || len(w.out) == 0 {
		w.out = w.out[:0]
		return w.writeErr
	}
	w.mu.Lock()
	w.due(&w.alarm.write, time.Now(), w.write)
	w.mu.Unlock()
	_, w.writeErr = w.c.Write(w.out)
	w.mu.Lock()
	w.alarm.write = time.Time{}
	w.mu.Unlock()
	w.out = w.out[:0]
	return w.writeErr
}

// How long and how much is read from a peer that has been told good-bye and talks on.
const (
	lingerTime = time.Second
	lingerSize = 256 << 10
)

// linger reads what the peer still sends, so that unread octets do not make the network drop the last reply.
func (w *wire) linger() {
	half, ok := w.c.(interface{ CloseWrite() error })
	if !ok || w.writeErr != nil || half.CloseWrite() != nil || w.c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, w.c, lingerSize)
}
