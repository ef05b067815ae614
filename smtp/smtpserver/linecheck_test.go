package smtpserver

import (
	"bytes"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/internal/line"
)

// naiveCheck looks at one octet after the other. It returns 'l' for a line that is too long.
func naiveCheck(p []byte, limit int) (offence byte, bad bool) {
	length := 0
	for i, c := range p {
		length++
		switch {
		case c == 0, c == '\n' && (i == 0 || p[i-1] != '\r'), c == '\r' && i+1 < len(p) && p[i+1] != '\n':
			return c, true
		case length > limit:
			return 'l', true
		case c == '\n':
			length = 0
		}
	}
	return 0, false
}

// FuzzLineCheck compares the check of chunks with a naive one, for every split.
func FuzzLineCheck(f *testing.F) {
	for _, s := range []string{"a\r\nb\r\n", "\n", "\r", "\r\r\n", "a\nb", "a\x00", "\r\n\r\n", "abcdefgh\r\n", "a\rb"} {
		f.Add([]byte(s), uint8(1), uint8(5))
		f.Add([]byte(s), uint8(100), uint8(100))
	}
	f.Fuzz(func(t *testing.T, p []byte, piece, limit uint8) {
		k := lineCheck{limit: int(limit) + 1}
		var err error
		for part := range slices.Chunk(p, int(piece)+1) {
			if err = k.write(part); err != nil {
				break
			}
		}
		if _, bad := naiveCheck(p, k.limit); bad != (err != nil) {
			t.Fatalf("%q in pieces of %d, limit %d: %v", p, piece+1, k.limit, err)
		}
		if err == nil && k.cr != bytes.HasSuffix(p, []byte("\r")) {
			t.Fatalf("%q: CR at the end: %v", p, k.cr)
		}
		if e, ok := err.(*line.OffenceError); ok && !bytes.Contains(p, []byte{e.Char}) {
			t.Fatalf("%q: %v", p, err)
		}
	})
}
