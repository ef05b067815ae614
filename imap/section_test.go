package imap

import (
	"testing"

	"github.com/mailbricks/mailbricks/smtp/message"
)

const nested = "Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\none\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nX: y\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n" +
	"--c\r\n\r\ntwo.one\r\n--c\r\nContent-Type: text/html\r\n\r\ntwo.two\r\n--c--\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: leaf\r\n\r\nleaf text\r\n" +
	"--b--\r\nepilogue\r\n"

func TestSectionExtract(t *testing.T) {
	const none = "\x00none"
	m := message.Parse([]byte(nested))
	plain := message.Parse([]byte("Subject: a\r\n b\r\nTo: c\r\n\r\nbody\r\n"))
	for _, c := range []struct {
		m             *message.Message
		section, want string
	}{
		{m, "[]", nested},
		{m, "[1]", "one"},
		{m, "[1.MIME]", "Content-Type: text/plain\r\n\r\n"},
		{m, "[1.1]", none},
		{m, "[1.TEXT]", none},
		{m, "[4]", none},
		{m, "[4294967295]", none},
		{m, "[2.1]", "two.one"},
		{m, "[2.2]", "two.two"},
		{m, "[2.2.MIME]", "Content-Type: text/html\r\n\r\n"},
		{m, "[2.HEADER.FIELDS (SUBJECT nosuch)]", "Subject: inner\r\n\r\n"},
		{m, "[2.HEADER.FIELDS.NOT (Content-Type)]", "Subject: inner\r\nX: y\r\n\r\n"},
		{m, "[3.1]", "leaf text"},
		{m, "[3.TEXT]", "leaf text"},
		{m, "[3.HEADER]", "Subject: leaf\r\n\r\n"},
		{m, "[3]", "Subject: leaf\r\n\r\nleaf text"},
		{m, "[3.1.1]", none},
		{m, "[HEADER.FIELDS (x)]", "\r\n"},
		{plain, "[]", "Subject: a\r\n b\r\nTo: c\r\n\r\nbody\r\n"},
		{plain, "[1]", "body\r\n"},
		{plain, "[TEXT]", "body\r\n"},
		{plain, "[HEADER]", "Subject: a\r\n b\r\nTo: c\r\n\r\n"},
		{plain, "[1.MIME]", "Subject: a\r\n b\r\nTo: c\r\n\r\n"},
		{plain, "[2]", none},
		{plain, "[HEADER.FIELDS (subject)]", "Subject: a\r\n b\r\n\r\n"},
	} {
		d := decode(c.section+"\r\n", DecoderOptions{})
		s := d.Section()
		b, ok := s.Extract(c.m)
		got := string(b)
		if !ok {
			got = none
		}
		if d.Err() != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", c.section, got, c.want, d.Err())
		}
	}
}

func TestSectionCut(t *testing.T) {
	for _, c := range []struct{ offset, length, size, start, n int64 }{
		{0, 10, 5, 0, 5}, {2, 2, 5, 2, 2}, {5, 1, 5, 0, 0}, {4294967295, 1, 5, 0, 0}, {1, 1<<63 - 1, 5, 1, 4}, {1<<63 - 1, 1<<63 - 1, 5, 0, 0},
	} {
		s := Section{Partial: true, Offset: c.offset, Length: c.length}
		if start, n := s.Cut(c.size); start != c.start || n != c.n {
			t.Errorf("%+v: %d, %d", c, start, n)
		}
	}
	if start, n := (&Section{}).Cut(7); start != 0 || n != 7 {
		t.Error(start, n)
	}
}
