package dsn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"github.com/mailbricks/mailbricks/smtp"
)

// Limits of Parse.
const (
	MaxHeader     = 64 << 10 // bytes of the header of the message or of a part
	MaxStatus     = 4 << 20  // bytes of the machine-readable part
	MaxRecipients = 10000    // recipients reported
	MaxReturned   = 1 << 20  // bytes of text, and of returned message, that are kept
	MaxMessage    = 64 << 20 // bytes of the whole message; what comes after is not read
	maxParts      = 20
)

// ErrNotReport says that a message is well formed and no notification of the kind that was looked for.
var ErrNotReport = errors.New("dsn: not a delivery status or disposition notification")

// A ParseError says where a notification breaks its grammar or a limit.
type ParseError struct {
	// Line is the line within the machine-readable part, counted from 1; 0 elsewhere.
	Line int
	// Field is the name of the field, "" where there is none.
	Field string
	Err   error
}

// Error names the place and the cause.
func (e *ParseError) Error() string {
	s := "dsn: "
	if e.Line > 0 {
		s += "line " + strconv.Itoa(e.Line) + ": "
	}
	if e.Field != "" {
		s += e.Field + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse reads a message and returns the delivery status notification in it. The error is ErrNotReport, a *ParseError, or
// that of r. Unknown fields and parts are skipped. Text and Original are cut at MaxReturned bytes.
func Parse(r io.Reader) (*Report, error) {
	var report *Report
	around, err := parseReport(r, "delivery-status", func(body io.Reader) (err error) {
		report, err = parseStatus(body)
		return err
	})
	if err != nil {
		return nil, err
	}
	report.Text, report.Original, report.Full = around.text, around.original, around.full
	return report, nil
}

// A returned is what stands around the machine-readable part of a multipart/report (RFC 6522).
type returned struct {
	text     string
	original []byte
	full     bool
}

// parseReport reads a multipart/report of that type and gives the body of its first machine-readable part to status.
func parseReport(r io.Reader, reportType string, status func(io.Reader) error) (*returned, error) {
	e, err := message.ReadWithOptions(io.LimitReader(r, MaxMessage), &message.ReadOptions{MaxHeaderBytes: MaxHeader})
	if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return nil, &ParseError{Err: err}
	}
	kind, params, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		return nil, ErrNotReport
	}
	// RFC 6522 §3 demands report-type; old senders leave it out, and the part tells as well.
	if t, ok := params["report-type"]; ok && !strings.EqualFold(t, reportType) {
		return nil, ErrNotReport
	}
	mr := e.MultipartReader()
	found := false
	out := &returned{}
	for n := 0; ; n++ {
		part, err := mr.NextPart()
		if err == io.EOF {
			break
		}
		if n == maxParts {
			return nil, &ParseError{Err: fmt.Errorf("more than %d parts", maxParts)}
		}
		if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
			if found {
				break // the closing boundary is missing: what was there is told
			}
			return nil, &ParseError{Err: err}
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			kind = "text/plain"
		}
		switch kind {
		case "message/" + reportType, "message/global-" + reportType:
			if !found {
				if err := status(part.Body); err != nil {
					return nil, err
				}
				found = true
			}
		case "text/plain":
			if n == 0 {
				b, _ := io.ReadAll(io.LimitReader(part.Body, MaxReturned))
				out.text = strings.ReplaceAll(string(b), "\r\n", "\n")
			}
		case "text/rfc822-headers", "message/global-headers", "message/rfc822", "message/global":
			if out.original == nil {
				out.original, _ = io.ReadAll(io.LimitReader(part.Body, MaxReturned))
				out.full = kind == "message/rfc822" || kind == "message/global"
			}
		}
	}
	if !found {
		return nil, ErrNotReport
	}
	return out, nil
}

// parseStatus parses the body of message/delivery-status.
func parseStatus(r io.Reader) (*Report, error) {
	p := newStatusParser(r)
	report := &Report{}
	err := p.block(report.set)
	if err == nil && p.fields == 0 && !p.eof {
		err = p.block(report.set) // an empty line too many before the first block
	}
	for err == nil && !p.eof {
		var rc Recipient
		if err = p.block(rc.set); err != nil || p.fields == 0 {
			continue
		}
		if len(report.Recipients) == MaxRecipients {
			return nil, p.fail("", fmt.Errorf("more than %d recipients", MaxRecipients))
		}
		if rc.Final.Address == "" || rc.Action == "" {
			return nil, p.fail("", errors.New("recipient without Final-Recipient or Action"))
		}
		report.Recipients = append(report.Recipients, rc)
	}
	if err != nil {
		return nil, err
	}
	if len(report.Recipients) == 0 {
		return nil, p.fail("", errors.New("no recipient"))
	}
	return report, nil
}

type statusParser struct {
	r      *bufio.Reader
	line   int // read last
	start  int // where the field in hand began
	size   int
	fields int // of the block just read
	eof    bool
}

