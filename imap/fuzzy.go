package imap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// A FuzzySearcher finds what a user may have meant (RFC 6203).
type FuzzySearcher interface {
	// SearchFuzzy returns, by ascending UID, the messages of a mailbox that match c as the backend sees it: all that match exactly
	// (SearchCriteria.Match), and others beside. UIDs, ModSeq, EmailID and ThreadID it takes exactly, and so it does what is below
	// Not. c has no Other. Where it has no key about text, a relevancy says how much a message is like the rest, or 100.
	// ErrNonexistent: no such mailbox.
	SearchFuzzy(ctx context.Context, mailbox string, c *SearchCriteria) ([]FuzzyMatch, error)
}

// A FuzzyMatch is one message that a fuzzy search found.
type FuzzyMatch struct {
	UID       UID
	Relevancy int // 1 to 100, which is the most relevant
}

// UsesFuzzy reports whether FUZZY is among the keys.
func (c *SearchCriteria) UsesFuzzy() bool {
	return len(c.Fuzzy) > 0 || slices.ContainsFunc(c.Not, func(n SearchCriteria) bool { return n.UsesFuzzy() }) ||
		slices.ContainsFunc(c.Or, func(o [2]SearchCriteria) bool { return o[0].UsesFuzzy() || o[1].UsesFuzzy() })
}

// Bounds of a FuzzyMatcher.
const (
	maxFuzzyWords = 32      // of keys, that are compared word by word; keys beyond are substrings only
	maxFuzzyText  = 1 << 20 // octets of a text that are
	maxFuzzyWord  = 40      // characters of a word that count
)

// A FuzzyMatcher tells how well messages match, without an index. A text has a key if it has it as a substring, as a Matcher says, or
// half of the key's words at least: a word stands for itself, for longer ones that begin with it, for itself without up to three
// letters at its end, and, from four letters on, for those with one letter more, less or in another place of the alphabet. Case and
// accents do not matter. All that is not about text, and what is below Not, matches exactly. Like a Matcher it belongs to one search.
type FuzzyMatcher struct {
	c    fuzzyCriteria
	m    Matcher
	best []float64
	word []rune
}

type fuzzyCriteria struct {
	exact criteria
	keys  []fuzzyKey
	and   []fuzzyCriteria
	or    [][2]fuzzyCriteria
}

// A fuzzyKey is a key about text.
type fuzzyKey struct {
	needle
	words  [][]rune
	header *HeaderCriterion // nil: body or text
	body   bool
}

// FuzzyMatcher returns a FuzzyMatcher of c, which must not be changed any more.
func (c *SearchCriteria) FuzzyMatcher() *FuzzyMatcher {
	t := &FuzzyMatcher{}
	left := maxFuzzyWords
	t.c = t.compile(c, &left)
	return t
}

func (t *FuzzyMatcher) compile(c *SearchCriteria, left *int) fuzzyCriteria {
	exact := *c
	exact.Header, exact.Body, exact.Text, exact.Or, exact.Fuzzy = nil, nil, nil, nil, nil
	var out fuzzyCriteria
	key := func(text string, header *HeaderCriterion, body bool) {
		k := fuzzyKey{needle: newNeedle(text), header: header, body: body}
		t.words(k.prepared, func(w []rune) {
			if *left > 0 {
				*left--
				k.words = append(k.words, slices.Clone(w))
			}
		})
		out.keys = append(out.keys, k)
	}
	for i := range c.Header {
		if c.Header[i].Value == "" {
			exact.Header = append(exact.Header, c.Header[i])
		} else {
			key(c.Header[i].Value, &c.Header[i], false)
		}
	}
	for _, s := range c.Body {
		key(s, nil, true)
	}
	for _, s := range c.Text {
		key(s, nil, false)
	}
	for i := range c.Fuzzy {
		out.and = append(out.and, t.compile(&c.Fuzzy[i], left))
	}
	for i := range c.Or {
		out.or = append(out.or, [2]fuzzyCriteria{t.compile(&c.Or[i][0], left), t.compile(&c.Or[i][1], left)})
	}
	out.exact = compile(&exact)
	return out
}

// Match returns the relevancy of a message, 1 to 100, or 0 if it does not match. Arguments and errors are those of Matcher.Match.
func (t *FuzzyMatcher) Match(m *Message, text SearchText) (int, error) {
	t.m.m, t.m.text = m, text
	score, ok, err := t.score(&t.c)
	t.m.reset()
	if !ok || err != nil {
		return 0, err
	}
	return 1 + int(99*score+0.5), nil
}

