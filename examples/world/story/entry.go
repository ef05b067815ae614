package story

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Limits of what is kept.
const (
	MaxLetters  = 200 // the oldest go
	MaxHops     = 60
	MaxDialogue = 200 // lines, and steps, of one hop
	MaxLine     = 400 // octets of a line
)

// An Entry is a letter whose story is being written.
type Entry struct {
	// Tag is the writer's own.
	Tag any

	book   *Book
	mu     sync.Mutex
	letter Letter
	done   chan struct{}
}

// ID is the letter's.
func (e *Entry) ID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.letter.ID
}

// Done is closed when the letter has come to its end.
func (e *Entry) Done() <-chan struct{} { return e.done }

// Letter returns the letter as it is at this moment.
func (e *Entry) Letter() Letter {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.letter
	l.Mails = maps.Clone(l.Mails)
	l.Hops = slices.Clone(l.Hops)
	for i := range l.Hops {
		l.Hops[i].Dialogue = slices.Clone(l.Hops[i].Dialogue)
		l.Hops[i].Steps = slices.Clone(l.Hops[i].Steps)
	}
	return l
}

// Change changes the letter and tells those who watch.
func (e *Entry) Change(do func(l *Letter)) {
	e.mu.Lock()
	do(&e.letter)
	id := e.letter.ID
	e.mu.Unlock()
	e.book.Tell("letter", id)
}

// End sets the letter's last state; only the first end counts.
func (e *Entry) End(s State, reply string) {
	e.Change(func(l *Letter) {
		if l.State == Moving {
			l.State, l.Reply = s, reply
			close(e.done)
		}
	})
}

// Hop begins a stage. What is more than MaxHops takes the place of the last one.
func (e *Entry) Hop(stage, from, to string) *Teller {
	h := &Teller{e: e, start: time.Now()}
	e.Change(func(l *Letter) {
		if len(l.Hops) == MaxHops {
			l.Hops = l.Hops[:MaxHops-1]
		}
		h.i = len(l.Hops)
		l.Hops = append(l.Hops, Hop{Stage: stage, From: from, To: to, Start: h.start})
	})
	return h
}

// A Teller tells of a hop that is under way. Its methods take a nil Teller and then do nothing.
type Teller struct {
	e     *Entry
	i     int
	start time.Time
}

func (h *Teller) change(do func(x *Hop, ms float64)) {
	if h == nil {
		return
	}
	ms := float64(time.Since(h.start).Microseconds()) / 1000
	h.e.Change(func(l *Letter) { do(&l.Hops[h.i], ms) })
}

// End ends the stage.
func (h *Teller) End(ok bool, summary string) {
	h.change(func(x *Hop, ms float64) { x.OK, x.Done, x.Summary, x.Took = ok, true, summary, ms })
}

// Say adds a line of dialogue: see Line.Dir.
func (h *Teller) Say(dir, text string) {
	if len(text) > MaxLine {
		text = text[:MaxLine] + " ..."
	}
	h.change(func(x *Hop, ms float64) {
		if len(x.Dialogue) < MaxDialogue {
			x.Dialogue = append(x.Dialogue, Line{dir, text, ms})
		}
	})
}

// Step adds a question and its answer.
func (h *Teller) Step(question, answer, rule string) {
	h.change(func(x *Hop, _ float64) {
		if len(x.Steps) < MaxDialogue {
			x.Steps = append(x.Steps, Step{question, answer, rule})
		}
	})
}

// TLS says how the dialogue is encrypted.
func (h *Teller) TLS(s string) { h.change(func(x *Hop, _ float64) { x.TLS = s }) }
