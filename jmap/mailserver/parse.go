package mailserver

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func sectionOf(b jmap.Blob) io.Reader { return io.NewSectionReader(b, 0, b.Size()) }

// A parseRequest is the arguments of Email/parse (RFC 8621 §4.9).
type parseRequest struct {
	AccountID  jmap.ID           `json:"accountId"`
	BlobIDs    []jmap.ID         `json:"blobIds"`
	Properties []string          `json:"properties"`
	Args       mail.EmailGetArgs `json:",embed"`
}

// A parseResponse is the result of Email/parse.
type parseResponse struct {
	AccountID   jmap.ID                `json:"accountId"`
	Parsed      map[jmap.ID]mail.Email `json:"parsed"`
	NotParsable []jmap.ID              `json:"notParsable"`
	NotFound    []jmap.ID              `json:"notFound"`
}

// metadata are the properties that only an email in a store has; id is one more.
func metadata() []string { return []string{"id", "threadId", "mailboxIds", "keywords", "receivedAt"} }

// emailParse is Email/parse.
func (s *Service) emailParse(ctx context.Context, c *jmapserver.Call, r *parseRequest) (*parseResponse, error) {
	if err := jmapserver.CheckIDs(c, &r.BlobIDs); err != nil {
		return nil, err
	}
	if r.Properties == nil {
		own := append(metadata(), "blobId", "size")
		r.Properties = slices.DeleteFunc(mail.DefaultProperties(), func(p string) bool { return slices.Contains(own, p) })
	}
	plan, err := newPlan(&jmap.GetRequest[mail.EmailGetArgs]{Properties: r.Properties, Args: r.Args})
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.Properties, "id") {
		plan.email = plan.email.Without("id")
	}
	plan.email = plan.email.Null(metadata()...)
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	out := &parseResponse{AccountID: r.AccountID, Parsed: make(map[jmap.ID]mail.Email)}
	for _, id := range r.BlobIDs {
		e, err := plan.parse(ctx, a, id)
		if _, ok := errors.AsType[*jmap.SetError](err); ok {
			out.NotFound = append(out.NotFound, id)
			continue
		}
		if errors.Is(err, errNotMessage) {
			out.NotParsable = append(out.NotParsable, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Parsed[id] = e
	}
	return out, nil
}

// errNotMessage says that a blob is no message: it does not begin with a header field.
var errNotMessage = errors.New("mailserver: not a message")

// parse makes an Email of a blob.
func (p *emailPlan) parse(ctx context.Context, a *mail.Account, id jmap.ID) (mail.Email, error) {
	raw, err := readAnyBlob(ctx, a, id)
	if err != nil {
		return mail.Email{}, err
	}
	parsed := mail.Parse(raw, id)
	if len(parsed.Header()) == 0 {
		return mail.Email{}, errNotMessage
	}
	e := mail.Email{Selection: p.email, BlobID: id, Size: int64(len(raw))}
	if err := p.fillHeader(&e, parsed.Header()); err != nil {
		return e, err
	}
	if p.body {
		if err := p.fillBody(&e, parsed); err != nil {
			return e, err
		}
	} else {
		e.BodyValues = map[string]mail.BodyValue{}
	}
	if p.summary {
		setSummary(&e, parsed.Summary())
	}
	return e, nil
}

// readAnyBlob reads a whole blob, of the store's or a part of one.
func readAnyBlob(ctx context.Context, a *mail.Account, id jmap.ID) ([]byte, error) {
	b, err := openBlob(ctx, a, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.Size() > maxMessage {
		return nil, errNotMessage
	}
	raw := make([]byte, b.Size())
	_, err = io.ReadFull(sectionOf(b), raw)
	return raw, err
}
