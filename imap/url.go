package imap

import (
	"bufio"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// A MessageURL is an IMAP URL without its server: it names a message of the account, or a piece of one (RFC 5092 §5, §7).
//
//	/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME/;PARTIAL=0.1024
type MessageURL struct {
	Mailbox     string // "": the mailbox that is selected
	UIDValidity uint32 // 0: whatever it is
	UID         UID
	Section     Section // the zero value: the whole message
}

// maxURL is how long a URL is at most, in octets.
const maxURL = 4000

// ParseMessageURL parses a URL. One of another server, or of anything but a message, is a *SyntaxError as well.
func ParseMessageURL(s string) (MessageURL, error) {
	var u MessageURL
	bad := func(want string) (MessageURL, error) { return MessageURL{}, &SyntaxError{Want: want} }
	if len(s) > maxURL || strings.Contains(s, "//") {
		return bad("a URL of this server")
	}
	path, params, ok := cutFold(strings.TrimPrefix(s, "/"), ";UID=")
	if !ok {
		return bad("the UID of a message")
	}
	if path = strings.TrimSuffix(path, "/"); path != "" {
		box, validity, has := cutFold(path, ";UIDVALIDITY=")
		if has {
			n, err := strconv.ParseUint(validity, 10, 32)
			if err != nil || n == 0 {
				return bad("a UIDVALIDITY")
			}
			u.UIDValidity = uint32(n)
		}
		name, err := url.PathUnescape(box)
		if err != nil || name == "" || strings.ContainsRune(box, ';') {
			return bad("the name of a mailbox")
		}
		u.Mailbox = name
	}
	params, partial, isPartial := cutFold(params, "/;PARTIAL=")
	uid, section, isSection := cutFold(params, "/;SECTION=")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil || n == 0 {
		return bad("the UID of a message")
	}
	u.UID = UID(n)
	if isSection {
		text, err := url.PathUnescape(section)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return bad("a section")
		}
		d := NewDecoder(bufio.NewReader(strings.NewReader("["+text+"]\r\n")), DecoderOptions{})
		if err := d.Next(); err != nil {
			return bad("a section")
		}
		u.Section = d.Section()
		if d.EOL(); d.Err() != nil {
			return bad("a section")
		}
	}
	if isPartial {
		offset, length, some := strings.Cut(partial, ".")
		at, err := strconv.ParseInt(offset, 10, 64)
		u.Section.Partial, u.Section.Offset, u.Section.Length = true, at, math.MaxInt64
		if some && err == nil {
			u.Section.Length, err = strconv.ParseInt(length, 10, 64)
		}
		if err != nil || at < 0 || u.Section.Length <= 0 {
			return bad("a range of octets")
		}
	}
	return u, nil
}

// cutFold is strings.Cut where case does not matter.
func cutFold(s, sep string) (before, after string, found bool) {
	if i := strings.Index(strings.ToUpper(s), sep); i >= 0 && len(strings.ToUpper(s)) == len(s) {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// AppendMessageURL appends the URL.
func AppendMessageURL(dst []byte, u *MessageURL) []byte {
	if u.Mailbox != "" {
		dst = append(dst, '/')
		for i, level := range strings.Split(u.Mailbox, "/") {
			if i > 0 {
				dst = append(dst, '/')
			}
			dst = append(dst, escapeURL(level)...)
		}
		if u.UIDValidity != 0 {
			dst = strconv.AppendUint(append(dst, ";UIDVALIDITY="...), uint64(u.UIDValidity), 10)
		}
	}
	dst = strconv.AppendUint(append(dst, "/;UID="...), uint64(u.UID), 10)
	s := u.Section
	s.Partial = false
	if b := AppendSection(nil, &s); len(b) > 2 {
		dst = append(append(dst, "/;SECTION="...), escapeURL(string(b[1:len(b)-1]))...)
	}
	if s = u.Section; s.Partial {
		dst = strconv.AppendInt(append(dst, "/;PARTIAL="...), s.Offset, 10)
		if s.Length != math.MaxInt64 {
			dst = strconv.AppendInt(append(dst, '.'), s.Length, 10)
		}
	}
	return dst
}

// escapeURL leaves what stands for itself in a path, and no ";".
func escapeURL(s string) string { return strings.ReplaceAll(url.PathEscape(s), ";", "%3B") }
