// Package disktest is a disk in memory that loses power.
//
// A Disk records every operation. Crash gives the disk as it may be found after power was lost behind any of them:
// what was synced is there, what was not may be there or not, as the test decides for each operation.
package disktest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk"
)

// A Disk is a disk.FS in memory. Every directory exists; names are slash-separated.
type Disk struct {
	mu     sync.Mutex
	names  map[string]*inode
	base   map[string]*inode // the names that were durable at the beginning
	start  map[*inode][]byte // and the content
	log    []op
	before func(Op) error
}

// An Op describes an operation to a hook.
type Op struct {
	Kind Kind
	Name string // of the file or directory, as it was opened
}

// A Kind is a kind of operation.
type Kind string

// Kinds of operations that are recorded.
const (
	Create  Kind = "create"
	Write   Kind = "write"
	Sync    Kind = "sync"
	SyncDir Kind = "syncdir"
	Rename  Kind = "rename"
	Remove  Kind = "remove"
)

type inode struct{ data []byte }

type op struct {
	kind     Kind
	name, to string
	node     *inode
	off      int64
	data     []byte
}

// New returns an empty Disk.
func New() *Disk {
	return &Disk{names: make(map[string]*inode), base: make(map[string]*inode), start: make(map[*inode][]byte)}
}

// Before sets a hook that is called before each operation and may let it fail: then it has no effect.
func (d *Disk) Before(hook func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = hook
}

// Ops returns the number of operations so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// Files returns the content of every file.
func (d *Disk) Files() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string][]byte, len(d.names))
	for name, n := range d.names {
		out[name] = append([]byte(nil), n.data...)
	}
	return out
}

// Corrupt changes the bytes of a file behind the back of its owner. It is for a Disk as Crash returned it.
func (d *Disk) Corrupt(name string, change func(data []byte) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.names[name]
	node.data = change(append([]byte(nil), node.data...))
	d.base[name], d.start[node] = node, append([]byte(nil), node.data...)
}

// Crash returns the disk as found after power was lost behind the first n operations. keep says of each operation
// that was not synced by then whether it reached the disk all the same; nil keeps none of them.
func (d *Disk) Crash(n int, keep func(op int) bool) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if keep == nil {
		keep = func(int) bool { return false }
	}
	names := make(map[string]*inode)
	content := make(map[*inode][]byte)
	for name, node := range d.base {
		names[name] = node
		content[node] = append([]byte(nil), d.start[node]...)
	}
	writes := make(map[*inode][]int)
	dirs := make(map[string][]int)
	write := func(i int) { content[d.log[i].node] = writeAt(content[d.log[i].node], d.log[i].data, d.log[i].off) }
	entry := func(i int) { d.log[i].apply(names) }
	for i, o := range d.log[:n] {
		switch o.kind {
		case Write:
			writes[o.node] = append(writes[o.node], i)
		case Sync:
			for _, w := range writes[o.node] {
				write(w)
			}
			delete(writes, o.node)
		case SyncDir:
			for _, e := range dirs[o.name] {
				entry(e)
			}
			delete(dirs, o.name)
		default:
			dirs[path.Dir(o.name)] = append(dirs[path.Dir(o.name)], i)
		}
	}
	for i := range n { // in the order they were made
		o := d.log[i]
		switch o.kind {
		case Write:
			if slices.Contains(writes[o.node], i) && keep(i) {
				write(i)
			}
		case Create, Rename, Remove:
			if slices.Contains(dirs[path.Dir(o.name)], i) && keep(i) {
				entry(i)
			}
		}
	}
	out := New()
	for name, node := range names {
		found := &inode{data: content[node]}
		out.names[name], out.base[name] = found, found
		out.start[found] = append([]byte(nil), found.data...)
	}
	return out
}

// apply makes the change of names that o is.
func (o op) apply(names map[string]*inode) {
	switch o.kind {
	case Create:
		names[o.name] = o.node
	case Remove:
		delete(names, o.name)
	case Rename:
		delete(names, o.name)
		names[o.to] = o.node
	}
}

func writeAt(data, p []byte, off int64) []byte {
	if need := int(off) + len(p); need > len(data) {
		data = append(data, make([]byte, need-len(data))...)
	}
	copy(data[off:], p)
	return data
}

// record runs the hook and appends o to the log. The lock is held.
func (d *Disk) record(o op) error {
	if d.before != nil {
		if err := d.before(Op{Kind: o.kind, Name: o.name}); err != nil {
			return err
		}
	}
	d.log = append(d.log, o)
	return nil
}

// Open implements disk.FS.
func (d *Disk) Open(name string, flag int) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = path.Clean(name)
	node := d.names[name]
	switch {
	case node == nil && flag&os.O_CREATE != 0:
		node = &inode{}
		if err := d.record(op{kind: Create, name: name, node: node}); err != nil {
			return nil, &fs.PathError{Op: "create", Path: name, Err: err}
		}
		d.names[name] = node
	case node != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case node == nil && path.Ext(name) != "":
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{disk: d, name: name, node: node}, nil
}

// Rename implements disk.FS, within one directory.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to = path.Clean(from), path.Clean(to)
	node := d.names[from]
	if node == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if path.Dir(from) != path.Dir(to) {
		return &fs.PathError{Op: "rename", Path: from, Err: errors.New("disktest: into another directory")}
	}
	o := op{kind: Rename, name: from, to: to, node: node}
	if err := d.record(o); err != nil {
		return err
	}
	o.apply(d.names)
	return nil
}

// Remove implements disk.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = path.Clean(name)
	if d.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	o := op{kind: Remove, name: name}
	if err := d.record(o); err != nil {
		return err
	}
	o.apply(d.names)
	return nil
}

type file struct {
	disk *Disk
	name string
	node *inode // nil: a directory
	end  int64  // where Write goes on
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.end)
	f.end += int64(n)
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.record(op{kind: Write, name: f.name, node: f.node, off: off, data: append([]byte(nil), p...)}); err != nil {
		return 0, err
	}
	f.node.data = writeAt(f.node.data, p, off)
	return len(p), nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.node == nil {
		return f.disk.record(op{kind: SyncDir, name: f.name})
	}
	return f.disk.record(op{kind: Sync, name: f.name, node: f.node})
}

func (f *file) Close() error { return nil }

func (f *file) Readdirnames(int) ([]string, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	var out []string
	for name := range f.disk.names {
		if path.Dir(name) == f.name {
			out = append(out, path.Base(name))
		}
	}
	return out, nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return info{name: path.Base(f.name), size: int64(len(f.node.data))}, nil
}

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o600 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
