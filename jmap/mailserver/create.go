package mailserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A placement is where an email goes, and with what besides its bytes.
type placement struct {
	MailboxIDs map[jmap.ID]bool `json:"mailboxIds"`
	Keywords   map[string]bool  `json:"keywords"`
	ReceivedAt jmap.UTCDate     `json:"receivedAt"`
}

// create returns what a store is to add, without its bytes.
func (p *placement) create(c *jmapserver.Call) (mail.EmailCreate, *jmap.SetError) {
	out := mail.EmailCreate{ReceivedAt: p.ReceivedAt.Time}
	for id, on := range p.MailboxIDs {
		id, ok := c.Resolve(id)
		if !ok || !on || !id.Valid() {
			return out, invalid("not a set of ids with the value true", "mailboxIds")
		}
		out.MailboxIDs = append(out.MailboxIDs, id)
	}
	if len(out.MailboxIDs) == 0 {
		return out, invalid("an email is in one mailbox at least", "mailboxIds")
	}
	for k, on := range p.Keywords {
		if !on || !mail.ValidKeyword(k) {
			return out, invalid("not a set of keywords with the value true", "keywords")
		}
		out.Keywords = append(out.Keywords, strings.ToLower(k))
	}
	slices.Sort(out.MailboxIDs)
	slices.Sort(out.Keywords)
	return out, nil
}

// composeAll makes the messages of the emails that a client created.
func composeAll(ctx context.Context, c *jmapserver.Call, a *mail.Account, emails map[jmap.ID]jmap.Raw) (map[jmap.ID]mail.EmailCreate, map[jmap.ID]*jmap.SetError, error) {
	out, refused := make(map[jmap.ID]mail.EmailCreate, len(emails)), make(map[jmap.ID]*jmap.SetError)
	budget := maxMessage // of all messages of the call together
	for creation, raw := range emails {
		create, size, err := composeOne(ctx, c, a, raw, min(budget, mail.DefaultMaxCompose))
		if e, ok := errors.AsType[*jmap.SetError](err); ok {
			refused[creation] = e
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		budget -= size
		out[creation] = create
	}
	return out, refused, nil
}

func composeOne(ctx context.Context, c *jmapserver.Call, a *mail.Account, raw jmap.Raw, most int) (mail.EmailCreate, int, error) {
	var p placement
	if err := jmap.Unmarshal(raw, &p); err != nil {
		return mail.EmailCreate{}, 0, invalid("a property is not of its type: " + err.Error())
	}
	create, refused := p.create(c)
	if refused != nil {
		return create, 0, refused
	}
	left := int64(most)
	composer := mail.Composer{MaxSize: most, Open: func(id jmap.ID) ([]byte, error) {
		b, err := openBlob(ctx, a, id)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		if left -= b.Size(); left < 0 {
			return nil, &jmap.SetError{Type: jmap.SetTooLarge, Description: "the attachments are too large together"}
		}
		content := make([]byte, b.Size())
		_, err = io.ReadFull(io.NewSectionReader(b, 0, b.Size()), content)
		return content, err
	}}
	message, err := composer.Compose(raw)
	if err != nil {
		return create, 0, err
	}
	if create.ReceivedAt.IsZero() {
		create.ReceivedAt = time.Now()
	}
	create.Size, create.Body = int64(len(message)), bytes.NewReader(message)
	return create, len(message), nil
}

// finishCreate passes on what a store has created.
func finishCreate(c *jmapserver.Call, res *jmap.SetResponse[mail.Record], created map[jmap.ID]mail.Email, refused map[jmap.ID]*jmap.SetError) {
	maps.Copy(refused, res.NotCreated)
	for creation, rec := range res.Created {
		created[creation] = mail.Email{ID: rec.ID, BlobID: rec.BlobID, ThreadID: rec.ThreadID, Size: rec.Size}
		c.Created(creation, rec.ID)
	}
}

// An importRequest is the arguments of Email/import (RFC 8621 §4.8).
type importRequest struct {
	AccountID jmap.ID                 `json:"accountId"`
	IfInState *jmap.State             `json:"ifInState"`
	Emails    map[jmap.ID]emailImport `json:"emails"`
}

type emailImport struct {
	BlobID jmap.ID `json:"blobId"`
	placement
}

// An importResponse is the result of Email/import.
type importResponse struct {
	AccountID  jmap.ID                    `json:"accountId"`
	OldState   jmap.State                 `json:"oldState,omitzero"`
	NewState   jmap.State                 `json:"newState"`
	Created    map[jmap.ID]mail.Email     `json:"created"`
	NotCreated map[jmap.ID]*jmap.SetError `json:"notCreated"`
}

// emailImport is Email/import (RFC 8621 §4.8).
func (s *Service) emailImport(ctx context.Context, c *jmapserver.Call, r *importRequest) (*importResponse, error) {
	a, err := s.setting(ctx, c, r.AccountID, len(r.Emails))
	if err != nil {
		return nil, err
	}
	if a.Emails.Setter == nil {
		return nil, jmap.Errorf(jmap.AccountReadOnly, "the store takes no changes")
	}
	in := &emailStoreSet{AccountID: r.AccountID, IfInState: r.IfInState, Create: make(map[jmap.ID]mail.EmailCreate)}
	notCreated := make(map[jmap.ID]*jmap.SetError)
	for creation, e := range r.Emails {
		create, blob, err := importOne(ctx, c, a, e)
		if err != nil {
			se, ok := errors.AsType[*jmap.SetError](err)
			if !ok {
				return nil, err
			}
			notCreated[creation] = se
			continue
		}
		defer blob.Close()
		in.Create[creation] = create
	}
	res, err := a.Emails.Setter.Set(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &importResponse{AccountID: r.AccountID, OldState: res.OldState, NewState: res.NewState, Created: make(map[jmap.ID]mail.Email), NotCreated: notCreated}
	finishCreate(c, res, out.Created, out.NotCreated)
	return out, nil
}

func importOne(ctx context.Context, c *jmapserver.Call, a *mail.Account, e emailImport) (mail.EmailCreate, jmap.Blob, error) {
	create, refused := e.create(c)
	if refused != nil {
		return create, nil, refused
	}
	blob, err := openBlob(ctx, a, e.BlobID)
	if _, ok := errors.AsType[*jmap.SetError](err); ok { // RFC 8621 §4.8
		return create, nil, &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{"blobId"}, Description: "no such blob"}
	}
	if err != nil {
		return create, nil, err
	}
	if create.ReceivedAt.IsZero() {
		create.ReceivedAt = receivedAt(blob)
	}
	create.Size, create.Body = blob.Size(), io.NewSectionReader(blob, 0, blob.Size())
	return create, blob, nil
}

// receivedAt returns the time of the topmost Received field, or the present one.
func receivedAt(blob jmap.Blob) time.Time {
	head := make([]byte, min(blob.Size(), 64<<10))
	n, _ := blob.ReadAt(head, 0)
	for _, f := range mail.Parse(head[:n], "").Header() {
		if !strings.EqualFold(f.Name, "Received") {
			continue
		}
		if i := strings.LastIndexByte(f.Value, ';'); i >= 0 {
			if d := mail.ParseDate(f.Value[i+1:]); !d.IsZero() {
				return d.Time
			}
		}
		break
	}
	return time.Now()
}
