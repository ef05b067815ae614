package smtpserver

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/internal/line"
	"github.com/mailbricks/mailbricks/smtp"
)

// errReset says that the client gave up a message between two chunks.
var errReset = &smtp.Error{Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 5, 0}, "Message given up by the client")}

// bdat does BDAT (RFC 3030 §2). The Handler's Data runs until the last chunk; commands between chunks are done within its
// Read.
func (s *session) bdat(args string) {
	size, last, ok := parseChunk(args)
	if !ok { // how long the chunk is, nobody knows
		s.fault("501 5.5.4 Syntax: BDAT size [LAST]\r\n")
		s.closing, s.talking = true, true
		return
	}
	if !s.offers("CHUNKING") || s.tx == nil || s.tx.accepted == 0 {
		switch {
		case !s.discard(size):
		case !s.offers("CHUNKING"):
			s.fault("503 5.5.1 BDAT is not offered\r\n")
		default:
			s.ready()
		}
		return
	}
	c := &chunks{s: s, left: size, size: size, last: last, binary: s.tx.params.Body == smtp.BodyBinaryMIME}
	c.check.limit = s.srv.limits.BodyLine
	b := &s.body
	b.prepare(s)
	b.chunks = c
	b.data()
	res, err := s.tx.Data(s.ctx, b)
	switch {
	case b.lost == nil && c.pending.Verb == "" && c.left > 0 && !s.discard(c.left):
		s.finish()
		return
	case b.lost != nil:
		s.finish()
		if !c.told {
			s.lost(b.lost)
		}
		return
	case c.pending.Verb != "":
		s.finish()
		s.do(c.pending)
		return
	}
	s.conclude(res, b.verdict(s, err), s.srv.Mode == LMTP && c.last)
}

// parseChunk parses the arguments of BDAT.
func parseChunk(args string) (size int64, last, ok bool) {
	number, rest, _ := strings.Cut(args, " ")
	rest = strings.TrimLeft(rest, " ")
	if number == "" || len(number) > 18 || rest != "" && !strings.EqualFold(rest, "LAST") {
		return 0, false, false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return 0, false, false
		}
	}
	size, err := strconv.ParseInt(number, 10, 64)
	return size, rest != "", err == nil
}

// discard reads a chunk that is refused, so that nothing in it is taken for a command. If it is false the session ends.
func (s *session) discard(size int64) bool {
	if size > s.srv.limits.drain() {
		s.bye("552 5.3.4 Chunk too large\r\n")
		s.talking = true
		return false
	}
	s.w.begin(s.srv.timeouts.Data, s.srv.timeouts.MinRate, false)
	_, err := io.CopyN(io.Discard, s.r, size)
	if err != nil {
		s.lost(err)
	}
	return err == nil
}

// chunks are the octets of all chunks of a message.
type chunks struct {
	s       *session
	left    int64 // of this chunk
	size    int64 // of this chunk
	last    bool
	binary  bool
	check   lineCheck
	pending smtp.Command // what came in place of a chunk
	told    bool         // the session ends, and the peer knows why
}

// Read implements io.Reader. The errors are io.EOF after the last chunk, errReset, *line.OffenceError,
// *line.TooLongError, and those of the connection.
func (c *chunks) Read(p []byte) (int, error) {
	b, err := c.octets(len(p))
	return copy(p, b), err
}

// WriteTo implements io.WriterTo without copying.
func (c *chunks) WriteTo(w io.Writer) (n int64, err error) {
	for {
		b, err := c.octets(bigBuffer)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		k, err := w.Write(b)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
}

// octets returns the next octets, at least one and at most limit, valid until the next call.
func (c *chunks) octets(limit int) ([]byte, error) {
	for c.left == 0 {
		if c.last {
			if !c.binary && c.check.cr {
				return nil, &line.OffenceError{Char: '\r'}
			}
			return nil, io.EOF
		}
		c.s.w.say("250 2.0.0 " + strconv.FormatInt(c.size, 10) + " octets received\r\n")
		if err := c.next(); err != nil {
			return nil, err
		}
	}
	b, err := c.s.r.Next(int(min(int64(limit), c.left)))
	c.left -= int64(len(b))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && !c.binary {
		err = c.check.write(b)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// next does the commands up to the next chunk.
func (c *chunks) next() error {
	s := c.s
	for !s.closing {
		cmd, ok := s.command()
		if !ok {
			continue
		}
		switch cmd.Verb {
		case "BDAT":
			size, last, ok := parseChunk(cmd.Args)
			if !ok {
				s.fault("501 5.5.4 Syntax: BDAT size [LAST]\r\n")
				s.closing, s.talking = true, true
				break
			}
			c.left, c.size, c.last = size, size, last
			s.grow()
			s.body.data()
			return nil
		case "NOOP", "HELP", "VRFY":
			s.do(cmd)
		case "MAIL", "RCPT", "DATA", "AUTH", "STARTTLS": // RFC 3030 §2
			s.fault("503 5.5.1 Within the chunks of a message\r\n")
		case "RSET", "QUIT", "EHLO", "HELO", "LHLO":
			c.pending = cmd
			return errReset
		default:
			s.fault("500 5.5.2 Command not recognized\r\n")
		}
	}
	c.told = true
	return errors.New("smtpserver: the session ended within a message")
}

// A lineCheck looks for bare CR, bare LF, NUL and long lines in what comes by chunks.
type lineCheck struct {
	limit, len int
	cr         bool // the last octet was a CR
}

func (k *lineCheck) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if bytes.IndexByte(p, 0) >= 0 {
		return &line.OffenceError{Char: 0}
	}
	if k.cr && p[0] != '\n' {
		return &line.OffenceError{Char: '\r'}
	}
	pairs := 0 // CRLF whose CR is in p
	for n := 0; n < len(p); {
		i := bytes.IndexByte(p[n:], '\n')
		if i < 0 {
			if k.len += len(p) - n; k.limit > 0 && k.len > k.limit {
				return &line.TooLongError{Limit: k.limit}
			}
			break
		}
		end := n + i
		switch {
		case end > 0 && p[end-1] == '\r':
			pairs++
		case end > 0 || !k.cr:
			return &line.OffenceError{Char: '\n'}
		}
		if k.limit > 0 && k.len+i+1 > k.limit {
			return &line.TooLongError{Limit: k.limit}
		}
		n, k.len = end+1, 0
	}
	// Every LF follows a CR; if there are no more CR than that, every CR precedes an LF too.
	if k.cr = p[len(p)-1] == '\r'; k.cr {
		pairs++
	}
	if bytes.Count(p, []byte{'\r'}) != pairs {
		return &line.OffenceError{Char: '\r'}
	}
	return nil
}
