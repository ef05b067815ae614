package arc

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/header"
)

// ErrFull says that a chain has no room for another set (RFC 8617 §4.2.1).
var ErrFull = errors.New("arc: chain has 50 sets already")

// A Sealer adds sets to messages that are sent on. Domain, Selector, Key and ID must be set. It is used by several
// goroutines at once.
type Sealer struct {
	// Domain and Selector are d= and s=, in A-labels.
	Domain, Selector string
	// Key signs: RSA or Ed25519.
	Key crypto.Signer
	// ID is the authserv-id, by habit the name of this host.
	ID string
	// Headers is h= of the message signature; nil is dkim.DefaultHeaders and the DKIM-Signature fields, as far as the
	// message has them. Neither Authentication-Results nor a field of ARC may be in it (RFC 8617 §4.1.2).
	Headers []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Sealing is one message being sealed. Write takes the body once; then Fields seals.
type Sealing struct {
	s       Sealer
	cv      Value
	chain   *chain // of the message as it leaves
	header  *dkim.Header
	names   []string
	payload string
	body    *dkim.BodyHash
	skip    bool
}

// Begin takes the header section of a message as it leaves, with or without its empty line: all changes and DKIM
// signatures are made before (RFC 8617 §5.1). cv is the status of the chain when the message came in. entries are what
// was found out then; without them they are taken from those Authentication-Results fields of the message that say they
// are from ID, which the border must have stripped of forged ones (authres.Strip). Errors are ErrFull, or say what is
// missing or does not fit.
func (s Sealer) Begin(section []byte, cv Value, entries ...authres.Appender) (*Sealing, error) {
	section = bytes.Clone(section)
	g := &Sealing{s: s, cv: cv, chain: collect(section), header: dkim.NewHeader(section), body: dkim.NewBodyHash(dkim.Relaxed, sha256.New(), -1)}
	if s.Domain == "" || s.Selector == "" || s.Key == nil || s.ID == "" {
		return nil, errors.New("arc: a sealer needs a domain, a selector, a key and a name of its own")
	}
	n := len(g.chain.sets)
	switch {
	case len(section) > 0 && (section[0] == ' ' || section[0] == '\t'):
		return nil, errors.New("arc: the header begins with white space: what is put on top would go on in it")
	case n > 0 && g.chain.sets[n-1].CV == Fail: // RFC 8617 §5.1 step 2
		g.skip = true
		return g, nil
	case g.chain.highest == MaxSets:
		return nil, ErrFull
	case cv != None && cv != Pass && cv != Fail:
		return nil, fmt.Errorf("arc: %q is no status of a chain", cv)
	case cv == None && g.chain.fields > 0, cv != None && g.chain.fields == 0:
		return nil, fmt.Errorf("arc: status %s, and %d fields of ARC", cv, g.chain.fields)
	case cv == Pass && g.chain.err != nil:
		return nil, fmt.Errorf("arc: status pass, but %w", g.chain.err)
	}
	if err := g.setHeaders(section); err != nil {
		return nil, err
	}
	if entries != nil {
		field := string(authres.Append(nil, s.ID, entries...))
		_, field, _ = strings.Cut(field, ": ")
		g.payload = strings.TrimRight(field, "\r\n")
		return g, nil
	}
	g.payload = string(header.AppendValue(nil, s.ID)) + merge(section, s.ID)
	return g, nil
}

func (g *Sealing) setHeaders(section []byte) error {
	g.names = g.s.Headers
	for _, name := range g.names {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ':' }) {
			return fmt.Errorf("arc: %q is no name of a field", name)
		}
		for _, never := range []string{authres.Name, ResultsName, MessageName, SealName} {
			if strings.EqualFold(name, never) {
				return fmt.Errorf("arc: %s must not be signed (RFC 8617 §4.1.2)", never)
			}
		}
	}
	if g.names == nil {
		for f := range header.Fields(section) {
			if slices.ContainsFunc(append(dkim.DefaultHeaders(), "DKIM-Signature"), f.Is) {
				g.names = append(g.names, string(f.Name))
			}
		}
	}
	if len(g.names) == 0 {
		g.names = []string{"From"} // its absence is signed
	}
	return nil
}

// merge joins the results of the Authentication-Results fields of id, in order (RFC 8617 §4.1.1).
func merge(section []byte, id string) string {
	var b strings.Builder
	for f := range header.Fields(section) {
		if !f.Is(authres.Name) {
			continue
		}
		got, res, err := authres.Cut(string(f.Value))
		if err != nil || res == "" || !strings.EqualFold(strings.TrimSuffix(got, "."), strings.TrimSuffix(id, ".")) {
			continue
		}
		b.WriteString(";\r\n " + strings.ReplaceAll(strings.ReplaceAll(res, "\r\n", "\n"), "\n", "\r\n"))
	}
	if b.Len() == 0 {
		return "; none"
	}
	return b.String()
}

