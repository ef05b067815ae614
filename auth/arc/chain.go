package arc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/header"
)

// Names of the fields of a set.
const (
	ResultsName = "ARC-Authentication-Results"
	MessageName = "ARC-Message-Signature"
	SealName    = "ARC-Seal"
)

// MaxSets is how many sets a message has at most (RFC 8617 §4.2.1).
const MaxSets = 50

// Why a chain does not hold. They are found with errors.Is in Result.Err, beside those of package dkim that say what is
// wrong with a signature, its key or the body.
var (
	ErrStructure = errors.New("arc: sets of the chain are not complete or not in order")
	ErrMarked    = errors.New("arc: chain did not hold on its way here (cv=fail)")
	ErrMessage   = errors.New("arc: message signature")
	ErrSeal      = errors.New("arc: seal")
	ErrKeys      = errors.New("arc: more keys than are looked up")
)

// An Error says at which set a chain breaks.
type Error struct {
	Instance int // i=; 0: of no set
	Err      error
}

// Error names the place and the cause.
func (e *Error) Error() string {
	if e.Instance == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (i=%d)", e.Err, e.Instance)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A Set is what one host added (RFC 8617 §4.2).
type Set struct {
	Results string         // what follows i= in ARC-Authentication-Results: the payload, folding kept
	Message dkim.Signature // ARC-Message-Signature
	Seal    dkim.Signature // ARC-Seal
	CV      Value          // what the host found of the chain before it

	raw     [3][]byte // the fields as they stand: results, message, seal
	err     error     // of the message signature, which counts in the newest set only
	sealErr error
}

// Fields of a set in the order in which seals cover them (RFC 8617 §5.1.1).
const (
	results = iota
	message
	seal
)

// A chain is the ARC fields of a message.
type chain struct {
	sets    []Set // by instance, from 1 up
	highest int   // instance that any field names
	fields  int
	err     error // of the structure
}

// collect reads the chain of a header section (RFC 8617 §5.2 step 1).
func collect(section []byte) *chain {
	c := &chain{}
	for f := range header.Fields(section) {
		kind := -1
		switch {
		case f.Is(ResultsName):
			kind = results
		case f.Is(MessageName):
			kind = message
		case f.Is(SealName):
			kind = seal
		default:
			continue
		}
		if c.fields++; c.fields > 3*MaxSets { // more are not even read
			c.broken(0, fmt.Sprintf("more than %d fields", 3*MaxSets))
			break
		}
		c.add(kind, f)
	}
	for i, s := range c.sets {
		if s.raw[results] == nil || s.raw[message] == nil || s.raw[seal] == nil {
			c.broken(i+1, "a field is missing")
		}
	}
	for i, s := range c.sets {
		want := Pass
		if i == 0 {
			want = None
		}
		if s.sealErr != nil {
			c.broken(i+1, s.sealErr.Error())
		} else if s.CV != want {
			c.broken(i+1, fmt.Sprintf("cv=%.20q", string(s.CV)))
		}
	}
	return c
}

// sealed reports whether a header section has a field of ARC.
func sealed(section []byte) bool {
	for f := range header.Fields(section) {
		if f.Is(SealName) || f.Is(MessageName) || f.Is(ResultsName) {
			return true
		}
	}
	return false
}

func (c *chain) broken(i int, what string) {
	if c.err == nil {
		c.err = &Error{i, fmt.Errorf("%w: %s", ErrStructure, what)}
	}
}

// add takes one field.
func (c *chain) add(kind int, f header.Field) {
	value := string(f.Value)
	var text string
	var tags header.Tags
	if kind == results {
		first, rest, ok := strings.Cut(value, ";")
		name, position, eq := strings.Cut(first, "=")
		if ok && eq && uncommented(name) == "i" {
			text, value = uncommented(position), rest
		}
	} else {
		var err error
		if tags, err = header.ParseTags(value); err == nil && emptyTag(value) {
			err = header.ErrTags
		}
		if err != nil {
			c.broken(0, fmt.Sprintf("%s: %v", f.Name, err))
			return
		}
		text, _ = tags.Get("i")
	}
	i := instance(text)
	if i == 0 {
		c.broken(0, fmt.Sprintf("%s has i=%.10q", f.Name, text))
		return
	}
	c.highest = max(c.highest, i)
	for len(c.sets) < i {
		c.sets = append(c.sets, Set{})
	}
	s := &c.sets[i-1]
	if s.raw[kind] != nil {
		c.broken(i, fmt.Sprintf("two %s", f.Name))
		return
	}
	s.raw[kind] = f.Raw
	switch kind {
	case results:
		s.Results = strings.TrimSpace(value)
	case message:
		s.Message, s.err = dkim.ParseMessageSignature(value)
	case seal:
		s.Seal, s.sealErr = dkim.ParseSeal(value)
		cv, _ := tags.Get("cv")
		s.CV = Value(cv)
	}
}

// emptyTag reports whether a tag list has two semicolons in a row (RFC 6376 §3.2); one may end it.
func emptyTag(list string) bool {
	list = strings.TrimSuffix(header.TrimSpace(list), ";")
	for tag := range strings.SplitSeq(list, ";") {
		if header.TrimSpace(tag) == "" {
			return true
		}
	}
	return false
}

// instance parses a position: 1 to 50 (RFC 8617 §3.9), 0 where it is none.
func instance(s string) int {
	if len(s) == 0 || len(s) > 2 || s[0] == '0' {
		return 0
	}
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	if n > MaxSets {
		return 0
	}
	return n
}

// uncommented takes comments and white space off both ends (RFC 5322 §3.2.2). Comments within comments are not met here.
func uncommented(s string) string {
	for {
		s = header.TrimSpace(s)
		_, after, ok := strings.Cut(s, ")")
		switch {
		case strings.HasPrefix(s, "(") && ok:
			s = after
		case strings.HasSuffix(s, ")") && strings.Contains(s, "("):
			s = s[:strings.LastIndexByte(s, '(')]
		default:
			return s
		}
	}
}
