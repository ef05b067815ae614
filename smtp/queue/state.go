package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// state is what Record.Data holds, as JSON. Fields may be added; a change of meaning needs another version.
type state struct {
	Version  int             `json:"v"`
	From     smtp.Path       `json:"from"`
	Params   smtp.MailParams `json:"params"`
	Hello    string          `json:"hello,omitempty"`
	Arrival  time.Time       `json:"arrival"`
	Release  time.Time       `json:"release,omitzero"` // not to be tried before (RFC 4865)
	Owner    string          `json:"owner,omitempty"`  // whose quota a held message counts against
	Late     bool            `json:"late,omitempty"`   // the sender was told that the deliver-by-time has passed
	Attempts int             `json:"attempts"`
	Warned   bool            `json:"warned,omitempty"`
	Reports  int             `json:"reports,omitempty"` // notifications stored so far
	Rcpts    []recipient     `json:"rcpts"`
}

const stateVersion = 1

type recipient struct {
	To       smtp.Path       `json:"to"`
	Params   smtp.RcptParams `json:"params"`
	State    RecipientState  `json:"state"`
	Reported bool            `json:"reported,omitempty"` // final, and nothing more to be told
	Last     smtp.Result     `json:"last"`
	At       time.Time       `json:"at,omitzero"` // of Last
}

// A RecipientState says how far the queue got with a recipient.
type RecipientState string

// States of a recipient.
const (
	Waiting RecipientState = "waiting" // not settled yet: see the last reply
	Done    RecipientState = "done"    // the next hop has taken it
	Failed  RecipientState = "failed"  // refused for good
	Expired RecipientState = "expired" // tried for too long
)

func decodeState(r Record) (*state, error) {
	var s state
	if err := json.Unmarshal(r.Data, &s); err != nil {
		return nil, fmt.Errorf("%w: record %s: %w", ErrCorrupt, r.ID, err)
	}
	if s.Version != stateVersion || len(s.Rcpts) == 0 {
		return nil, fmt.Errorf("%w: record %s: version %d", ErrCorrupt, r.ID, s.Version)
	}
	return &s, nil
}

func (s *state) record(id string, due time.Time) (Record, error) {
	b, err := json.Marshal(s)
	return Record{ID: id, Due: due, Priority: int8(s.Params.Priority), Data: b}, err
}

// waiting reports whether any recipient is not final.
func (s *state) waiting() bool {
	for i := range s.Rcpts {
		if s.Rcpts[i].State == Waiting {
			return true
		}
	}
	return false
}

// A group is recipients of one domain that go into one transaction.
type group struct {
	domain string
	rcpts  []int
}

// groups gathers the waiting recipients by domain, at most limit in a group.
func (s *state) groups(limit int) []group {
	var out []group
	open := make(map[string]int) // domain → its last group
	for i := range s.Rcpts {
		if s.Rcpts[i].State != Waiting {
			continue
		}
		domain := strings.ToLower(s.Rcpts[i].To.Domain)
		g, ok := open[domain]
		if !ok || len(out[g].rcpts) >= limit {
			g = len(out)
			open[domain] = g
			out = append(out, group{domain: domain})
		}
		out[g].rcpts = append(out[g].rcpts, i)
	}
	return out
}

// begin is when the message could be sent first: its lifetime counts from there.
func (s *state) begin() time.Time {
	if s.Release.After(s.Arrival) {
		return s.Release
	}
	return s.Arrival
}

// deliverBy returns the deliver-by-time (RFC 2852 §4), the zero Time if there is none.
func (s *state) deliverBy() time.Time {
	if s.Params.DeliverBy.Mode == "" {
		return time.Time{}
	}
	return s.Arrival.Add(s.Params.DeliverBy.After)
}

// over reports whether the message is to be returned because its time has passed.
func (s *state) over(now time.Time) bool {
	return s.Params.DeliverBy.Mode == smtp.DeliverReturn && s.deliverBy().Sub(now) < time.Second
}

// late reports whether the sender is to be told that the time has passed. Where it had before the message came, the host
// that sent it has told (RFC 2852 §4.1.3).
func (s *state) late(now time.Time) bool {
	by := s.Params.DeliverBy
	return by.Mode == smtp.DeliverNotify && by.After > 0 && !s.Late && !now.Before(s.deliverBy())
}

// envelope returns what the next hop is told of the message at now, without recipients.
func (s *state) envelope(now time.Time) smtp.Envelope {
	e := smtp.Envelope{From: s.From, Params: s.Params}
	e.Params.Hold = smtp.Hold{} // is over
	e.Params.DeliverBy = s.Params.DeliverBy.Remaining(now.Sub(s.Arrival))
	return e
}
