package mailrelay

import (
	"bufio"
	"bytes"
	"io"

	"github.com/mailbricks/mailbricks/smtp"
)

// maxSniff is how much of a header is looked at.
const maxSniff = 64 << 10

// A sniffer counts the bytes of a message that is read through it, and keeps its header.
type sniffer struct {
	r    io.Reader
	n    int64
	head []byte
	over bool // the header is whole
}

func (s *sniffer) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if !s.over {
		seen := max(0, len(s.head)-3)
		s.head = append(s.head, p[:n]...)
		if i := bytes.Index(s.head[seen:], []byte("\r\n\r\n")); i >= 0 {
			s.head, s.over = s.head[:seen+i+2], true
		} else if len(s.head) > maxSniff {
			s.head, s.over = s.head[:maxSniff], true
		}
	}
	return n, err
}

// messageID returns the value of the first Message-ID field, as it stands, unfolded.
func (s *sniffer) messageID() string {
	const name = "message-id"
	for rest := s.head; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
			continue
		}
		value, ok := bytes.CutPrefix(bytes.TrimLeft(line[len(name):], " \t"), []byte(":"))
		if !ok {
			continue
		}
		value = bytes.Clone(value)
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
			value = append(value, line...)
		}
		return string(bytes.TrimSpace(value))
	}
	return ""
}

// maxHeader is the longest header section of a message from a user.
const maxHeader = 1 << 20

// readHeader reads the header section of a message, with its empty line if it has one. rest is what follows.
func readHeader(body io.Reader) (section []byte, rest io.Reader, err error) {
	r := bufio.NewReaderSize(body, 32<<10)
	begin := true // of a line
	for {
		line, err := r.ReadSlice('\n')
		if section = append(section, line...); len(section) > maxHeader {
			return nil, nil, smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Header section too long")
		}
		switch {
		case err == io.EOF, begin && err == nil && len(bytes.TrimRight(line, "\r\n")) == 0:
			return section, r, nil
		case err != nil && err != bufio.ErrBufferFull:
			return nil, nil, err
		}
		begin = err == nil
	}
}

// without returns a header section without the fields of a name.
func without(section []byte, name string) []byte {
	out := make([]byte, 0, len(section))
	skip := false
	for line := range bytes.Lines(section) {
		if line[0] != ' ' && line[0] != '\t' {
			field, _, ok := bytes.Cut(line, []byte(":"))
			skip = ok && bytes.EqualFold(bytes.TrimRight(field, " \t"), []byte(name))
		}
		if !skip {
			out = append(out, line...)
		}
	}
	return out
}
