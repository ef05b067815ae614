package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// A Spool keeps messages from the moment they are acknowledged until every recipient is settled. The directory spool
// of this package is one (OpenDir); databases and streams can be others, shared by several processes. queuetest
// holds an implementation to the rules below.
//
// Rules:
//   - Methods are called by several goroutines at once.
//   - What Put or Settle reported done (a nil error) is durable: it survives the end of the process and a loss of power.
//     What they reported failed may be there or not, but never in part.
//   - A message is claimed by one caller at a time, also across processes that share the spool. A claim ends with Settle
//     or Release, with Close of the spool, or, where processes share it, some time after its process died; until then
//     the spool keeps it alive by itself.
//   - The spool does not look into Record.Data and hands it back unchanged.
//   - A record that cannot be read is set aside, kept for people to look at, and does not stop the others.
//   - Once durability cannot be promised any more (an fsync failed), every call returns ErrReadOnly, wrapped with the
//     cause, until the spool is opened anew.
type Spool interface {
	// Put stores a new message. body is read to io.EOF; an error of body is returned, wrapped, and nothing is stored.
	// The error is ErrExists for an ID that is stored already.
	Put(ctx context.Context, r Record, body io.Reader) error
	// Claim claims up to max messages that are due at now, the highest Priority first, among equals the longest due. next
	// is when a message that was not claimed becomes due, now or before if one is due already; the zero Time if there is
	// none.
	Claim(ctx context.Context, now time.Time, max int) (claims []Claim, next time.Time, err error)
	// List yields the record of every message, claimed or not, in no order. One that cannot be read yields an error
	// with the ID in its Record, if known, and the iteration goes on. No lock is held while it yields.
	List(ctx context.Context) iter.Seq2[Record, error]
	// Retry makes messages due at now: those with the given IDs, or all if there are none. It returns how many were
	// found that are not claimed. It need not be durable.
	Retry(ctx context.Context, now time.Time, ids ...string) (int, error)
}

// A Record is what a Spool knows of a message beside its body.
type Record struct {
	// ID is 1 to 64 bytes of letters, digits, '.', '-' and '_'. Case counts.
	ID string
	// Due is when the message is to be claimed next, to the nanosecond or coarser.
	Due time.Time
	// Priority goes before Due among what is due: -9 to 9 with MT-PRIORITY (RFC 6710), 0 for most.
	Priority int8
	// Data is the state of the message, opaque to the spool, at most MaxRecordData bytes.
	Data []byte
}

// Limits of a Record.
const (
	MaxRecordID   = 64
	MaxRecordData = 16 << 20
)

// A Claim is a message in the hands of one caller, who ends it with exactly one successful Settle, or one Release.
// Its methods are called by several goroutines at once.
type Claim interface {
	// Record returns the record as it was when claimed.
	Record() Record
	// Open returns the body from its beginning, each call anew. The reader yields exactly the bytes that were put, or an
	// error: ErrCorrupt, wrapped, at the latest in place of io.EOF. A Settle then sets the message aside. If the reader
	// has a method Size() int64, the next hop is told the size beforehand (RFC 1870).
	Open(ctx context.Context) (io.ReadCloser, error)
	// Settle stores r in place of the record and ends the claim; nil removes the message. r.ID is that of the claim.
	// After an error the claim still stands, and Settle may be tried again.
	Settle(ctx context.Context, r *Record) error
	// Release gives the message back as it was. It is not claimed again before until.
	Release(until time.Time)
}

var (
	// ErrExists says that a message with this ID is stored already.
	ErrExists = errors.New("queue: message exists")
	// ErrReadOnly says that the spool does not take anything any more, because it cannot promise to keep it.
	ErrReadOnly = errors.New("queue: spool is read-only")
	// ErrCorrupt says that a stored message is damaged.
	ErrCorrupt = errors.New("queue: stored message is damaged")
	// ErrClosed says that the spool was closed.
	ErrClosed = errors.New("queue: spool is closed")
)

// check holds r to the limits.
func (r *Record) check() error {
	ok := len(r.ID) > 0 && len(r.ID) <= MaxRecordID
	for _, c := range []byte(r.ID) {
		ok = ok && (c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '.' || c == '-' || c == '_')
	}
	switch {
	case !ok:
		return fmt.Errorf("queue: malformed record ID %.70q", r.ID)
	case len(r.Data) > MaxRecordData:
		return fmt.Errorf("queue: record data of %d bytes, limit %d", len(r.Data), MaxRecordData)
	}
	return nil
}
