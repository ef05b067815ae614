package milter

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/header"
)

// FuzzChanges: whatever a milter asks for, a header stays a header, with one field more or less for each change.
func FuzzChanges(f *testing.F) {
	f.Add([]byte("A: 1\r\nB: 2\r\n\r\n"), byte('i'), []byte("\x00\x00\x00\x01X\x00y\n z\x00"))
	f.Add([]byte("A: 1\r\nB: 2"), byte('h'), []byte("X\x00y\x00"))
	f.Add([]byte("A: 1\r\na: 2\r\n\r\n"), byte('m'), []byte("\x00\x00\x00\x02A\x00\x00"))
	f.Add([]byte("\r\n"), byte('e'), []byte("<a@b.example>\x00SIZE=1\x00"))
	f.Add([]byte(""), byte('2'), []byte("<a@b.example>\x00NOTIFY=NEVER\x00"))
	f.Add([]byte("x"), byte('q'), []byte("why\x00"))
	f.Fuzz(func(t *testing.T, section []byte, code byte, data []byte) {
		var c Changes
		if c.add(code, data, options{version, allActions, 0}) != nil {
			return
		}
		before := fieldCount(section)
		after := c.apply(bytes.Clone(section))
		if d := fieldCount(after) - before; d < -1 || d > 1 || len(c.Header) == 0 && !bytes.Equal(after, section) && !bytes.HasPrefix(after, section) {
			t.Fatalf("%q becomes %q by %+v", section, after, c)
		}
		if strings.Contains(string(after), "\n\r\n") && !strings.Contains(string(section), "\n\r\n") && !bytes.HasPrefix(section, []byte("\r\n")) && !bytes.HasSuffix(after, section[len(section)-min(2, len(section)):]) {
			t.Fatalf("%q ends in %q", section, after)
		}
	})
}

func fieldCount(section []byte) (n int) {
	for range header.Fields(section) {
		n++
	}
	return n
}