func newStatusParser(r io.Reader) *statusParser {
	return &statusParser{r: bufio.NewReader(io.LimitReader(r, MaxStatus+1))}
}

func (p *statusParser) fail(field string, err error) error {
	line := p.line
	if field != "" {
		line = p.start
	}
	return &ParseError{Line: line, Field: field, Err: err}
}

// block reads fields up to an empty line or the end and gives each, unfolded, to set.
func (p *statusParser) block(set func(name, value string) error) error {
	p.fields = 0
	var name, value string
	flush := func() error {
		if name == "" {
			return nil
		}
		p.fields++
		err := set(name, strings.TrimSpace(value))
		if err != nil {
			err = p.fail(name, err)
		}
		name, value = "", ""
		return err
	}
	for {
		s, err := p.r.ReadString('\n')
		p.size += len(s)
		if err != nil && err != io.EOF {
			return p.fail("", err)
		}
		if p.size > MaxStatus {
			return p.fail("", fmt.Errorf("more than %d bytes", MaxStatus))
		}
		p.eof = err == io.EOF
		if s != "" {
			p.line++
		}
		s = strings.TrimRight(s, "\r\n")
		switch {
		case strings.TrimSpace(s) == "":
			if err := flush(); err != nil || !p.eof || s == "" {
				return err
			}
		case s[0] == ' ' || s[0] == '\t':
			if name == "" {
				return p.fail("", errors.New("folded line without a field"))
			}
			value += " " + strings.TrimSpace(s)
		default:
			if err := flush(); err != nil {
				return err
			}
			n, v, ok := strings.Cut(s, ":")
			if n = strings.TrimSpace(n); !ok || n == "" || strings.ContainsAny(n, " \t") {
				return p.fail("", errors.New("line is no field"))
			}
			name, value, p.start = n, v, p.line
		}
		if p.eof {
			return flush()
		}
	}
}

func (r *Report) set(name, value string) error {
	switch strings.ToLower(name) {
	case "original-envelope-id":
		r.EnvelopeID = value
	case "reporting-mta":
		r.ReportingMTA = parseMTA(value)
	case "received-from-mta":
		r.ReceivedFrom = parseMTA(value)
	case "arrival-date":
		r.Arrival = parseDate(value)
	case "deliver-by-date":
		r.DeliverBy = parseDate(value)
	case "future-release-request":
		r.FutureRelease = value
	}
	return nil
}

func (r *Recipient) set(name, value string) error {
	ok := true
	switch strings.ToLower(name) {
	case "original-recipient":
		r.Original, _ = parseAddress(value)
	case "final-recipient":
		r.Final, ok = parseAddress(value)
	case "action":
		word, _, _ := strings.Cut(value, " ")
		r.Action = Action(strings.ToLower(word))
		ok = slices.Contains([]Action{Failed, Delayed, Delivered, Relayed, Expanded}, r.Action)
	case "status":
		word, _, _ := strings.Cut(value, " ") // a comment may follow
		r.Status, ok = parseEnhanced(word)
	case "remote-mta":
		r.RemoteMTA = parseMTA(value)
	case "diagnostic-code":
		r.Diagnostic = parseDiagnostic(value)
	case "last-attempt-date":
		r.LastAttempt = parseDate(value)
	case "will-retry-until":
		r.RetryUntil = parseDate(value)
	}
	if !ok {
		return fmt.Errorf("malformed value %.100q", value)
	}
	return nil
}

func parseMTA(value string) string {
	kind, name, ok := strings.Cut(value, ";")
	if ok && strings.EqualFold(strings.TrimSpace(kind), "dns") {
		return strings.TrimSpace(name)
	}
	return value
}

// parseDate returns the zero time for what is no date: the field is informative.
func parseDate(value string) time.Time {
	t, _ := mail.ParseDate(value)
	return t
}

func parseEnhanced(s string) (smtp.EnhancedCode, bool) {
	var e smtp.EnhancedCode
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" {
		return e, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n > 999 {
			return smtp.EnhancedCode{}, false
		}
		e[i] = int(n)
	}
	return e, true
}

// parseDiagnostic parses "smtp; 550 5.1.1 text", or keeps the whole value.
func parseDiagnostic(value string) smtp.Reply {
	kind, rest, ok := strings.Cut(value, ";")
	if !ok || !strings.EqualFold(strings.TrimSpace(kind), "smtp") {
		return smtp.Reply{Lines: []string{value}}
	}
	rest = strings.TrimSpace(rest)
	word, text, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(word)
	if err != nil || code < 200 || code > 599 {
		return smtp.Reply{Lines: []string{value}}
	}
	out := smtp.Reply{Code: code}
	text = strings.TrimSpace(text)
	word, after, _ := strings.Cut(text, " ")
	if e, ok := parseEnhanced(word); ok && e[0] == code/100 {
		out.Enhanced, text = e, strings.TrimSpace(after)
	}
	if text != "" {
		out.Lines = []string{text}
	}
	return out
}
