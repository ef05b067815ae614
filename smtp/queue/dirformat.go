package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk"
)

// A file of the directory spool is a file header and entries, each a head, an ID, record data and a body:
//
//	"mailbricks.q.1\r\n" nonce[16]
//	nonce[16] kind[1] idLen[1] priority[1] zero[1] dataLen[4] bodyLen[8] due[8] bodyCRC[4] headCRC[4]  id data body
//	...
//
// Integers are big-endian, priority is signed, due is Unix time in nanoseconds, the checksums are CRC-32C; that of the head covers the head
// before it, the ID and the data. The nonce is random: an entry can be found behind a damaged one, and no mail can
// hold what looks like an entry.
const (
	fileMagic  = "mailbricks.q.1\r\n"
	nonceSize  = 16
	fileHeader = len(fileMagic) + nonceSize
	headSize   = nonceSize + 32
)

// Kinds of entries.
const (
	kindMessage = 'M' // a new message
	kindState   = 'S' // a new record for a message that stands in an earlier file
	kindRemoved = 'R' // a message that stands in an earlier file has gone
)

// An entry is one entry as found in a file or to be written.
type entry struct {
	kind     byte
	id       string
	due      time.Time
	priority int8
	data     []byte
	bodyLen  int64
	bodyCRC  uint32
}

func (e *entry) headLen() int64 { return int64(headSize + len(e.id) + len(e.data)) }

// appendHead appends all of e but its body.
func (e *entry) appendHead(dst []byte, nonce []byte) []byte {
	start := len(dst)
	dst = append(dst, nonce...)
	dst = append(dst, e.kind, byte(len(e.id)), byte(e.priority), 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.data)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.bodyLen))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.due.UnixNano()))
	dst = binary.BigEndian.AppendUint32(dst, e.bodyCRC)
	sum := crc32.Update(crc32.Checksum(dst[start:], castagnoli()), castagnoli(), []byte(e.id))
	sum = crc32.Update(sum, castagnoli(), e.data)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	dst = append(dst, e.id...)
	return append(dst, e.data...)
}

// castagnoli returns the table, which crc32 builds once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

var errDamaged = fmt.Errorf("%w: entry", ErrCorrupt)

// readEntry reads the entry that begins at off, without its body, from a file of the given size. The error is
// errDamaged where the bytes are wrong, else that of the file.
func readEntry(f io.ReaderAt, nonce []byte, off, size int64) (*entry, error) {
	if size-off < int64(headSize) {
		return nil, errDamaged
	}
	head := make([]byte, headSize, 1024)
	if err := readFull(f, head, off); err != nil {
		return nil, err
	}
	dataLen := int64(binary.BigEndian.Uint32(head[nonceSize+4:]))
	bodyLen := binary.BigEndian.Uint64(head[nonceSize+8:])
	idLen := int64(head[nonceSize+1])
	if string(head[:nonceSize]) != string(nonce) || dataLen > MaxRecordData ||
		bodyLen > uint64(size) || off+int64(headSize)+idLen+dataLen+int64(bodyLen) > size {
		return nil, errDamaged
	}
	rest := make([]byte, idLen+dataLen)
	if err := readFull(f, rest, off+int64(headSize)); err != nil {
		return nil, err
	}
	sum := crc32.Update(crc32.Checksum(head[:headSize-4], castagnoli()), castagnoli(), rest)
	e := &entry{
		kind:     head[nonceSize],
		id:       string(rest[:idLen]),
		due:      time.Unix(0, int64(binary.BigEndian.Uint64(head[nonceSize+16:]))),
		priority: int8(head[nonceSize+2]),
		data:     rest[idLen:],
		bodyLen:  int64(bodyLen),
		bodyCRC:  binary.BigEndian.Uint32(head[nonceSize+24:]),
	}
	if sum != binary.BigEndian.Uint32(head[headSize-4:]) || e.kind != kindMessage && e.kind != kindState && e.kind != kindRemoved {
		return nil, errDamaged
	}
	return e, nil
}

// readFull fills p from off; a file that ends before is damaged.
func readFull(f io.ReaderAt, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}

// A bodyReader reads one body and checks it: a damaged one ends in ErrCorrupt, not in io.EOF.
type bodyReader struct {
	f    disk.File
	off  int64
	size int64
	left int64
	sum  uint32
	want uint32
	bad  func() // called once when the body turns out to be damaged
	err  error
}

// Size returns the length of the whole body.
func (b *bodyReader) Size() int64 { return b.size }

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		if b.err = io.EOF; b.sum != b.want {
			b.fail(fmt.Errorf("%w: checksum of the body", ErrCorrupt))
		}
		return 0, b.err
	}
	n, err := b.f.ReadAt(p[:min(int64(len(p)), b.left)], b.off)
	b.sum = crc32.Update(b.sum, castagnoli(), p[:n])
	b.off += int64(n)
	b.left -= int64(n)
	if n == 0 && len(p) > 0 {
		if errors.Is(err, io.EOF) {
			b.fail(fmt.Errorf("%w: body is cut short", ErrCorrupt))
		} else {
			b.err = err
		}
	}
	return n, b.err
}

func (b *bodyReader) fail(err error) {
	b.err = err
	b.bad()
}

func (b *bodyReader) Close() error { return b.f.Close() }
