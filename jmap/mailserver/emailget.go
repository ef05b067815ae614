package mailserver

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxValues is how much text the bodyValues of one call hold, in octets.
const maxValues = 64 << 20

// An emailPlan is what Email/get does for each email: which properties, and what they cost.
type emailPlan struct {
	args     mail.EmailGetArgs
	email    jmap.Selection
	part     jmap.Selection // of the parts in lists
	tree     jmap.Selection // of multiparts
	headers  []mail.HeaderProperty
	names    []string // of headers, as asked for
	parts    []mail.HeaderProperty
	partName []string

	summary bool // a property of mail.Summary
	header  bool // header fields
	body    bool // parts or their values
	budget  int  // octets of bodyValues left
}

// emailGet is Email/get (RFC 8621 §4.2).
func (s *Service) emailGet(ctx context.Context, c *jmapserver.Call, r *jmap.GetRequest[mail.EmailGetArgs]) (*jmap.GetResponse[mail.Email], error) {
	if err := jmapserver.CheckIDs(c, &r.IDs); err != nil {
		return nil, err
	}
	plan, err := newPlan(r)
	if err != nil {
		return nil, err
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	records, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{
		AccountID: r.AccountID, IDs: r.IDs, Properties: r.Properties, Args: mail.EmailWant{Summary: plan.summary},
	})
	if err != nil {
		return nil, err
	}
	if len(records.List) > c.Limits.MaxObjectsInGet {
		return nil, jmap.Errorf(jmap.RequestTooLarge, "more than %d emails", c.Limits.MaxObjectsInGet)
	}
	out := &jmap.GetResponse[mail.Email]{AccountID: r.AccountID, State: records.State, NotFound: records.NotFound}
	out.List = make([]mail.Email, 0, len(records.List))
	for i := range records.List {
		e, err := plan.fill(ctx, a, &records.List[i])
		if _, gone := errors.AsType[*jmap.SetError](err); gone {
			out.NotFound = append(out.NotFound, records.List[i].ID) // expunged meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		out.List = append(out.List, e)
	}
	return out, nil
}

// newPlan checks the properties.
func newPlan(r *jmap.GetRequest[mail.EmailGetArgs]) (*emailPlan, error) {
	p := &emailPlan{args: r.Args, budget: maxValues}
	properties := r.Properties
	if properties == nil {
		properties = mail.DefaultProperties()
	}
	var err error
	p.email, err = jmap.Select[mail.Email](properties, func(name string) error {
		h, err := mail.ParseHeaderProperty(name)
		p.headers, p.names = append(p.headers, h), append(p.names, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range properties {
		switch name {
		case "messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview":
			p.summary = true
		case "headers":
			p.header = true
		case "bodyStructure", "textBody", "htmlBody", "attachments":
			p.body = true
		case "bodyValues":
			p.body = p.body || r.Args.FetchAllBodyValues || r.Args.FetchHTMLBodyValues || r.Args.FetchTextBodyValues
		default:
			p.header = p.header || strings.HasPrefix(name, "header:")
		}
	}
	return p, p.selectParts(r.Args.BodyProperties)
}

// selectParts checks the bodyProperties. Without any, multiparts have their subParts all the same, or the default
// would show no structure at all.
func (p *emailPlan) selectParts(properties []string) error {
	treeProperties := properties
	if properties == nil {
		properties = mail.DefaultBodyProperties()
		treeProperties = append(mail.DefaultBodyProperties(), "subParts")
	}
	var err error
	p.part, err = jmap.Select[mail.BodyPart](properties, func(name string) error {
		h, err := mail.ParseHeaderProperty(name)
		p.parts, p.partName = append(p.parts, h), append(p.partName, name)
		return err
	})
	if err != nil {
		return err
	}
	p.tree, err = jmap.Select[mail.BodyPart](treeProperties, func(string) error { return nil })
	return err
}

// fill makes an Email of a Record. A *jmap.SetError says that its bytes have gone.
func (p *emailPlan) fill(ctx context.Context, a *mail.Account, rec *mail.Record) (mail.Email, error) {
	e := mail.Email{
		Selection:  p.email,
		ID:         rec.ID,
		BlobID:     rec.BlobID,
		ThreadID:   rec.ThreadID,
		MailboxIDs: make(map[jmap.ID]bool, len(rec.MailboxIDs)),
		Keywords:   make(map[string]bool, len(rec.Keywords)),
		Size:       rec.Size,
		ReceivedAt: jmap.UTCDate{Time: rec.ReceivedAt},
	}
	for _, id := range rec.MailboxIDs {
		e.MailboxIDs[id] = true
	}
	for _, k := range rec.Keywords {
		e.Keywords[k] = true
	}
	summary := rec.Summary
	switch {
	case p.body || p.summary && summary == nil:
		raw, err := readBlob(ctx, a, rec.BlobID)
		if err != nil {
			return e, err
		}
		parsed := mail.Parse(raw, rec.BlobID)
		if p.summary && summary == nil {
			summary = parsed.Summary()
		}
		if err := p.fillHeader(&e, parsed.Header()); err != nil {
			return e, err
		}
		if err := p.fillBody(&e, parsed); err != nil {
			return e, err
		}
	case p.header:
		raw, err := readHeader(ctx, a, rec.BlobID)
		if err != nil {
			return e, err
		}
		if err := p.fillHeader(&e, mail.Parse(raw, rec.BlobID).Header()); err != nil {
			return e, err
		}
	}
	if p.summary {
		setSummary(&e, summary)
	}
	return e, nil
}

func setSummary(e *mail.Email, summary *mail.Summary) {
	e.MessageID, e.InReplyTo, e.References = summary.MessageID, summary.InReplyTo, summary.References
	e.Sender, e.From, e.To, e.Cc, e.Bcc, e.ReplyTo = summary.Sender, summary.From, summary.To, summary.Cc, summary.Bcc, summary.ReplyTo
	e.Subject, e.SentAt, e.HasAttachment, e.Preview = summary.Subject, summary.SentAt, summary.HasAttachment, summary.Preview
}

// fillHeader sets headers and the properties "header:…".
func (p *emailPlan) fillHeader(e *mail.Email, fields []mail.EmailHeader) (err error) {
	e.Headers = fields
	e.Extra, err = headerValues(p.headers, p.names, fields)
	return err
}

func headerValues(properties []mail.HeaderProperty, names []string, fields []mail.EmailHeader) (map[string]jmap.Raw, error) {
	if len(properties) == 0 {
		return nil, nil
	}
	out := make(map[string]jmap.Raw, len(properties))
	for i, h := range properties {
		v, err := h.Value(fields)
		if err != nil {
			return nil, err
		}
		out[names[i]] = v
	}
	return out, nil
}

// fillBody sets the parts and their values.
func (p *emailPlan) fillBody(e *mail.Email, parsed *mail.Parsed) error {
	if err := p.fillValues(e, parsed); err != nil {
		return err
	}
	e.BodyStructure = &parsed.Structure
	if err := p.selectPart(e.BodyStructure); err != nil {
		return err
	}
	e.TextBody, e.HTMLBody, e.Attachments = parsed.TextBody, parsed.HTMLBody, parsed.Attachments
	for _, list := range []*[]mail.BodyPart{&e.TextBody, &e.HTMLBody, &e.Attachments} {
		if *list == nil {
			*list = []mail.BodyPart{}
		}
		for i := range *list {
			if err := p.selectPart(&(*list)[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// selectPart sets what is written of a part and of those below it.
func (p *emailPlan) selectPart(b *mail.BodyPart) (err error) {
	b.SetSelection(p.part)
	if b.SubParts != nil {
		b.SetSelection(p.tree)
	}
	if b.Extra, err = headerValues(p.parts, p.partName, b.Headers); err != nil {
		return err
	}
	for i := range b.SubParts {
		if err := p.selectPart(&b.SubParts[i]); err != nil {
			return err
		}
	}
	return nil
}

// fillValues sets bodyValues.
func (p *emailPlan) fillValues(e *mail.Email, parsed *mail.Parsed) error {
	e.BodyValues = map[string]mail.BodyValue{}
	add := func(b *mail.BodyPart) error {
		id := string(b.PartID)
		if _, ok := e.BodyValues[id]; ok || !strings.HasPrefix(b.Type, "text/") {
			return nil
		}
		v := parsed.Value(b, p.args.MaxBodyValueBytes)
		if p.budget -= len(v.Value); p.budget < 0 {
			return jmap.Errorf(jmap.RequestTooLarge, "the body values are larger than %d octets together", maxValues)
		}
		e.BodyValues[id] = v
		return nil
	}
	var lists [][]mail.BodyPart
	if p.args.FetchTextBodyValues {
		lists = append(lists, parsed.TextBody)
	}
	if p.args.FetchHTMLBodyValues {
		lists = append(lists, parsed.HTMLBody)
	}
	if p.args.FetchAllBodyValues {
		lists = append(lists, leaves(nil, &parsed.Structure))
	}
	for _, list := range lists {
		for i := range list {
			if err := add(&list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func leaves(out []mail.BodyPart, b *mail.BodyPart) []mail.BodyPart {
	if b.SubParts == nil {
		return append(out, *b)
	}
	for i := range b.SubParts {
		out = leaves(out, &b.SubParts[i])
	}
	return slices.Clip(out)
}
