package policy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/internal/spool"
	"github.com/mailbricks/mailbricks/smtp"
)

// Limits say how much of a message is kept, and where. The zero value has the defaults.
type Limits struct {
	// Message and Header are the most octets of a message and of its header section; 0: 100 MiB and 1 MiB. More is
	// refused with 552 5.3.4.
	Message, Header int64
	// Memory is how many octets of a message stay in memory, beside its header; 0: 256 KiB. The rest goes to a temporary
	// file in Dir; "" is the system's folder for such files.
	Memory int
	Dir    string
}

// A message is one that has been read to its end: its header section, and the rest in a spool.
type message struct {
	header []byte // with its empty line, if it has one
	rest   *spool.Buffer
}

// readMessage reads r to its end. begin is called when the header section is there, and what it returns is given the
// rest as it comes. Errors are r's own, an *smtp.Error, or begin's.
func readMessage(r io.Reader, l Limits, begin func(section []byte) (io.Writer, error)) (*message, error) {
	if l.Message == 0 {
		l.Message = spool.DefaultMax
	}
	if l.Header == 0 {
		l.Header = header.MaxHeader
	}
	br := bufio.NewReaderSize(r, 32<<10)
	section, err := header.Read(br, int(min(l.Header, l.Message)))
	if errors.Is(err, header.ErrTooLong) {
		return nil, refuse(552, smtp.EnhancedCode{5, 3, 4}, "Header section too long", err)
	}
	if err != nil {
		return nil, err
	}
	w, err := begin(section)
	if err != nil {
		return nil, err
	}
	room := max(1, l.Message-int64(len(section))) // a spool takes 0 for its default
	m := &message{header: section, rest: spool.New(spool.Options{Memory: l.Memory, Max: room, Dir: l.Dir})}
	for {
		_, err := br.Peek(1)
		if err == io.EOF {
			return m, nil
		}
		p, _ := br.Peek(br.Buffered())
		if err == nil {
			_, err = m.rest.Write(p)
			if _, ok := errors.AsType[*spool.TooLargeError](err); ok {
				err = refuse(552, smtp.EnhancedCode{5, 3, 4}, "Message too big", err)
			} else if err != nil {
				err = refuse(452, smtp.EnhancedCode{4, 3, 1}, "Insufficient system storage", err)
			}
		}
		if err == nil {
			_, err = w.Write(p)
		}
		if err != nil {
			_ = m.Close()
			return nil, err
		}
		_, _ = br.Discard(len(p)) // it is buffered
	}
}

// reader returns the message with another header section, below what is put on top.
func (m *message) reader(top, section []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(top), bytes.NewReader(section), m.rest.Reader())
}

// Close frees the spool.
func (m *message) Close() error { return m.rest.Close() }

// refuse returns a refusal with its cause.
func refuse(code int, enhanced smtp.EnhancedCode, text string, cause error) *smtp.Error {
	e := smtp.NewError(code, enhanced, text)
	e.Err = cause
	return e
}

// fieldValues returns the values of all fields of a name.
func fieldValues(section []byte, name string) []string {
	var out []string
	for f := range header.Fields(section) {
		if f.Is(name) {
			out = append(out, string(f.Value))
		}
	}
	return out
}

// automatic reports whether a header section says that nobody wrote the message (RFC 3834 §5).
func automatic(section []byte) bool {
	return slices.ContainsFunc(fieldValues(section, "Auto-Submitted"), func(v string) bool {
		word, _, _ := strings.Cut(header.TrimSpace(v), ";")
		return !strings.EqualFold(header.TrimSpace(word), "no")
	})
}

// grown returns the parameters of MAIL for a message that gets fields of at most so many octets on its way: SIZE is a
// promise (RFC 1870 §6.1).
func grown(p smtp.MailParams, octets int64) smtp.MailParams {
	if p.Size > 0 {
		p.Size += octets
	}
	return p
}
