package letter

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzPrepare: what is made ready can be carried by SMTP, stays what it is when it is made ready again, and is known
// again below trace fields.
func FuzzPrepare(f *testing.F) {
	f.Add([]byte("From: Ann <ann@example.com>\nSubject: =?utf-8?q?=C3=84?=\n\nx"))
	f.Add([]byte("Return-Path: <a@b>\r\nFrom: a@b.test,\r\n c@d.test\r\nreturn-path:\r\n x\r\n\r\n.\r\n"))
	f.Add([]byte(" folded\n\n\r\n\xff\x00\r"))
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := Prepare(file)
		if bad := bytes.Contains(file, []byte{0}) || bytes.Contains(bytes.ReplaceAll(file, []byte("\r\n"), nil), []byte("\r")); bad != (err != nil) {
			t.Fatalf("%q: %v", file, err)
		}
		if err != nil {
			return
		}
		plain := bytes.ReplaceAll(m.Bytes, []byte("\r\n"), nil)
		if bytes.ContainsAny(plain, "\r\n\x00") || !bytes.HasSuffix(m.Bytes, []byte("\r\n")) {
			t.Fatalf("%q became %q", file, m.Bytes)
		}
		again, err := Prepare(m.Bytes)
		if err != nil || !bytes.Equal(again.Bytes, m.Bytes) {
			t.Fatalf("%q became %q, %v", m.Bytes, again.Bytes, err)
		}
		const trace = "Return-Path: <a@b>\r\nReceived: x\r\n"
		for _, b := range [][]byte{m.Bytes, m.Delivered} {
			if err := m.Compare(append([]byte(trace), b...)); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
		}
		if strings.ContainsAny(m.Domain, "\r\n \x00") || m.Vouchable() && m.Err != nil {
			t.Fatalf("author domain %q, %v", m.Domain, m.Err)
		}
	})
}
