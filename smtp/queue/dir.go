package queue

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk"
)

// smallBody is the longest body that shares a file with others.
const smallBody = 64 << 10

// A Dir is a Spool in one directory, for one process. Messages that come in at the same time share a file and so an
// fsync; a body over 64 KiB has a file of its own. A file goes when all its messages have gone.
//
// What is damaged is set aside in files *.bad in the same directory, and logged.
type Dir struct {
	fsys   disk.FS
	dir    string
	log    *slog.Logger
	unlock func() error
	ops    chan *op
	quit   chan struct{}
	once   sync.Once
	loop   sync.WaitGroup

	mu       sync.Mutex
	items    map[string]*item
	reserved map[string]bool // being put
	due      dueQueue        // what is not claimed
	failed   error
	tmp      int // for names of temporary files
	bad      int

	commitState // the goroutine of commits alone
}

// An item is a message in the index.
type item struct {
	id       string
	due      time.Time
	pos      int  // in its heap; -1: claimed
	ready    bool // which heap
	priority int8
	base     *dirFile // holds the body
	bodyOff  int64
	bodyLen  int64
	bodyCRC  uint32
	state    *dirFile // holds the newest record: base or a later file
	off      int64    // of the entry in state
	ending   bool     // its removal is being committed
}

// A dirFile is one file of the spool.
type dirFile struct {
	name  string
	nonce []byte
	// live counts the entries that matter: messages, newest states, and removals whose message still stands in a file.
	live int
	// removals has the files that hold removals of messages of this file; they must outlive it.
	removals []*dirFile
}

// OpenDir opens the spool in the directory, which is made if it does not exist. log is told what was damaged; nil
// is silent. The error says so if another process has the directory.
func OpenDir(dir string, log *slog.Logger) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := disk.LockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	d, err := openDir(disk.OS(), dir, log)
	if err != nil {
		unlock()
		return nil, err
	}
	d.unlock = unlock
	return d, nil
}

func openDir(fsys disk.FS, dir string, log *slog.Logger) (*Dir, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Dir{
		fsys: fsys, dir: dir, log: log,
		unlock: func() error { return nil },
		ops:    make(chan *op), quit: make(chan struct{}),
		items: make(map[string]*item), reserved: make(map[string]bool), due: newDueQueue(),
	}
	if err := d.load(); err != nil {
		return nil, err
	}
	d.loop.Go(d.commits)
	return d, nil
}

// Close ends what is being written and gives the directory free. Claims end with it.
func (d *Dir) Close() error {
	var err error
	d.once.Do(func() {
		close(d.quit)
		d.loop.Wait()
		d.mu.Lock()
		if d.failed == nil {
			d.failed = ErrClosed
		}
		d.mu.Unlock()
		err = d.unlock()
	})
	return err
}

// Len returns the number of messages.
func (d *Dir) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.items)
}

// Quarantined returns how many files *.bad were made since OpenDir.
func (d *Dir) Quarantined() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bad
}

func (d *Dir) path(name string) string { return filepath.Join(d.dir, name) }

func (d *Dir) open(f *dirFile) (disk.File, error) { return d.fsys.Open(d.path(f.name), os.O_RDONLY) }

// Put implements Spool.
func (d *Dir) Put(ctx context.Context, r Record, body io.Reader) (err error) {
	if err := r.check(); err != nil {
		return err
	}
	d.mu.Lock()
	if err = d.failed; err == nil && (d.items[r.ID] != nil || d.reserved[r.ID]) {
		err = ErrExists
	}
	if err == nil {
		d.reserved[r.ID] = true
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		d.mu.Lock()
		delete(d.reserved, r.ID)
		d.mu.Unlock()
	}()

	small := make([]byte, 4<<10)
	n := 0
	for n <= smallBody {
		if n == len(small) {
			small = append(small, make([]byte, min(3*n, smallBody+1-n))...)
		}
		m, err := body.Read(small[n:])
		n += m
		if err == io.EOF {
			o := &op{kind: kindMessage, entry: entry{kind: kindMessage, id: r.ID, due: r.Due, priority: r.Priority, data: r.Data, bodyLen: int64(n)}, body: small[:n]}
			o.entry.bodyCRC = crc32.Checksum(o.body, castagnoli())
			return d.submit(ctx, o)
		}
		if err != nil {
			return fmt.Errorf("queue: reading the message: %w", err)
		}
	}
	return d.putLarge(ctx, r, small[:n], body)
}

// putLarge writes a message into a file of its own while it comes in.
func (d *Dir) putLarge(ctx context.Context, r Record, start []byte, body io.Reader) (err error) {
	f, name, err := d.create()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.fsys.Remove(d.path(name))
		}
	}()
	nonce := newNonce()
	e := entry{kind: kindMessage, id: r.ID, due: r.Due, priority: r.Priority, data: r.Data}
	buf := append([]byte(fileMagic), nonce...)
	buf = e.appendHead(buf, nonce) // again below, once the length is known
	at := int64(len(buf))
	buf = append(buf, start...)
	write := func(p []byte) error {
		_, err := f.Write(p)
		return err
	}
	e.bodyLen, e.bodyCRC = int64(len(start)), crc32.Checksum(start, castagnoli())
	err = write(buf)
	chunk := make([]byte, 128<<10)
	for fill := 0; err == nil; {
		n, rerr := body.Read(chunk[fill:])
		e.bodyCRC = crc32.Update(e.bodyCRC, castagnoli(), chunk[fill:fill+n])
		e.bodyLen += int64(n)
		if fill += n; fill == len(chunk) || rerr == io.EOF {
			err = write(chunk[:fill])
			fill = 0
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			err = fmt.Errorf("queue: reading the message: %w", rerr)
		}
	}
	if err == nil {
		_, err = f.WriteAt(e.appendHead(nil, nonce), int64(fileHeader))
	}
	if err == nil {
		if err = f.Sync(); err != nil {
			err = d.fail(err)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return d.submit(ctx, &op{kind: kindMessage, entry: e, file: name, nonce: nonce, bodyOff: at})
}

// create makes a temporary file.
func (d *Dir) create() (disk.File, string, error) {
	d.mu.Lock()
	d.tmp++
	name := fmt.Sprintf("%016x.tmp", d.tmp)
	d.mu.Unlock()
	f, err := d.fsys.Open(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL)
	return f, name, err
}

// fail makes the spool read-only and returns the error that every later call gets.
func (d *Dir) fail(cause error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = fmt.Errorf("%w: %w", ErrReadOnly, cause)
		d.log.Error("queue spool is read-only", "dir", d.dir, "err", cause)
	}
	return d.failed
}

