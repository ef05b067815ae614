package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mailbricks/mailbricks/internal/disk"
)

// Limits of one commit: what shares a file and an fsync.
const (
	maxCommitOps   = 64
	maxCommitBytes = 1 << 20
)

// An op is a change that waits to become durable.
type op struct {
	kind  byte
	entry entry
	body  []byte // of a small message
	// A large message stands in a temporary file that is synced.
	file    string
	nonce   []byte
	bodyOff int64
	item    *item // what is settled
	done    chan error
}

func (o *op) size() int { return int(o.entry.headLen()) + len(o.body) }

func newNonce() []byte {
	b := make([]byte, nonceSize)
	rand.Read(b) // never fails
	return b
}

// submit hands o to the goroutine of commits and waits until it is durable or has failed. ctx counts until o is taken.
func (d *Dir) submit(ctx context.Context, o *op) error {
	o.done = make(chan error, 1)
	select {
	case d.ops <- o:
		return <-o.done
	case <-ctx.Done():
		return ctx.Err()
	case <-d.quit:
		return ErrClosed
	}
}

// commits runs until Close. All that waits when a commit begins goes with it: the busier the disk, the larger the group.
func (d *Dir) commits() {
	for {
		select {
		case o := <-d.ops:
			group := []*op{o}
			size := o.size()
		gather:
			for len(group) < maxCommitOps && size < maxCommitBytes {
				select {
				case o := <-d.ops:
					group = append(group, o)
					size += o.size()
				default:
					break gather
				}
			}
			err := d.commit(group)
			for _, o := range group {
				o.done <- err
			}
		case <-d.quit:
			return
		}
		d.clean()
	}
}

// clean removes files that nothing needs any more, and those that only they needed.
func (d *Dir) clean() {
	for len(d.garbage) > 0 {
		if d.commit(nil) != nil {
			return
		}
	}
}

// commitState belongs to the goroutine of commits.
type commitState struct {
	seq     uint64     // of the newest file
	garbage []*dirFile // files to be removed with the next commit
}

// commit makes the changes of group durable, all or none, and then known to the index. Its order is the whole point:
//
//  1. write the new entries to a temporary file, and sync it (large messages have done so);
//  2. rename the files to their place;
//  3. remove files that hold nothing but messages that end now, and garbage;
//  4. sync the directory.
//
// A file that dies because a newer one replaces what it holds must not go before that one is durable, so it
// becomes garbage for the commit after.
func (d *Dir) commit(group []*op) error {
	d.mu.Lock()
	err := d.failed
	ending := make(map[*dirFile]int)
	for _, o := range group {
		if o.kind == kindRemoved {
			ending[o.item.base]++
			o.item.ending = err == nil
		}
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	remove := slices.Clone(d.garbage)
	for f, n := range ending {
		if f.live == n {
			remove = append(remove, f)
		} else {
			delete(ending, f)
		}
	}

	shared := &dirFile{nonce: newNonce()}
	at, tmp, err := d.write(shared, group, ending)
	if err != nil { // nothing has changed
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, o := range group {
			if o.kind == kindRemoved {
				o.item.ending = false
			}
		}
		return err
	}
	if tmp != "" {
		if err := d.place(tmp, shared); err != nil {
			return d.fail(err)
		}
	}
	files := make([]*dirFile, len(group))
	for i, o := range group {
		if files[i] = shared; o.file != "" {
			files[i] = &dirFile{nonce: o.nonce}
			if err := d.place(o.file, files[i]); err != nil {
				return d.fail(err)
			}
		}
	}
	for _, f := range remove {
		if err := d.fsys.Remove(d.path(f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return d.fail(err)
		}
	}
	if err := disk.SyncDir(d.fsys, d.dir); err != nil {
		return d.fail(err)
	}

	d.garbage = nil
	for _, f := range remove { // now that they are gone for good, so may be the removals that spoke of them
		for _, r := range f.removals {
			d.unref(r)
		}
		f.live = 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, o := range group {
		_, direct := ending[itemBase(o)]
		d.apply(o, files[i], at[i], direct)
	}
	return nil
}

func itemBase(o *op) *dirFile {
	if o.item == nil {
		return nil
	}
	return o.item.base
}

// write writes the entries of group that share a file into a temporary one and syncs it. It returns the offset of each
// entry, and no name if there is none to write. A message whose file goes needs no removal.
func (d *Dir) write(shared *dirFile, group []*op, going map[*dirFile]int) (at []int64, tmp string, err error) {
	at = make([]int64, len(group))
	buf := append([]byte(fileMagic), shared.nonce...)
	for i, o := range group {
		at[i] = int64(len(buf))
		if o.file != "" {
			at[i] = int64(fileHeader)
			continue
		}
		if _, direct := going[itemBase(o)]; direct && o.kind == kindRemoved {
			continue
		}
		buf = o.entry.appendHead(buf, shared.nonce)
		buf = append(buf, o.body...)
	}
	if len(buf) == fileHeader {
		return at, "", nil
	}
	f, tmp, err := d.create()
	if err != nil {
		return nil, "", err
	}
	if _, err = f.Write(buf); err == nil {
		if err = f.Sync(); err != nil {
			err = d.fail(err)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		d.fsys.Remove(d.path(tmp))
		return nil, "", err
	}
	return at, tmp, nil
}

// place gives a temporary file its name in the order of commits.
func (d *Dir) place(tmp string, f *dirFile) error {
	d.seq++
	f.name = fmt.Sprintf("%016x.mail", d.seq)
	return d.fsys.Rename(d.path(tmp), d.path(f.name))
}

// apply makes o known to the index. d.mu is held.
func (d *Dir) apply(o *op, f *dirFile, at int64, direct bool) {
	switch o.kind {
	case kindMessage:
		f.live++
		it := &item{id: o.entry.id, due: o.entry.due, priority: o.entry.priority, base: f, bodyOff: at + o.entry.headLen(),
			bodyLen: o.entry.bodyLen, bodyCRC: o.entry.bodyCRC, state: f, off: at}
		d.items[it.id] = it
		d.due.push(it)
	case kindState:
		it := o.item
		f.live++
		if it.state != it.base {
			d.unref(it.state)
		}
		it.state, it.off, it.due, it.priority = f, at, o.entry.due, o.entry.priority
		if it.pos < 0 {
			d.due.push(it)
		}
	case kindRemoved:
		it := o.item
		if it.state != it.base {
			d.unref(it.state)
		}
		if !direct {
			f.live++
			it.base.removals = append(it.base.removals, f)
			d.unref(it.base)
		}
		delete(d.items, it.id)
	}
}

// unref takes one entry of f out of the count.
func (d *Dir) unref(f *dirFile) {
	if f.live--; f.live == 0 {
		d.garbage = append(d.garbage, f)
	}
}
