package imap

import (
	"bytes"
	"strings"
)

// A StatusType is the word a status response begins with.
type StatusType string

// Status responses (RFC 9051 §7.1).
const (
	StatusOK      StatusType = "OK"
	StatusNo      StatusType = "NO"
	StatusBad     StatusType = "BAD"
	StatusPreauth StatusType = "PREAUTH"
	StatusBye     StatusType = "BYE"
)

// A Code is the name of a response code.
type Code string

// Response codes (RFC 9051 §7.1, RFC 7162 §3, RFC 7889 §4).
const (
	CodeAlert         Code = "ALERT"
	CodeAlreadyExists Code = "ALREADYEXISTS"
	CodeAppendUID     Code = "APPENDUID"
	CodeAuthFailed    Code = "AUTHENTICATIONFAILED"
	CodeAuthzFailed   Code = "AUTHORIZATIONFAILED"
	CodeBadCharset    Code = "BADCHARSET"
	CodeBadURL        Code = "BADURL" // RFC 4469 §4.1
	CodeCannot        Code = "CANNOT"
	CodeCapability    Code = "CAPABILITY"
	CodeClientBug     Code = "CLIENTBUG"
	CodeClosed        Code = "CLOSED"

	CodeCompressionActive Code = "COMPRESSIONACTIVE" // RFC 4978 §3
	CodeUIDRequired       Code = "UIDREQUIRED"       // RFC 9586 §3
	CodeTooFew            Code = "TOOFEW"            // RFC 10022 §3.1.3.2
	CodeTooMany           Code = "TOOMANY"           // RFC 10022 §3.1.7
	CodeCopyUID           Code = "COPYUID"
	CodeExpungeIssued     Code = "EXPUNGEISSUED"
	CodeHasChildren       Code = "HASCHILDREN"
	CodeHighestModSeq     Code = "HIGHESTMODSEQ"
	CodeInUse             Code = "INUSE"
	CodeLimit             Code = "LIMIT"
	CodeMailboxID         Code = "MAILBOXID"
	CodeMessageLimit      Code = "MESSAGELIMIT" // RFC 9738 §3.1
	CodeModified          Code = "MODIFIED"
	CodeNoModSeq          Code = "NOMODSEQ"
	CodeNonexistent       Code = "NONEXISTENT"
	CodeNoPerm            Code = "NOPERM"
	CodeBadEvent          Code = "BADEVENT" // RFC 5465 §8

	CodeInProgress Code = "INPROGRESS" // RFC 9585
	CodeMetadata   Code = "METADATA"   // RFC 5464 §4.2.1, §4.3

	CodeNotificationOverflow Code = "NOTIFICATIONOVERFLOW" // RFC 5465 §5.8

	CodeNoUpdate Code = "NOUPDATE" // RFC 5267 §4.3.1; its argument is a tag, quoted

	CodeOverQuota      Code = "OVERQUOTA"
	CodeParse          Code = "PARSE"
	CodePermanentFlags Code = "PERMANENTFLAGS"
	CodePrivacy        Code = "PRIVACYREQUIRED"
	CodeReadOnly       Code = "READ-ONLY"
	CodeReadWrite      Code = "READ-WRITE"
	CodeServerBug      Code = "SERVERBUG"
	CodeTooBig         Code = "TOOBIG"
	CodeTryCreate      Code = "TRYCREATE"
	CodeUIDNext        Code = "UIDNEXT"
	CodeUIDNotSticky   Code = "UIDNOTSTICKY"
	CodeUIDValidity    Code = "UIDVALIDITY"
	CodeUnavailable    Code = "UNAVAILABLE"
	CodeUnknownCTE     Code = "UNKNOWN-CTE"
	CodeUnseen         Code = "UNSEEN"
)

// A Status is a status response without its tag. As an error it is what a server answered, or, from a backend, what it
// is to answer.
type Status struct {
	Type StatusType
	Code Code   // "" for none
	Args string // of the code, as they are on the wire
	Text string // never empty on the wire
}

func (s *Status) Error() string { return "imap: " + string(AppendStatus(nil, s)) }

// Is reports whether target is a *Status of the same Type and Code, where it has them; so that
// errors.Is(err, &Status{Code: CodeTryCreate}) asks for a code.
func (s *Status) Is(target error) bool {
	t, ok := target.(*Status)
	return ok && (t.Type == "" || t.Type == s.Type) && (t.Code == "" || t.Code == s.Code) && t.Args == "" && t.Text == ""
}

// AppendStatus appends the response without a tag and a line end: NO [TRYCREATE] no such mailbox. Line ends and NUL
// within become spaces.
func AppendStatus(dst []byte, s *Status) []byte {
	start := len(dst)
	dst = append(dst, s.Type...)
	if s.Code != "" {
		dst = append(dst, " ["...)
		dst = append(dst, s.Code...)
		if s.Args != "" {
			dst = append(dst, ' ')
			dst = append(dst, s.Args...)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, ' ')
	if s.Text == "" {
		dst = append(dst, strings.ToLower(string(s.Type))...)
	}
	dst = append(dst, s.Text...)
	for i, c := range dst[start:] {
		if c == '\r' || c == '\n' || c == 0 {
			dst[start+i] = ' '
		}
	}
	return dst
}

// Status reads a status response behind its tag, to the end of the line. Code is in upper case.
func (d *Decoder) Status() Status {
	s := Status{Type: StatusType(d.Keyword())}
	switch s.Type {
	case StatusOK, StatusNo, StatusBad, StatusPreauth, StatusBye:
	default:
		d.Want("OK, NO, BAD, PREAUTH or BYE")
		return Status{}
	}
	if d.AtEOL() { // some servers have no text
		return s
	}
	d.SP()
	if d.Peek() == '[' {
		d.code(&s)
		if d.AtEOL() {
			return s
		}
		d.SP()
	}
	s.Text = d.Line()
	return s
}

// code reads a response code. Args may hold brackets within quoted strings.
func (d *Decoder) code(s *Status) {
	b := d.rest()
	quoted, end := false, -1
	for i := 1; i < len(b) && end < 0; i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ']' && !quoted:
			end = i
		}
	}
	if end < 0 {
		if end = bytes.IndexByte(b, ']'); end < 0 {
			d.Want("a response code")
			return
		}
	}
	name, args, _ := bytes.Cut(b[1:end], []byte{' '})
	if len(name) == 0 {
		d.Want("a response code")
		return
	}
	s.Code, s.Args = Code(upper(name)), string(args)
	d.pos += end + 1
}
