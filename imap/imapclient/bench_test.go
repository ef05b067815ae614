package imapclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// BenchmarkFetch reads the answer to one FETCH of 1000 messages from memory; ns/op is for all of them.
func BenchmarkFetch(b *testing.B) {
	const envelope = `ENVELOPE ("Wed, 25 Nov 2026 02:23:25 -0700" "a subject of some length" (("Alice A." NIL "alice" "example.com")) (("Alice A." NIL "alice" "example.com")) ` +
		`(("Alice A." NIL "alice" "example.com")) (("Bob" NIL "bob" "example.com")) NIL NIL NIL "<1234567890@example.com>")`
	const structure = `BODYSTRUCTURE (("TEXT" "PLAIN" ("charset" "utf-8") NIL NIL "QUOTED-PRINTABLE" 512 12 NIL NIL NIL NIL)("TEXT" "HTML" ("charset" "utf-8") NIL NIL "QUOTED-PRINTABLE" 2048 40 NIL NIL NIL NIL) "ALTERNATIVE" ("boundary" "xyz") NIL NIL NIL)`
	body := "BODY[] {4096}\r\n" + strings.Repeat("x", 4096)
	large := "BODY[] {1048576}\r\n" + strings.Repeat("x", 1<<20)
	for _, bm := range []struct {
		name   string
		count  int
		fields imap.Fields
		item   []imap.FetchItem
		data   string
	}{
		{"flags", 1000, imap.FieldFlags, nil, `FLAGS (\Seen \Answered)`},
		{"meta", 1000, imap.FieldEnvelope | imap.FieldStructure, nil, envelope + " " + structure},
		{"4KiB", 1000, 0, []imap.FetchItem{Body("")}, body},
		{"1MiB", 10, 0, []imap.FetchItem{Body("")}, large},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var answer bytes.Buffer
			answer.WriteString("* OK [CAPABILITY IMAP4rev1] hi\r\n")
			for i := range bm.count {
				fmt.Fprintf(&answer, "* %d FETCH (UID %d %s)\r\n", i+1, i+1, bm.data)
			}
			answer.WriteString("a2 OK done\r\n")
			b.SetBytes(int64(answer.Len()))
			b.ReportAllocs()
			ctx := context.Background()
			for b.Loop() {
				c, err := New(ctx, &tape{in: bytes.NewReader(answer.Bytes())}, plain)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for m, err := range c.Fetch(ctx, imap.AllUIDs(), bm.fields, bm.item...) {
					if err != nil {
						b.Fatal(err)
					}
					if p := m.Body(); p != nil {
						if _, err := io.Copy(io.Discard, p); err != nil {
							b.Fatal(err)
						}
					}
					n++
				}
				if n != bm.count {
					b.Fatal(n)
				}
			}
		})
	}
}
