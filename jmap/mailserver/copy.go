package mailserver

import (
	"context"
	"errors"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// An emailCopy is what Email/copy makes of one original; absent properties are as there.
type emailCopy struct {
	ID         jmap.ID                        `json:"id"`
	MailboxIDs map[jmap.ID]bool               `json:"mailboxIds"`
	Keywords   jmap.Optional[map[string]bool] `json:"keywords"`
	ReceivedAt jmap.Optional[jmap.UTCDate]    `json:"receivedAt"`
	Other      map[string]jmap.Raw            `json:",embed"`
}

// from returns the account that a copy is made from, and that it is made in.
func (s *Service) from(ctx context.Context, c *jmapserver.Call, from, to jmap.ID) (*mail.Account, *mail.Account, error) {
	if from == to {
		return nil, nil, jmap.Errorf(jmap.InvalidArguments, "fromAccountId and accountId must differ")
	}
	b, err := s.writable(ctx, c, to)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.account(ctx, c, from)
	if jmap.IsMethodError(err, jmap.AccountNotFound) {
		err = jmap.Errorf(jmap.FromAccountNotFound, "no account %.80q", from)
	}
	return a, b, err
}

// emailCopy is Email/copy (RFC 8621 §4.7).
func (s *Service) emailCopy(ctx context.Context, c *jmapserver.Call, r *jmap.CopyRequest[emailCopy]) (*jmap.CopyResponse[mail.Email], error) {
	if err := checkSet(c, len(r.Create)); err != nil {
		return nil, err
	}
	a, b, err := s.from(ctx, c, r.FromAccountID, r.AccountID)
	if err != nil {
		return nil, err
	}
	if b.Emails.Setter == nil {
		return nil, jmap.Errorf(jmap.AccountReadOnly, "the store takes no changes")
	}
	originals, err := s.originals(ctx, c, a, r)
	if err != nil {
		return nil, err
	}
	in := &emailStoreSet{AccountID: r.AccountID, IfInState: r.IfInState, Create: make(map[jmap.ID]mail.EmailCreate)}
	out := &jmap.CopyResponse[mail.Email]{FromAccountID: r.FromAccountID, AccountID: r.AccountID, Created: make(map[jmap.ID]mail.Email), NotCreated: make(map[jmap.ID]*jmap.SetError)}
	for creation, e := range r.Create {
		create, blob, err := copyOne(ctx, c, a, e, originals)
		if err != nil {
			se, ok := errors.AsType[*jmap.SetError](err)
			if !ok {
				return nil, err
			}
			out.NotCreated[creation] = se
			continue
		}
		defer blob.Close()
		in.Create[creation] = create
	}
	res, err := b.Emails.Setter.Set(ctx, in)
	if err != nil {
		return nil, err
	}
	out.OldState, out.NewState = res.OldState, res.NewState
	finishCreate(c, res, out.Created, out.NotCreated)
	return out, s.destroyOriginals(ctx, c, r, out.Created)
}

// originals returns the records that are to be copied.
func (s *Service) originals(ctx context.Context, c *jmapserver.Call, a *mail.Account, r *jmap.CopyRequest[emailCopy]) (map[jmap.ID]*mail.Record, error) {
	ids := make([]jmap.ID, 0, len(r.Create))
	for creation, e := range r.Create {
		if real, ok := c.Resolve(e.ID); ok && real.Valid() {
			e.ID = real
			r.Create[creation] = e
			ids = append(ids, real)
		}
	}
	got, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: r.FromAccountID, IDs: compact(ids)})
	if err != nil {
		return nil, err
	}
	if r.IfFromInState != nil && *r.IfFromInState != got.State {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state of the account to copy from is %s", got.State)
	}
	out := make(map[jmap.ID]*mail.Record, len(got.List))
	for i := range got.List {
		out[got.List[i].ID] = &got.List[i]
	}
	return out, nil
}

