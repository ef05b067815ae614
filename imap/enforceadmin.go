package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Create implements Editor. It takes RightCreate to the nearest mailbox above that exists (RFC 4314 §4).
func (e *enforced) Create(ctx context.Context, name string, o CreateOptions) (MailboxInfo, error) {
	if err := e.mayCreate(ctx, name); err != nil {
		return MailboxInfo{}, err
	}
	if e.in.IsOther(name) && o.SpecialUse != "" {
		return MailboxInfo{}, fmt.Errorf("imap: special use of %q: %w", name, ErrCannot)
	}
	return e.in.Editor.Create(ctx, name, o)
}

func (e *enforced) mayCreate(ctx context.Context, name string) error {
	if name+"/" == e.in.OtherUsers {
		return fmt.Errorf("imap: mailbox %q: %w", name, ErrInvalidName)
	}
	for above := name; e.in.IsOther(name); {
		above = above[:strings.LastIndexByte(above, '/')]
		if owner, _, below := e.split(above); owner == "" || !below { // nobody but the owner makes one at the top
			return fmt.Errorf("imap: mailbox %q: %w", name, ErrNoPermission)
		}
		have, err := e.in.othersRights(ctx, above)
		switch {
		case errors.Is(err, ErrNonexistent):
		case err != nil || have.Has(RightCreate):
			return err
		default: // a hidden one forbids it too
			return fmt.Errorf("imap: mailbox %q: %w", name, ErrNoPermission)
		}
	}
	return nil
}

// split returns the owner of another's mailbox, and its name there.
func (e *enforced) split(mailbox string) (owner, local string, ok bool) {
	rest, ok := strings.CutPrefix(mailbox, e.in.OtherUsers)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// Delete implements Editor.
func (e *enforced) Delete(ctx context.Context, name string) error {
	if _, err := e.need(ctx, name, RightDelete); err != nil {
		return err
	}
	return e.in.Editor.Delete(ctx, name)
}

// Rename implements Editor. A mailbox stays its owner's, and nobody else takes what is in INBOX away at once.
func (e *enforced) Rename(ctx context.Context, from, to string) error {
	if _, err := e.need(ctx, from, RightDelete); err != nil {
		return err
	}
	owner, local, _ := e.split(from)
	if heir, _, _ := e.split(to); owner != heir || strings.EqualFold(local, "INBOX") {
		return fmt.Errorf("imap: rename %q to %q: %w", from, to, ErrCannot)
	}
	if err := e.mayCreate(ctx, to); err != nil {
		return err
	}
	return e.in.Editor.Rename(ctx, from, to)
}

// Subscribe implements Editor. Ending a subscription takes no right, and tells nothing of a mailbox that is hidden.
func (e *enforced) Subscribe(ctx context.Context, name string, on bool) error {
	_, err := e.need(ctx, name, RightLookup)
	if err == nil || !on && errors.Is(err, ErrNonexistent) {
		if failed := e.in.Editor.Subscribe(ctx, name, on); err == nil {
			err = failed
		}
	}
	return err
}

// Annotations implements Annotator (RFC 5464 §3.3).
func (e *enforced) Annotations(ctx context.Context, mailbox string) ([]Annotation, error) {
	if err := e.mayAnnotate(ctx, mailbox, 0); err != nil {
		return nil, err
	}
	return e.in.Annotator.Annotations(ctx, mailbox)
}

// SetAnnotations implements Annotator. What everyone is shown takes RightWrite besides.
func (e *enforced) SetAnnotations(ctx context.Context, mailbox string, set []Annotation) error {
	want := Rights(0)
	for _, n := range set {
		if !strings.HasPrefix(n.Entry, "/private/") {
			want = RightWrite
		}
	}
	if err := e.mayAnnotate(ctx, mailbox, want); err != nil {
		return err
	}
	return e.in.Annotator.SetAnnotations(ctx, mailbox, set)
}

func (e *enforced) mayAnnotate(ctx context.Context, mailbox string, want Rights) error {
	have, err := e.need(ctx, mailbox, RightLookup|want)
	if err == nil && have&(RightRead|RightSeen|RightWrite|RightInsert|RightPost) == 0 {
		err = refusal(mailbox, have)
	}
	return err
}

// Rights implements Authorizer.
func (e *enforced) Rights(ctx context.Context, mailbox string) (Rights, error) {
	have, err := e.in.othersRights(ctx, mailbox)
	if err == nil && have&(RightLookup|RightRead|RightInsert|RightCreate|RightDelete|RightAdminister) == 0 {
		return 0, refusal(mailbox, have)
	}
	return have, err
}

// ACL implements Authorizer.
func (e *enforced) ACL(ctx context.Context, mailbox string) ([]ACLEntry, error) {
	if _, err := e.need(ctx, mailbox, RightAdminister); err != nil {
		return nil, err
	}
	return e.in.Authorizer.ACL(ctx, mailbox)
}

// SetACL implements Authorizer.
func (e *enforced) SetACL(ctx context.Context, mailbox, identifier string, c RightsChange) error {
	if _, err := e.need(ctx, mailbox, RightAdminister); err != nil {
		return err
	}
	return e.in.Authorizer.SetACL(ctx, mailbox, identifier, c)
}

// GrantableRights implements Authorizer.
func (e *enforced) GrantableRights(ctx context.Context, mailbox, identifier string) (GrantableRights, error) {
	if _, err := e.need(ctx, mailbox, RightAdminister); err != nil {
		return GrantableRights{}, err
	}
	return e.in.Authorizer.GrantableRights(ctx, mailbox, identifier)
}
