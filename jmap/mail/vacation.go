package mail

import (
	"context"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// VacationID is the id of the one VacationResponse of an account (RFC 8621 §8.1).
const VacationID jmap.ID = "singleton"

// A VacationResponse is an answer that goes out by itself (RFC 8621 §8). Its zero value with VacationID is that of a user
// who has never set one.
type VacationResponse struct {
	jmap.Selection `json:"-"`

	ID        jmap.ID `json:"id,omitzero"`
	IsEnabled bool    `json:"isEnabled,omitzero"`
	// FromDate and ToDate bound when messages arrive that are answered: from the former on, before the latter; nil is no
	// bound.
	FromDate *jmap.UTCDate `json:"fromDate,omitzero"`
	ToDate   *jmap.UTCDate `json:"toDate,omitzero"`
	// Subject, TextBody and HTMLBody are those of the answer; nil leaves them to Answer.
	Subject  *string `json:"subject,omitzero"`
	TextBody *string `json:"textBody,omitzero"`
	HTMLBody *string `json:"htmlBody,omitzero"`
}

// Active reports whether messages that arrive at t are answered.
func (v *VacationResponse) Active(t time.Time) bool {
	return v.IsEnabled && (v.FromDate == nil || !t.Before(v.FromDate.Time)) && (v.ToDate == nil || t.Before(v.ToDate.Time))
}

// SameWords reports whether two say the same.
func (v *VacationResponse) SameWords(o *VacationResponse) bool {
	same := func(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(v.Subject, o.Subject) && same(v.TextBody, o.TextBody) && same(v.HTMLBody, o.HTMLBody)
}

// A Vacationer keeps the VacationResponse of an account, and answers with it what is delivered (see Answer).
type Vacationer interface {
	// Vacation returns the response with its state.
	Vacation(ctx context.Context) (VacationResponse, jmap.State, error)
	// SetVacation changes it in one transaction: change gets it and its state; if that returns an error, nothing changes
	// and the error is SetVacation's. What it returned is durable.
	SetVacation(ctx context.Context, change func(*VacationResponse, jmap.State) error) (jmap.State, error)
}
