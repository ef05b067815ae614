package imapserver_test

import (
	"context"

	"github.com/mailbricks/mailbricks/imap"
)

// wrapped is a backend whose accounts pass through a function.
type wrapped struct {
	imap.Backend
	wrap func(*imap.Account)
}

// OpenAccount returns a copy of the account, changed.
func (w wrapped) OpenAccount(ctx context.Context, user string) (*imap.Account, error) {
	a, err := w.Backend.OpenAccount(ctx, user)
	if err != nil {
		return nil, err
	}
	c := *a
	w.wrap(&c)
	return &c, nil
}

// vagueIndex says of every message that it may match.
type vagueIndex struct{}

func (vagueIndex) Search(context.Context, string, *imap.SearchCriteria) (imap.UIDSet, bool, error) {
	return imap.AllUIDs(), false, nil
}
