package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/internal/disk"
)

// load builds the index from the files, in the order of their commits.
func (d *Dir) load() error {
	// What a killed process did to names may be seen and not durable yet: nothing is built on it before it is.
	if err := disk.SyncDir(d.fsys, d.dir); err != nil {
		return err
	}
	names, err := disk.ReadDir(d.fsys, d.dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	var files []*dirFile
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, ".tmp"): // never acknowledged
			if err := d.fsys.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		case strings.HasSuffix(name, ".mail"), strings.HasSuffix(name, ".bad"):
			var seq uint64
			if _, err := fmt.Sscanf(name, "%16x", &seq); err != nil {
				continue // not ours
			}
			d.seq = max(d.seq, seq)
			if strings.HasSuffix(name, ".mail") {
				f := &dirFile{name: name}
				if err := d.loadFile(f); err != nil {
					return fmt.Errorf("queue: %s: %w", d.path(name), err)
				}
				files = append(files, f)
			}
		}
	}
	for _, it := range d.items {
		d.due.push(it)
	}
	for _, f := range files {
		if f.live == 0 && f.nonce != nil {
			d.garbage = append(d.garbage, f)
		}
	}
	d.clean()
	return d.failed
}

// loadFile reads the entries of one file. The error is one of the disk; what is damaged is set aside.
func (d *Dir) loadFile(f *dirFile) error {
	file, err := d.open(f)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	size := st.Size()
	header := make([]byte, fileHeader)
	if err := readFull(file, header, 0); err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	} else if err != nil || string(header[:len(fileMagic)]) != fileMagic {
		d.quarantined(f.name, "header of the file is damaged")
		return d.fsys.Rename(d.path(f.name), d.path(strings.TrimSuffix(f.name, ".mail")+".bad"))
	}
	f.nonce = header[len(fileMagic):]
	for off := int64(fileHeader); off < size; {
		e, err := readEntry(file, f.nonce, off, size)
		if err == nil {
			d.replay(f, e, off)
			off += e.headLen() + e.bodyLen
			continue
		}
		if !errors.Is(err, ErrCorrupt) {
			return err
		}
		next, err := findEntry(file, f.nonce, off+1, size)
		if err != nil {
			return err
		}
		if err := d.copyAside(file, f.name, off, next); err != nil {
			return err
		}
		off = next
	}
	return nil
}

// replay applies one entry as its commit did.
func (d *Dir) replay(f *dirFile, e *entry, off int64) {
	it := d.items[e.id]
	if it != nil && e.kind != kindMessage && it.state != it.base {
		it.state.live--
	}
	switch {
	case e.kind == kindMessage:
		if it != nil {
			it.base.live--
			if it.state != it.base {
				it.state.live--
			}
		}
		f.live++
		d.items[e.id] = &item{id: e.id, due: e.due, priority: e.priority, base: f, bodyOff: off + e.headLen(), bodyLen: e.bodyLen, bodyCRC: e.bodyCRC, state: f, off: off}
	case it == nil: // the message has gone with its file
	case e.kind == kindState:
		f.live++
		it.state, it.off, it.due, it.priority = f, off, e.due, e.priority
	case e.kind == kindRemoved:
		f.live++
		it.base.live--
		it.base.removals = append(it.base.removals, f)
		delete(d.items, e.id)
	}
}

// findEntry returns the offset of the next nonce at or behind off, or size.
func findEntry(f io.ReaderAt, nonce []byte, off, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for off < size {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.Index(buf[:n], nonce); i >= 0 {
			return off + int64(i), nil
		}
		if n < nonceSize {
			break
		}
		off += int64(n - nonceSize + 1)
	}
	return size, nil
}

// copyAside copies the bytes from to to of a file into a file of their own; once is enough, however often they are met.
func (d *Dir) copyAside(f io.ReaderAt, name string, from, to int64) error {
	bad := fmt.Sprintf("%s-%x.bad", strings.TrimSuffix(name, ".mail"), from)
	out, err := d.fsys.Open(d.path(bad), os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d.quarantined(bad, "damaged entry set aside")
	_, err = io.Copy(struct{ io.Writer }{out}, io.NewSectionReader(f, from, to-from))
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

func (d *Dir) quarantined(name, why string) {
	d.mu.Lock()
	d.bad++
	d.mu.Unlock()
	d.log.Error("queue: "+why, "file", d.path(name))
}

// setAside copies the entries of a damaged message, so that it can be removed from the queue.
func (d *Dir) setAside(it *item, cause error) {
	d.mu.Lock()
	base, state, off := it.base, it.state, it.off
	end := it.bodyOff + it.bodyLen
	begin := it.bodyOff // its head begins before; the ID tells where, if it still can be read
	d.mu.Unlock()
	d.log.Error("queue message is damaged", "id", it.id, "err", cause)
	aside := func(file *dirFile, from, to int64) {
		f, err := d.open(file)
		if err == nil {
			defer f.Close()
			if st, serr := f.Stat(); serr == nil {
				to = min(to, st.Size())
			}
			err = d.copyAside(f, file.name, from, max(from, to))
		}
		if err != nil {
			d.log.Error("queue message cannot be set aside", "id", it.id, "err", err)
		}
	}
	if state == base {
		aside(base, off, end)
		return
	}
	aside(base, begin, end)
	aside(state, off, off+int64(headSize)+MaxRecordID+MaxRecordData)
}