// score returns the mean of what the keys say, 0 to 1.
func (t *FuzzyMatcher) score(c *fuzzyCriteria) (float64, bool, error) {
	if ok, err := t.m.match(&c.exact); !ok || err != nil {
		return 0, false, err
	}
	sum, n := 0.0, 0
	add := func(s float64, ok bool, err error) (bool, error) {
		sum, n = sum+s, n+1
		return ok, err
	}
	for i := range c.keys {
		if ok, err := add(t.key(&c.keys[i])); !ok || err != nil {
			return 0, false, err
		}
	}
	for i := range c.and {
		if ok, err := add(t.score(&c.and[i])); !ok || err != nil {
			return 0, false, err
		}
	}
	for i := range c.or {
		a, ok, err := t.score(&c.or[i][0])
		if err != nil {
			return 0, false, err
		}
		b, other, err := t.score(&c.or[i][1])
		if _, _ = add(max(a, b), true, nil); !ok && !other || err != nil {
			return 0, false, err
		}
	}
	if n == 0 {
		return 1, true, nil
	}
	return sum / float64(n), true, nil
}

// key says how well a message has a key: best if it has it word for word and as a whole, worst if as a part of words only.
func (t *FuzzyMatcher) key(k *fuzzyKey) (score float64, ok bool, err error) {
	t.best = append(t.best[:0], make([]float64, len(k.words))...)
	exact := false
	look := func(s *searched) {
		exact = exact || t.m.collate.contains(s, &k.needle)
		if len(k.words) > 0 {
			text := t.m.collate.prepare(s)
			t.words(text[:min(len(text), maxFuzzyText)], func(w []rune) {
				for i := range k.words {
					if t.best[i] < 1 {
						t.best[i] = max(t.best[i], likeness(k.words[i], w))
					}
				}
			})
		}
	}
	if k.header != nil {
		for s, err := range t.m.fields(k.header, k.prepared == nil) {
			if err != nil {
				return 0, false, err
			}
			look(&s)
		}
	} else {
		read, err := t.m.whole(&k.needle)
		if err != nil {
			return 0, false, err
		}
		for i := range read.header {
			if !k.body {
				look(&read.header[i])
			}
		}
		for i := range read.body {
			look(&read.body[i])
		}
	}
	const half, bonus = 0.5, 0.3
	for _, s := range t.best {
		score += s / float64(len(t.best))
	}
	if !exact && score < half {
		return 0, false, nil
	}
	if exact {
		return (1-bonus)*score + bonus, true, nil
	}
	return (1 - bonus) * (score - half), true, nil
}

// words calls f for each word of a prepared text: letters and digits, without marks. The word is valid until f returns.
func (t *FuzzyMatcher) words(prepared []byte, f func([]rune)) {
	w := t.word[:0]
	for len(prepared) > 0 {
		r, n := utf8.DecodeRune(prepared)
		prepared = prepared[n:]
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if len(w) < maxFuzzyWord {
				w = append(w, unicode.ToUpper(r))
			}
		case unicode.IsMark(r):
		case len(w) > 0:
			f(w)
			w = w[:0]
		}
	}
	if len(w) > 0 {
		f(w)
	}
	t.word = w
}

// likeness says how well a word of a text stands for a word of a key.
func likeness(key, word []rune) float64 {
	k, w := len(key), len(word)
	same := 0
	for same < min(k, w) && key[same] == word[same] {
		same++
	}
	switch {
	case same == k && same == w:
		return 1
	case same == k && k >= 3:
		return 0.8
	case same == w && w >= 4 && k-w <= 3:
		return 0.7
	case k < 4 || k-w > 1 || w-k > 1:
		return 0
	}
	a, b := key[same:], word[same:] // the first letter of one of them, or of both, is the one
	if len(a) >= len(b) {
		a = a[1:]
	}
	if w >= k {
		b = b[1:]
	}
	if slices.Equal(a, b) {
		return 0.6
	}
	return 0
}

// SearchFuzzy is FuzzySearcher.SearchFuzzy for an open mailbox: a FuzzyMatcher tests every message.
func SearchFuzzy(ctx context.Context, box Mailbox, c *SearchCriteria) ([]FuzzyMatch, error) {
	uids := c.UIDs
	if uids == nil {
		uids = AllUIDs()
	}
	var out []FuzzyMatch
	matcher := c.FuzzyMatcher()
	for m, err := range box.Messages(ctx, uids, c.Fields()) {
		if err != nil {
			return nil, err
		}
		n, err := matcher.Match(m, &mailboxText{ctx: ctx, box: box, uid: m.UID})
		if err != nil && !errors.Is(err, ErrNonexistent) { // expunged meanwhile: does not match
			return nil, err
		}
		if n > 0 && err == nil {
			out = append(out, FuzzyMatch{m.UID, n})
		}
	}
	return out, nil
}

// A mailboxText is a message of a mailbox, read when it is asked for.
type mailboxText struct {
	ctx context.Context
	box Mailbox
	uid UID
	m   *message.Message
}

// Header implements SearchText.
func (t *mailboxText) Header() (*message.Message, error) { return t.Message() }

// Message implements SearchText.
func (t *mailboxText) Message() (*message.Message, error) {
	if t.m != nil {
		return t.m, nil
	}
	body, err := t.box.Body(t.ctx, t.uid)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.NewSectionReader(body, 0, body.Size())); err != nil {
		return nil, err
	}
	t.m = message.Parse(b.Bytes())
	return t.m, nil
}
