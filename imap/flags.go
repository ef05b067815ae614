package imap

import "strings"

// FlagRecent is the session flag of RFC 3501 §2.3.2, which RFC 9051 has dropped. It cannot be stored.
const FlagRecent Flag = `\Recent`

// FlagAny says, in PERMANENTFLAGS, that keywords can be added (RFC 9051 §7.1).
const FlagAny Flag = `\*`

// MaxFlags is how many flags a list has at most.
const MaxFlags = 1000

// SystemFlags returns the flags that RFC 9051 §2.3.2 gives a meaning and that can be stored.
func SystemFlags() []Flag {
	return []Flag{FlagAnswered, FlagFlagged, FlagDeleted, FlagSeen, FlagDraft}
}

// Equal compares without regard to ASCII case.
func (f Flag) Equal(g Flag) bool { return len(f) == len(g) && strings.EqualFold(string(f), string(g)) }

// Right is the right that it takes to set and to clear the flag (RFC 4314 §4).
func (f Flag) Right() Rights {
	switch {
	case f.Equal(FlagSeen):
		return RightSeen
	case f.Equal(FlagDeleted):
		return RightDeleteMessages
	}
	return RightWrite
}

// Flag reads one flag: a keyword, a system flag, or the \* of PERMANENTFLAGS. System flags get their usual spelling.
func (d *Decoder) Flag() Flag {
	if !d.Accept('\\') {
		return Flag(d.Atom())
	}
	if d.Accept('*') {
		return FlagAny
	}
	f := Flag(`\` + d.Atom())
	for _, s := range SystemFlags() {
		if f.Equal(s) {
			return s
		}
	}
	return f
}

// FlagList reads flags in parentheses.
func (d *Decoder) FlagList() []Flag {
	flags := []Flag{}
	d.List(func() {
		if len(flags) == MaxFlags {
			d.Fail(&LimitError{What: "flags", Limit: MaxFlags})
		}
		flags = append(flags, d.Flag())
	})
	return flags
}

// AppendFlags appends flags in parentheses.
func AppendFlags(dst []byte, flags []Flag) []byte {
	dst = append(dst, '(')
	for i, f := range flags {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, f...)
	}
	return append(dst, ')')
}