// Claim implements Spool.
func (d *Dir) Claim(_ context.Context, now time.Time, max int) ([]Claim, time.Time, error) {
	d.mu.Lock()
	if d.failed != nil {
		defer d.mu.Unlock()
		return nil, time.Time{}, d.failed
	}
	var taken []*item
	for len(taken) < max {
		it := d.due.pop(now)
		if it == nil {
			break
		}
		taken = append(taken, it)
	}
	next := d.due.next()
	d.mu.Unlock()
	var out []Claim
	for _, it := range taken {
		c := &dirClaim{dir: d, item: it}
		e, err := d.record(it)
		switch {
		case errors.Is(err, ErrCorrupt):
			d.setAside(it, err)
			err = c.Settle(context.Background(), nil)
		case err == nil:
			c.rec = Record{ID: it.id, Due: it.due, Priority: e.priority, Data: e.data}
			out = append(out, c)
			continue
		}
		if err != nil { // the disk may answer later
			d.log.Error("queue record cannot be read", "id", it.id, "err", err)
			c.Release(now.Add(time.Minute))
		}
	}
	return out, next, nil
}

// record reads the newest record of a message.
func (d *Dir) record(it *item) (*entry, error) {
	d.mu.Lock()
	state, off := it.state, it.off
	d.mu.Unlock()
	f, err := d.open(state)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	e, err := readEntry(f, state.nonce, off, st.Size())
	if err == nil && e.id != it.id {
		err = errDamaged
	}
	return e, err
}

// List implements Spool.
func (d *Dir) List(context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		d.mu.Lock()
		all := make([]*item, 0, len(d.items))
		for _, it := range d.items {
			all = append(all, it)
		}
		d.mu.Unlock()
		for _, it := range all {
			d.mu.Lock()
			state := it.state
			d.mu.Unlock()
			e, err := d.record(it)
			d.mu.Lock()
			for errors.Is(err, os.ErrNotExist) && it.state != state { // replaced meanwhile, and its file removed
				state = it.state
				d.mu.Unlock()
				e, err = d.record(it)
				d.mu.Lock()
			}
			gone := d.items[it.id] != it || it.ending
			r := Record{ID: it.id, Due: it.due, Priority: it.priority}
			d.mu.Unlock()
			if gone {
				continue
			}
			if err == nil {
				r.Data = e.data
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Retry implements Spool.
func (d *Dir) Retry(_ context.Context, now time.Time, ids ...string) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return 0, d.failed
	}
	n := 0
	if len(ids) == 0 {
		d.due.hastenAll(now)
		return d.due.len(), nil
	}
	for _, id := range ids {
		if it := d.items[id]; it != nil && it.pos >= 0 {
			d.due.hasten(it, now)
			n++
		}
	}
	return n, nil
}

// A dirClaim is a claimed item.
type dirClaim struct {
	dir   *Dir
	item  *item
	rec   Record
	ended atomic.Bool
}

func (c *dirClaim) Record() Record { return c.rec }

func (c *dirClaim) Open(context.Context) (io.ReadCloser, error) {
	it := c.item
	f, err := c.dir.open(it.base)
	if err != nil {
		return nil, err
	}
	return &bodyReader{f: f, off: it.bodyOff, size: it.bodyLen, left: it.bodyLen, want: it.bodyCRC,
		bad: func() { c.dir.setAside(it, errors.New("damaged body")) }}, nil
}

func (c *dirClaim) Settle(ctx context.Context, r *Record) error {
	o := &op{kind: kindRemoved, item: c.item, entry: entry{kind: kindRemoved, id: c.item.id}}
	if r != nil {
		if err := r.check(); err != nil {
			return err
		}
		if r.ID != c.item.id {
			return fmt.Errorf("queue: record %s settled as %s", c.item.id, r.ID)
		}
		o.kind = kindState
		o.entry = entry{kind: kindState, id: r.ID, due: r.Due, priority: r.Priority, data: r.Data}
	}
	if c.ended.Swap(true) {
		return errEnded
	}
	err := c.dir.submit(ctx, o)
	c.ended.Store(err == nil)
	return err
}

var errEnded = errors.New("queue: claim has ended")

func (c *dirClaim) Release(until time.Time) {
	if c.ended.Swap(true) {
		return
	}
	c.dir.mu.Lock()
	defer c.dir.mu.Unlock()
	if it := c.item; it.pos < 0 && c.dir.items[it.id] == it {
		it.due = until
		c.dir.due.push(it)
	}
}
