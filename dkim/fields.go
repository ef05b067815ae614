package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash/maphash"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
)

// A fieldIndex finds the fields of a header by name, from the bottom up (RFC 6376 §5.4.2), each once a signature. Its
// cost is that of the header and of h=, whatever either holds.
type fieldIndex struct {
	section []byte
	fields  []span
	seed    maphash.Seed
	lowest  []int32 // hash table with linear probing: the lowest field of a name plus 1, 0: free
	above   []int32 // by field: the next one up of that name, -1: none
	unused  []int32 // by lowest field: where the next search begins
	buf     []byte
	room    [512]byte // of buf
}

// A span is where a field is in its section. A section has up to some ten thousand of them: they hold no pointers.
type span struct{ start, name, end int32 } // name is where the name ends; start: a line that is no field

func newFieldIndex(section []byte) *fieldIndex {
	x := &fieldIndex{section: section, fields: make([]span, 0, min(bytes.Count(section, []byte("\n")), 64)), seed: maphash.MakeSeed()}
	x.buf = x.room[:0]
	at := int32(0)
	for f := range header.Fields(section) {
		end := at + int32(len(f.Raw))
		x.fields = append(x.fields, span{at, at + int32(len(f.Name)), end})
		at = end
	}
	n := len(x.fields)
	size := 4 // over half of it stays free
	for size < 2*n {
		size *= 2
	}
	links := make([]int32, size+2*n)
	x.lowest, x.above, x.unused = links[:size], links[size:size+n], links[size+n:]
	above, slot := -1, 0 // the field with a name last seen, and its place in lowest
	for i := range x.fields {
		name := x.name(i)
		if len(name) == 0 {
			continue
		}
		if above < 0 || !bytes.Equal(name, x.name(above)) { // else as with Received below Received
			slot = x.slot(name)
		}
		x.above[i] = x.lowest[slot] - 1
		x.lowest[slot] = int32(i) + 1
		above = i
	}
	return x
}

// raw returns a field as it stands.
func (x *fieldIndex) raw(i int) []byte {
	f := x.fields[i]
	return x.section[f.start:f.end:f.end]
}

// name returns the name of a field; it is empty for a line that is no field.
func (x *fieldIndex) name(i int) []byte {
	f := x.fields[i]
	return x.section[f.start:f.name]
}

// value returns the value of a field.
func (x *fieldIndex) value(i int) string {
	_, value, _ := bytes.Cut(x.raw(i), []byte(":"))
	return string(bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r")))
}

// slot returns the place of a name in lowest, case aside. The seed is random, so nobody can choose names that collide.
func (x *fieldIndex) slot(name []byte) int {
	x.buf = x.buf[:0]
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		x.buf = append(x.buf, c)
	}
	for i := maphash.Bytes(x.seed, x.buf); ; i++ {
		slot := int(i & uint64(len(x.lowest)-1))
		if low := x.lowest[slot]; low == 0 || bytes.EqualFold(x.name(int(low-1)), name) {
			return slot
		}
	}
}

// find returns the lowest field of a name, -1 if there is none.
func (x *fieldIndex) find(name string) int32 {
	var buf [64]byte
	return x.lowest[x.slot(append(buf[:0], name...))] - 1
}

// count returns how many fields of a name there are.
func (x *fieldIndex) count(name string) int {
	n := 0
	for i := x.find(name); i >= 0; i = x.above[i] {
		n++
	}
	return n
}

// hash hashes the fields of h= and, last, the signature's own field as it is hashed (RFC 6376 §3.7). own is the number
// of that field among the fields, -1 when it is not there yet. added are the names of h= that more fields have than
// the signature covers.
func (x *fieldIndex) hash(s *Signature, own int, field []byte) (sum [sha256.Size]byte, added []string) {
	h := sha256.New()
	var room [64]int32
	lows := room[:0] // of the names that are there
	for _, name := range s.Headers {
		if low := x.find(name); low >= 0 {
			lows = append(lows, low)
			x.unused[low] = x.skip(low, own)
		}
	}
	for _, low := range lows {
		at := x.unused[low]
		if at < 0 {
			continue // named once more than it is there: nothing is hashed
		}
		x.unused[low] = x.skip(x.above[at], own)
		x.buf = s.HeaderCanon.AppendField(x.buf[:0], withCRLF(x.raw(int(at))))
		h.Write(x.buf)
	}
	for _, low := range lows {
		if x.unused[low] >= 0 {
			added = append(added, strings.ToLower(string(x.name(int(low)))))
			x.unused[low] = -1 // named once
		}
	}
	h.Write(field)
	h.Sum(sum[:0])
	return sum, added
}

// skip steps over the signature's own field.
func (x *fieldIndex) skip(at int32, own int) int32 {
	if at >= 0 && int(at) == own {
		return x.above[at]
	}
	return at
}
