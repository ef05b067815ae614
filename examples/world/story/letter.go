// Package story tells what became of letters: every hop of each, with its dialogue, the questions to DNS and the verdicts,
// to whoever watches while it happens.
//
//	book.Begin(Letter) ─▶ Entry ─ Hop ─ Say, Step, End ─▶ book ─▶ Watch: letter w7 has changed ─▶ book.Letter("w7")
package story

import "time"

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
	// Mails are the ids under which JMAP shows it to those who have got it, by address.
	Mails map[string]string `json:"mails,omitempty"`
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
