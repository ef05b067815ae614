package smtpserver

import (
	"bytes"
	"crypto/rand"
	"strings"
	"time"
)

// maxLookAhead is how much of a header section is read ahead where Limits.HeaderSize allows more: a Date behind it goes
// unseen.
const maxLookAhead = 1 << 20

// complete adds what a message that is submitted must have and has not, Date and Message-ID (RFC 6409 §8.1, §8.2). It reads
// the header section, which the limits bound, and puts it behind them.
func (b *body) complete() {
	var head []byte
	p := make([]byte, smallBuffer)
	for !b.hops.Done() && b.err == nil && len(head) < maxLookAhead {
		n, _ := b.more(p)
		head = append(head, p[:n]...)
	}
	b.eof = false // b.more has seen the end, the Handler has not
	date, id := false, false
	for l := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(l) == 0 {
			break
		}
		name, _, _ := strings.Cut(string(l[:min(len(l), 64)]), ":")
		switch strings.ToLower(strings.TrimRight(name, " \t")) {
		case "date":
			date = true
		case "message-id":
			id = true
		}
	}
	now := time.Now()
	if !date {
		b.buf = append(now.AppendFormat(append(b.buf, "Date: "...), "Mon, 02 Jan 2006 15:04:05 -0700"), "\r\n"...)
	}
	if !id {
		b.buf = append(append(append(b.buf, "Message-ID: <"...), rand.Text()...), '@')
		b.buf = append(append(b.buf, b.s.srv.hostname...), ">\r\n"...)
	}
	b.buf = append(b.buf, head...)
}
