package smtp

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/internal/line"
)

// Limits of a reply that is read. RFC 5321 §4.5.3.1.5 has 512 octets a line, which servers overstep.
const (
	maxReplyLine  = 16 << 10
	maxReplyLines = 256
	maxReplySize  = 64 << 10
)

// maxReplyText is how many octets of text AppendReply puts on one line, so that the line keeps to 512 octets.
const maxReplyText = 480

// A ReplyError says that what came is not a reply, or more than a reply may be.
type ReplyError struct {
	Reason string
	Line   string // the line at fault, shortened; "" if it is too long
}

// Error returns the reason and the line.
func (e *ReplyError) Error() string {
	if e.Line == "" {
		return "smtp: " + e.Reason
	}
	return fmt.Sprintf("smtp: %s: %q", e.Reason, e.Line)
}

// replyLine is one line of a reply.
type replyLine struct {
	code     int
	more     bool // "-": another line follows
	enhanced EnhancedCode
	text     string
}

func parseReplyLine(l string) (replyLine, error) {
	bad := func(reason string) (replyLine, error) {
		return replyLine{}, &ReplyError{Reason: reason, Line: l[:min(len(l), 100)]}
	}
	if len(l) < 3 || l[0] < '2' || l[0] > '5' || l[1] < '0' || l[1] > '9' || l[2] < '0' || l[2] > '9' {
		return bad("not a reply code")
	}
	r := replyLine{code: int(l[0]-'0')*100 + int(l[1]-'0')*10 + int(l[2]-'0')}
	if len(l) == 3 {
		return r, nil
	}
	switch l[3] {
	case ' ':
	case '-':
		r.more = true
	default:
		return bad("no space after the reply code")
	}
	r.enhanced, r.text = cutEnhanced(int(l[0]-'0'), cleanText(l[4:]))
	return r, nil
}

// cutEnhanced takes an enhanced code off text if its class is that of the reply (RFC 2034 §4).
func cutEnhanced(class int, text string) (EnhancedCode, string) {
	word, rest, _ := strings.Cut(text, " ")
	var e EnhancedCode
	i := 0
	for part := range strings.SplitSeq(word, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || i == 3 || n < 0 || n > 999 || strconv.Itoa(n) != part {
			return EnhancedCode{}, text
		}
		e[i] = n
		i++
	}
	if i != 3 || e[0] != class {
		return EnhancedCode{}, text
	}
	return e, rest
}

// cleanText makes text safe to log and to pass on: valid UTF-8 without control characters.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// ParseReply parses one whole reply, its lines ended by CRLF. The enhanced code of the first line is that of the reply
// and is taken off every line that carries it. The error is a *ReplyError.
func ParseReply(data []byte) (Reply, error) {
	r := NewReplyReader(strings.NewReader(string(data)))
	reply, err := r.Read()
	if err != nil {
		if _, ok := err.(*ReplyError); !ok {
			err = &ReplyError{Reason: "reply without end"}
		}
		return Reply{}, err
	}
	if r.Buffered() > 0 {
		return Reply{}, &ReplyError{Reason: "text after the reply"}
	}
	return reply, nil
}

// AppendReply appends r with CRLF after each line and its enhanced code on each (RFC 2034 §4). Control characters in the
// text become spaces, non-ASCII characters "?"; long lines are split.
func AppendReply(dst []byte, r Reply) []byte {
	prefix := strconv.Itoa(r.Code) + "-"
	enhanced := ""
	if r.Enhanced != (EnhancedCode{}) {
		enhanced = r.Enhanced.String() + " "
	}
	last := len(dst)
	for _, text := range r.Lines {
		for first := true; first || text != ""; first = false {
			cut := text
			if len(text) > maxReplyText {
				if at := strings.LastIndexByte(text[:maxReplyText], ' '); at > 0 {
					cut = text[:at+1]
				} else {
					cut = text[:maxReplyText]
				}
			}
			text = text[len(cut):]
			last = len(dst)
			dst = append(append(dst, prefix...), enhanced...)
			dst = append(appendASCII(dst, cut), "\r\n"...)
		}
	}
	if len(r.Lines) == 0 {
		dst = append(append(append(dst, prefix...), enhanced...), "\r\n"...)
	}
	dst[last+3] = ' '
	return dst
}

// appendASCII appends text without control characters and without non-ASCII.
func appendASCII(dst []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r < ' ' || r == 0x7f:
			r = ' '
		case r > 0x7f:
			r = '?'
		}
		dst = append(dst, byte(r))
	}
	return dst
}

// A ReplyReader reads replies from a stream. A line holds at most 16 KiB (a SASL challenge is 12 KiB at most), a
// reply 256 lines and 64 KiB.
type ReplyReader struct {
	r *line.Reader
}

// NewReplyReader returns a ReplyReader on r. It reads ahead: see Buffered.
func NewReplyReader(r io.Reader) *ReplyReader {
	return &ReplyReader{r: line.NewReader(r, 4096)}
}

// Buffered returns how many octets were read and belong to no reply yet. A client that starts TLS with any left lets
// an attacker answer in the server's place (CVE-2011-0411 the other way round): it must give up.
func (r *ReplyReader) Buffered() int { return r.r.Buffered() }

// Read reads one reply. The error is a *ReplyError for what is none and then final, else that of the stream;
// io.EOF is a clean end.
func (r *ReplyReader) Read() (Reply, error) {
	var out Reply
	size := 0
	for n := 1; ; n++ {
		raw, err := r.r.ReadLine(maxReplyLine)
		if err != nil {
			return Reply{}, replyReadError(err, n)
		}
		if size += len(raw) + 2; n > maxReplyLines || size > maxReplySize {
			return Reply{}, &ReplyError{Reason: "reply too long"}
		}
		l, err := parseReplyLine(string(raw))
		if err != nil {
			return Reply{}, err
		}
		if n == 1 {
			out.Code, out.Enhanced = l.code, l.enhanced
		}
		if l.code != out.Code {
			return Reply{}, &ReplyError{Reason: "reply code changes within a reply", Line: string(raw[:min(len(raw), 100)])}
		}
		if l.enhanced != out.Enhanced && l.enhanced != (EnhancedCode{}) {
			l.text = l.enhanced.String() + " " + l.text
		}
		out.Lines = append(out.Lines, l.text)
		if !l.more {
			return out, nil
		}
	}
}

func replyReadError(err error, n int) error {
	switch err.(type) {
	case *line.TooLongError:
		return &ReplyError{Reason: "reply line too long"}
	case *line.OffenceError:
		return &ReplyError{Reason: "reply line does not end in CRLF"}
	}
	if err == io.EOF && n > 1 {
		return io.ErrUnexpectedEOF
	}
	return err
}