// Write takes the next piece of the body, with CRLF line ends. It never fails.
func (g *Sealing) Write(p []byte) (int, error) { return g.body.Write(p) }

// Fields ends the body and returns the three fields of the set, each with its final CRLF, to be put on top of the header.
// There are none for a chain that is marked as broken already (RFC 8617 §5.1). Errors are those of keys.
func (g *Sealing) Fields() ([]byte, error) {
	if g.skip {
		return nil, nil
	}
	algorithm, err := dkim.KeyAlgorithm(g.s.Key)
	if err != nil {
		return nil, fmt.Errorf("arc: %w", err)
	}
	i := strconv.Itoa(g.chain.highest + 1)
	now := time.Now
	if g.s.Now != nil {
		now = g.s.Now
	}
	t := strconv.FormatInt(now().Unix(), 10)
	bh := base64.StdEncoding.EncodeToString(g.body.Sum())
	var set Set
	set.raw[results] = []byte(ResultsName + ": i=" + i + "; " + g.payload + "\r\n")
	sig := &dkim.Signature{HeaderCanon: dkim.Relaxed, Headers: g.names}
	set.raw[message], err = g.sign(MessageName, []string{"a=" + string(algorithm), "b=", "bh=" + bh, "c=relaxed/relaxed", "d=" + g.s.Domain,
		"h=" + strings.ToLower(strings.Join(g.names, ":")), "i=" + i, "s=" + g.s.Selector, "t=" + t},
		func(own []byte) [sha256.Size]byte { sum, _ := g.header.Sum(sig, own); return sum })
	if err != nil {
		return nil, err
	}
	sets := []Set{set}
	if g.cv == Pass { // RFC 8617 §5.1.2: the seal of a chain that does not hold covers its own set
		sets = append(slices.Clone(g.chain.sets), set)
	}
	last := &sets[len(sets)-1]
	last.raw[seal], err = g.sign(SealName, []string{"a=" + string(algorithm), "b=", "cv=" + string(g.cv), "d=" + g.s.Domain, "i=" + i, "s=" + g.s.Selector, "t=" + t},
		func(own []byte) [sha256.Size]byte { last.raw[seal] = own; return sealSum(sets) })
	if err != nil {
		return nil, err
	}
	return slices.Concat(last.raw[seal], last.raw[message], last.raw[results]), nil
}

// sign writes a field with tags in order, folded, and its signature as b=.
func (g *Sealing) sign(name string, tags []string, sum func(own []byte) [sha256.Size]byte) ([]byte, error) {
	own := writeField(name, tags, "")
	s := sum(own)
	b, err := dkim.SignSum(g.s.Key, s[:])
	if err != nil {
		return nil, fmt.Errorf("arc: seal: %w", err)
	}
	return writeField(name, tags, base64.StdEncoding.EncodeToString(b)), nil
}

// maxLine is the longest line of a message, without its CRLF (RFC 5322 §2.1.1).
const maxLine = 998

// writeField writes a field, folded before column 77 where one tag ends and the next begins, and in a long h=. A signature
// stays on one line as far as a line can be: what a seal covers is then the same for whoever folds.
func writeField(name string, tags []string, b string) []byte {
	out := []byte(name + ":")
	line := len(out)
	put := func(piece string, space bool) {
		if line > 1 && line+1+len(piece) > 76 {
			out = append(out, "\r\n "...)
			line = 1
		} else if space {
			out = append(out, ' ')
			line++
		}
		out = append(out, piece...)
		line += len(piece)
	}
	for i, tag := range tags {
		end := ";"
		if i == len(tags)-1 {
			end = ""
		}
		switch {
		case tag == "b=":
			for tag += b; len(tag) > maxLine-2; tag = tag[maxLine-2:] {
				put(tag[:maxLine-2], true)
			}
			put(tag+end, true)
		case len(tag) > 74 && strings.HasPrefix(tag, "h="):
			out = append(out, "\r\n "...) // begins a line, so that it is folded in the same places with b= and without
			line = 1
			for h := range strings.SplitAfterSeq(tag+end, ":") {
				put(h, false)
			}
		default:
			put(tag+end, true)
		}
	}
	return append(out, "\r\n"...)
}

// Seal seals a whole message: the fields of a set, to be put on top of it. It is Begin, with the body at hand.
func (s Sealer) Seal(r io.Reader, cv Value, entries ...authres.Appender) ([]byte, error) {
	section, body, err := header.Split(r)
	if err != nil {
		return nil, fmt.Errorf("arc: read: %w", err)
	}
	g, err := s.Begin(section, cv, entries...)
	if err != nil {
		return nil, err
	}
	if _, err := body.WriteTo(g); err != nil {
		return nil, fmt.Errorf("arc: read: %w", err)
	}
	return g.Fields()
}
