package mailstore

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"strings"
	"unicode"
)

// maxRefs bounds the message-ids of one message that join it to a thread: the first, which began it, and the last.
const maxRefs = 50

// threadRefs returns what two messages of one thread have in common: a message-id together with the subject, without
// prefixes and white space (RFC 8621 §3). A mail that answers an old one about something else begins a thread.
func threadRefs(ids []string, subject string) []int64 {
	if len(ids) > maxRefs {
		ids = append(ids[:1:1], ids[len(ids)-maxRefs+1:]...)
	}
	base := baseSubject(subject)
	refs := make([]int64, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		h := sha256.New()
		io.WriteString(h, id+"\x00"+base)
		refs = append(refs, int64(binary.BigEndian.Uint64(h.Sum(nil))))
	}
	return refs
}

// baseSubject removes what replying and forwarding add (RFC 5256 §2.1, and what mailers of other languages add), case
// and white space.
func baseSubject(s string) string {
	for {
		t := strings.TrimSpace(s)
		low := strings.ToLower(t)
		if strings.HasSuffix(low, "(fwd)") {
			t = t[:len(t)-len("(fwd)")]
		} else if strings.HasPrefix(low, "[fwd:") && strings.HasSuffix(low, "]") {
			t = t[len("[fwd:") : len(t)-1]
		} else {
			t = trimLeader(t)
		}
		if t == s {
			break
		}
		s = t
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// trimLeader removes one "Re:", "Re[2]:", "[list] Re:" or "[list]" in front, unless nothing but a blob would be left.
func trimLeader(s string) string {
	blob, rest := "", s
	if i := strings.IndexByte(s, ']'); strings.HasPrefix(s, "[") && i > 0 {
		blob, rest = s[:i+1], strings.TrimSpace(s[i+1:])
	}
	for _, p := range []string{"re", "fwd", "fw", "aw", "wg", "sv", "vs", "tr", "antw"} {
		if len(rest) <= len(p) || !strings.EqualFold(rest[:len(p)], p) {
			continue
		}
		after := strings.TrimSpace(rest[len(p):])
		if i := strings.IndexByte(after, ']'); strings.HasPrefix(after, "[") && i > 0 {
			after = strings.TrimSpace(after[i+1:])
		}
		if after, ok := strings.CutPrefix(after, ":"); ok {
			return after
		}
	}
	if blob != "" && rest != "" {
		return rest
	}
	return s
}
