package sandbox

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// A State says how far a letter has come.
type State string

// States of a letter.
const (
	Moving    State = "moving"
	Delivered State = "delivered"
	Refused   State = "refused" // for good, by a reply
	Failed    State = "failed"  // something in the world did not work
)

// A Letter is what is known of one letter on its way. A value is a snapshot: it does not change any more.
type Letter struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // "letter", or "notice" for a delivery report that a relay wrote
	Subject string    `json:"subject"`
	From    string    `json:"from"` // the author's address, "" where the letter names none
	Sender  string    `json:"sender"`
	To      string    `json:"to"`
	Size    int       `json:"size"`
	Broken  []string  `json:"broken,omitempty"` // what was broken on purpose
	Sent    time.Time `json:"sent"`
	State   State     `json:"state"`
	Reply   string    `json:"reply,omitempty"` // the reply that decided
	Auth    Auth      `json:"auth"`
	Verdict *Verdict  `json:"verdict,omitempty"`
	Hops    []Hop     `json:"hops"`
	Read    *Read     `json:"read,omitempty"`
}

// Auth are the result keywords of RFC 8601, "" where a check was not made.
type Auth struct {
	SPF   string `json:"spf"`
	DKIM  string `json:"dkim"`
	DMARC string `json:"dmarc"`
}

// A Verdict is what the receiving relay found out, with the questions and answers that led there.
type Verdict struct {
	Field string  `json:"field"` // Authentication-Results
	DMARC Check   `json:"dmarc"`
	SPF   Check   `json:"spf"`
	DKIM  []Check `json:"dkim"`
}

// A Check is one node of the tree of verdicts.
type Check struct {
	Name    string `json:"name"`
	Result  string `json:"result"`
	Domain  string `json:"domain"`
	Aligned bool   `json:"aligned"` // with the author's domain
	Reason  string `json:"reason"`
	Steps   []Step `json:"steps"`
}

// A Step is one question to DNS, its answer, and what followed from it.
type Step struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
	Rule     string `json:"rule,omitempty"`
}

// A Hop is one stage of a letter's way.
type Hop struct {
	Stage    string    `json:"stage"` // "submission", "signature", "queue", "dns", "policy", "relay", "verification", "delivery", "reading", ...
	From     string    `json:"from"`
	To       string    `json:"to,omitempty"`
	OK       bool      `json:"ok"`
	Done     bool      `json:"done"`
	Summary  string    `json:"summary"`
	TLS      string    `json:"tls,omitempty"`
	Dialogue []Line    `json:"dialogue,omitempty"`
	Steps    []Step    `json:"steps,omitempty"`
	Start    time.Time `json:"start"`
	Took     float64   `json:"ms"` // milliseconds
}

// A Line is one line of a dialogue. Secrets are left out of it.
type Line struct {
	Dir  string  `json:"dir"` // "->" to the server, "<-" from it, "--" a remark
	Text string  `json:"text"`
	At   float64 `json:"ms"` // milliseconds since the hop began
}

// A Read says over which protocols a letter was read back as it was delivered.
type Read struct {
	IMAP      bool   `json:"imap"`
	POP3      bool   `json:"pop3"`
	JMAP      bool   `json:"jmap"`
	Identical bool   `json:"identical"`         // below the trace fields, to the octet
	Mailbox   string `json:"mailbox,omitempty"` // where it was found if not in INBOX, which is all that POP3 shows
	Problem   string `json:"problem,omitempty"`
}

// Limits of what is kept.
const (
	maxLetters  = 200 // the oldest go
	maxDialogue = 200 // lines of one hop
	maxHops     = 60
	maxLine     = 400 // octets of a line
)

// A flight is a letter on its way. All of its methods take a nil flight and then do nothing.
type flight struct {
	w *World

	// Set before it starts: the letter, nil for a notice, and what is done to it on purpose.
	msg      *Message
	source   netip.Addr // from where its relay connects, if not from its own address
	wrongKey bool
	unpaid   bool

	mu      sync.Mutex
	letter  Letter
	done    chan struct{} // closed at the end
	look    *lookUp       // for the next host
	minting *hop
	check   *hop        // verification, from when the letter began to arrive at the recipient's relay
	waiting int         // recipients that are not settled
	reached []smtp.Path // those that have got it
	refusal string
}

type flightKey struct{}

func withFlight(ctx context.Context, f *flight) context.Context {
	return context.WithValue(ctx, flightKey{}, f)
}

func flightFrom(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

func (f *flight) id() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.letter.ID
}

// arrive puts down that a relay begins to take the letter, and begins the hop of its verification.
func (f *flight) arrive(host string) {
	if f == nil {
		return
	}
	h := f.hop("verification", host, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = h
}

// checked ends that hop, once.
func (f *flight) checked(ok bool, summary string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	h := f.check
	f.check = nil
	f.mu.Unlock()
	h.end(ok, summary)
}

// snapshot returns the letter as it is.
func (f *flight) snapshot() Letter {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.letter
	l.Hops = slices.Clone(l.Hops)
	for i := range l.Hops {
		l.Hops[i].Dialogue = slices.Clone(l.Hops[i].Dialogue)
		l.Hops[i].Steps = slices.Clone(l.Hops[i].Steps)
	}
	return l
}

// change changes the letter and tells those who watch.
func (f *flight) change(do func(l *Letter)) {
	if f == nil {
		return
	}
	f.mu.Lock()
	do(&f.letter)
	f.mu.Unlock()
	f.w.hub.tell("letter", f.letter.ID)
}

// end sets the letter's last state, once.
func (f *flight) end(s State, reply string) {
	if f == nil {
		return
	}
	f.change(func(l *Letter) {
		if l.State == Moving {
			l.State, l.Reply = s, reply
			close(f.done)
		}
	})
}

// A hop is a Hop that is under way. All of its methods take a nil hop and then do nothing.
type hop struct {
	f     *flight
	i     int
	start time.Time
}

// hop begins a stage.
func (f *flight) hop(stage, from, to string) *hop {
	if f == nil {
		return nil
	}
	h := &hop{f: f, start: time.Now()}
	f.change(func(l *Letter) {
		if len(l.Hops) == maxHops {
			l.Hops = l.Hops[:maxHops-1]
		}
		h.i = len(l.Hops)
		l.Hops = append(l.Hops, Hop{Stage: stage, From: from, To: to, Start: h.start})
	})
	return h
}

func (h *hop) change(do func(x *Hop, ms float64)) {
	if h == nil {
		return
	}
	ms := float64(time.Since(h.start).Microseconds()) / 1000
	h.f.change(func(l *Letter) { do(&l.Hops[h.i], ms) })
}

// end ends the stage.
func (h *hop) end(ok bool, summary string) {
	h.change(func(x *Hop, ms float64) { x.OK, x.Done, x.Summary, x.Took = ok, true, summary, ms })
}

// say adds a line of dialogue.
func (h *hop) say(dir, text string) {
	if len(text) > maxLine {
		text = text[:maxLine] + " ..."
	}
	h.change(func(x *Hop, ms float64) {
		if len(x.Dialogue) < maxDialogue {
			x.Dialogue = append(x.Dialogue, Line{dir, text, ms})
		}
	})
}

// step adds a question and its answer.
func (h *hop) step(question, answer, rule string) {
	h.change(func(x *Hop, _ float64) {
		if len(x.Steps) < maxDialogue {
			x.Steps = append(x.Steps, Step{question, answer, rule})
		}
	})
}

func (h *hop) tls(s string) { h.change(func(x *Hop, _ float64) { x.TLS = s }) }
