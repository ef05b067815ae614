package mailserver

import (
	"context"
	"errors"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxVacationProperty is the length of a property of a VacationResponse in JSON, in octets.
const maxVacationProperty = 64 << 10

// vacation is the one VacationResponse of an account.
type vacation struct{ of mail.Vacationer }

// Get is jmap.Getter's.
func (v vacation) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.VacationResponse], error) {
	x, state, err := v.of.Vacation(ctx)
	if err != nil {
		return nil, err
	}
	x.ID = mail.VacationID
	out := &jmap.GetResponse[mail.VacationResponse]{State: state}
	out.List, out.NotFound = pick(r.IDs, []mail.VacationResponse{x}, func(x *mail.VacationResponse) jmap.ID { return x.ID })
	return out, nil
}

// registerVacation adds the methods of RFC 8621 §8.
func (s *Service) registerVacation(m *jmapserver.Mux) {
	const c = jmap.CapabilityVacationResponse
	jmapserver.RegisterGet(m, c, "VacationResponse", func(ctx context.Context, c *jmapserver.Call, id jmap.ID) (jmap.Getter[jmap.NoArgs, mail.VacationResponse], error) {
		a, err := s.account(ctx, c, id)
		if err != nil {
			return nil, err
		}
		of, err := vacationer(a)
		return vacation{of}, err
	})
	jmapserver.Register(m, c, "VacationResponse/set", s.vacationSet)
}

func vacationer(a *mail.Account) (mail.Vacationer, error) {
	if a.Vacation == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "this account answers nothing by itself")
	}
	return a.Vacation, nil
}

// vacationSet is VacationResponse/set (RFC 8621 §8.2). There is one response, always: it is neither made nor destroyed.
func (s *Service) vacationSet(ctx context.Context, c *jmapserver.Call, r *jmap.SetRequest[jmap.Patch, jmap.Patch, jmap.NoArgs]) (*jmap.SetResponse[mail.VacationResponse], error) {
	a, err := s.setting(ctx, c, r.AccountID, len(r.Create)+len(r.Update)+len(r.Destroy))
	if err != nil {
		return nil, err
	}
	of, err := vacationer(a)
	if err != nil {
		return nil, err
	}
	out := &jmap.SetResponse[mail.VacationResponse]{AccountID: r.AccountID, Updated: make(map[jmap.ID]*mail.VacationResponse),
		NotCreated: make(map[jmap.ID]*jmap.SetError), NotUpdated: make(map[jmap.ID]*jmap.SetError), NotDestroyed: make(map[jmap.ID]*jmap.SetError)}
	for creation := range r.Create {
		out.NotCreated[creation] = &jmap.SetError{Type: jmap.SetSingleton}
	}
	for id := range r.Update {
		if id != mail.VacationID {
			out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetNotFound}
		}
	}
	for _, id := range r.Destroy {
		out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
		if id == mail.VacationID {
			out.NotDestroyed[id].Type = jmap.SetSingleton
		}
	}
	patch, wanted := r.Update[mail.VacationID]
	out.NewState, err = of.SetVacation(ctx, func(v *mail.VacationResponse, state jmap.State) error {
		out.OldState, out.NewState = state, state
		if r.IfInState != nil && *r.IfInState != state {
			return jmap.Errorf(jmap.StateMismatch, "the state is %s", state)
		}
		if !wanted {
			return errNothing
		}
		if err := patchVacation(v, patch); err != nil {
			return err
		}
		return nil
	})
	if refused, ok := errors.AsType[*jmap.SetError](err); ok {
		out.NotUpdated[mail.VacationID] = refused
	} else if err != nil && !errors.Is(err, errNothing) {
		return nil, err
	} else if wanted {
		out.Updated[mail.VacationID] = nil
	}
	if out.NewState == "" {
		out.NewState = out.OldState
	}
	return out, nil
}

// errNothing says that nothing is to be changed.
var errNothing = errors.New("mailserver: nothing to set")

// patchVacation applies a patch; null is the default.
func patchVacation(v *mail.VacationResponse, patch jmap.Patch) *jmap.SetError {
	x := *v
	dates := map[string]**jmap.UTCDate{"fromDate": &x.FromDate, "toDate": &x.ToDate}
	texts := map[string]**string{"subject": &x.Subject, "textBody": &x.TextBody, "htmlBody": &x.HTMLBody}
	for name, raw := range patch {
		var err error
		if to := dates[name]; to != nil {
			*to = nil
			err = jmap.Unmarshal(raw, to)
		} else if to := texts[name]; to != nil {
			*to = nil
			err = jmap.Unmarshal(raw, to)
		} else if name == "isEnabled" {
			err = jmap.Unmarshal(raw, &x.IsEnabled)
		} else if name != "id" || string(raw) != `"`+string(mail.VacationID)+`"` {
			return invalid("it never changes, or is not known", name)
		}
		if err != nil || len(raw) > maxVacationProperty {
			return invalid("wrong type, or too long", name)
		}
	}
	*v = x
	return nil
}