func copyOne(ctx context.Context, c *jmapserver.Call, a *mail.Account, e emailCopy, originals map[jmap.ID]*mail.Record) (mail.EmailCreate, jmap.Blob, error) {
	for name := range e.Other {
		return mail.EmailCreate{}, nil, invalid("only mailboxIds, keywords and receivedAt can be other than the original's", name)
	}
	rec := originals[e.ID]
	if rec == nil {
		return mail.EmailCreate{}, nil, &jmap.SetError{Type: jmap.SetNotFound}
	}
	p := placement{MailboxIDs: e.MailboxIDs, Keywords: make(map[string]bool), ReceivedAt: jmap.UTCDate{Time: rec.ReceivedAt}}
	for _, k := range rec.Keywords {
		p.Keywords[k] = true
	}
	if e.Keywords.Value != nil {
		p.Keywords = *e.Keywords.Value
	}
	if e.ReceivedAt.Value != nil {
		p.ReceivedAt = *e.ReceivedAt.Value
	}
	create, refused := p.create(c)
	if refused != nil {
		return create, nil, refused
	}
	blob, err := a.Blobs.OpenBlob(ctx, rec.BlobID)
	if err != nil {
		return create, nil, err
	}
	create.Size, create.Body = blob.Size(), sectionOf(blob)
	return create, blob, nil
}

// destroyOriginals makes the implicit Email/set (RFC 8620 §5.4).
func (s *Service) destroyOriginals(ctx context.Context, c *jmapserver.Call, r *jmap.CopyRequest[emailCopy], created map[jmap.ID]mail.Email) error {
	if !r.OnSuccessDestroyOriginal || len(created) == 0 {
		return nil
	}
	set := &emailSetRequest{AccountID: r.FromAccountID, IfInState: r.DestroyFromIfInState}
	for creation := range created {
		set.Destroy = append(set.Destroy, r.Create[creation].ID)
	}
	return implicit(ctx, c, "Email/set", s.emailSet, set)
}

// implicit makes a further call, whose response or error follows that of the present one.
func implicit[Req, Resp any](ctx context.Context, c *jmapserver.Call, name string, h jmapserver.Handler[Req, Resp], r *Req) error {
	resp, err := h(ctx, c, r)
	if me, ok := errors.AsType[*jmap.MethodError](err); ok {
		return c.Respond("error", me)
	}
	if err != nil {
		return c.Respond("error", jmap.Errorf(jmap.ServerFail, "%s failed", name))
	}
	return c.Respond(name, resp)
}

// A blobCopyRequest is the arguments of Blob/copy (RFC 8620 §6.3).
type blobCopyRequest struct {
	FromAccountID jmap.ID   `json:"fromAccountId"`
	AccountID     jmap.ID   `json:"accountId"`
	BlobIDs       []jmap.ID `json:"blobIds"`
}

// A blobCopyResponse is the result of Blob/copy.
type blobCopyResponse struct {
	FromAccountID jmap.ID                    `json:"fromAccountId"`
	AccountID     jmap.ID                    `json:"accountId"`
	Copied        map[jmap.ID]jmap.ID        `json:"copied"`
	NotCopied     map[jmap.ID]*jmap.SetError `json:"notCopied"`
}

// blobCopy is Blob/copy.
func (s *Service) blobCopy(ctx context.Context, c *jmapserver.Call, r *blobCopyRequest) (*blobCopyResponse, error) {
	if err := checkSet(c, len(r.BlobIDs)); err != nil {
		return nil, err
	}
	a, b, err := s.from(ctx, c, r.FromAccountID, r.AccountID)
	if err != nil {
		return nil, err
	}
	if b.Uploads == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "the account takes no uploads")
	}
	out := &blobCopyResponse{r.FromAccountID, r.AccountID, make(map[jmap.ID]jmap.ID), make(map[jmap.ID]*jmap.SetError)}
	for _, id := range r.BlobIDs {
		blob, err := openBlob(ctx, a, id)
		if e, ok := errors.AsType[*jmap.SetError](err); ok {
			out.NotCopied[id] = e
			continue
		} else if err != nil {
			return nil, err
		}
		made, _, err := b.Uploads.Upload(ctx, sectionOf(blob))
		blob.Close()
		if err != nil {
			return nil, err
		}
		out.Copied[id] = made
	}
	return out, nil
}
