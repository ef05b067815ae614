package jmaptest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type vacation struct {
	mail.VacationResponse
	changed uint64 // modseq
}

func (v *vacation) state() jmap.State { return jmap.State(strconv.FormatUint(v.changed, 10)) }

// vacations are a mail.Vacationer. Nothing is answered: what a test delivers has no envelope.
type vacations struct{ *account }

// Vacation is mail.Vacationer's.
func (a vacations) Vacation(context.Context) (mail.VacationResponse, jmap.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.vacation.VacationResponse, a.vacation.state(), nil
}

// SetVacation is mail.Vacationer's.
func (a vacations) SetVacation(_ context.Context, change func(*mail.VacationResponse, jmap.State) error) (jmap.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.vacation.VacationResponse
	if err := change(&x, a.vacation.state()); err != nil {
		return "", err
	}
	a.modseq++
	a.vacation = vacation{x, a.modseq}
	a.notify()
	return a.vacation.state(), nil
}

// vacation checks the role for the type VacationResponse.
func (b *bench) vacation() {
	if b.a.Vacation == nil {
		b.Skip("the account has no Vacation")
	}
	read := func() (mail.VacationResponse, jmap.State) {
		b.Helper()
		v, state, err := b.a.Vacation.Vacation(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		return v, state
	}
	v, before := read()
	if v.IsEnabled || v.FromDate != nil || v.ToDate != nil || !v.SameWords(&mail.VacationResponse{}) || before == "" {
		b.Errorf("before anything is set: %+v, state %q", v, before)
	}
	var told <-chan struct{}
	if b.a.Watcher != nil {
		told = b.a.Watcher.Watch(b.ctx)
	}
	subject, text, page := "Away", "Back on Monday.\r\n\x00é", "<p>"
	now, err := b.a.Vacation.SetVacation(b.ctx, func(v *mail.VacationResponse, state jmap.State) error {
		if state != before {
			b.Errorf("the state is %q, not %q", state, before)
		}
		v.IsEnabled, v.ToDate, v.Subject, v.TextBody, v.HTMLBody = true, &jmap.UTCDate{Time: day}, &subject, &text, &page
		return nil
	})
	if err != nil || now == before {
		b.Fatalf("set: state %q after %q, %v", now, before, err)
	}
	if told != nil {
		select {
		case <-told:
		case <-b.ctx.Done():
			b.Fatal("a change that was not told")
		}
		if states, err := b.a.Watcher.States(b.ctx); err != nil || states["VacationResponse"] != now {
			b.Errorf("states %v, %v, but SetVacation says %s", states, err, now)
		}
	}
	fault := errors.New("refused")
	if _, err := b.a.Vacation.SetVacation(b.ctx, func(v *mail.VacationResponse, _ jmap.State) error {
		v.IsEnabled, v.ToDate = false, &jmap.UTCDate{Time: time.Now()}
		return fault
	}); !errors.Is(err, fault) {
		b.Errorf("the error of change: %v", err)
	}
	v, state := read()
	want := mail.VacationResponse{Subject: &subject, TextBody: &text, HTMLBody: &page}
	if !v.IsEnabled || v.FromDate != nil || v.ToDate == nil || !v.ToDate.Equal(day) || !v.SameWords(&want) || state != now {
		b.Errorf("set, and a change that failed: %+v, state %q", v, state)
	}
	if v, _, err := b.other.Vacation.Vacation(b.ctx); err != nil || v.IsEnabled {
		b.Errorf("the response of another account: %+v, %v", v, err)
	}
}
