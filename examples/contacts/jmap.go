package contacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// JMAP is a contact.Backend over the files and the mail of a store: requests are the emails of the mailbox RequestsName.
type JMAP struct {
	*Contacts
	Mail mail.Backend
	// RequestsName is the mailbox of requests; "" is "Requests".
	RequestsName string
}

// Accounts is contact.Backend's. Accounts whose name is no address have no contacts.
func (j JMAP) Accounts(ctx context.Context, user string) ([]contact.Account, error) {
	list, err := j.Mail.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	if j.RequestsName == "" {
		j.RequestsName = "Requests"
	}
	var out []contact.Account
	for _, a := range list {
		if _, err := smtp.ParseMailbox(a.Name); err != nil || !strings.Contains(a.Name, "@") || a.ReadOnly || a.Shared {
			continue
		}
		x := contact.Account{ID: a.ID, Grants: grants{j.Contacts, a.Name}, Channels: channels{j.Contacts, a.Name}}
		if a.Emails.Querier != nil && a.Emails.Setter != nil {
			x.Requests = requests{j, a}
		}
		out = append(out, x)
	}
	return out, nil
}

// grants are the relations of an owner.
type grants struct {
	c     *Contacts
	owner string
}

// grantID is a digest: an address may have octets that an id cannot.
func grantID(correspondent string) jmap.ID {
	sum := sha256.Sum256([]byte(correspondent))
	return jmap.ID("G" + hex.EncodeToString(sum[:12]))
}

func grantOf(address string, r policy.Relation) contact.Grant {
	g := contact.Grant{ID: grantID(address), Correspondent: address, State: contact.Known}
	if r.State == policy.Blocked {
		g.State = contact.Blocked
	}
	if r.Grant != (capability.ID{}) {
		g.Capability = jmap.NullString(r.Grant.String())
	}
	return g
}

// List is contact.Records's.
func (g grants) List(ctx context.Context) ([]contact.Grant, error) {
	list, err := g.c.Relations.Correspondents(ctx, g.owner)
	out := make([]contact.Grant, len(list))
	for i, x := range list {
		out[i] = grantOf(x.Address, x.Relation)
	}
	return out, err
}

// Create is contact.Records's.
func (g grants) Create(ctx context.Context, r contact.Grant) (contact.Grant, error) {
	to, err := smtp.ParseMailbox(r.Correspondent)
	if err != nil || to.Domain == "" {
		return r, &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "not an address", Properties: []string{"correspondent"}}
	}
	if r.State == "" {
		r.State = contact.Known
	}
	if err := g.set(ctx, to.Address(), r.State); err != nil {
		return r, err
	}
	list, err := g.List(ctx)
	for _, x := range list {
		if strings.EqualFold(x.Correspondent, to.Address()) {
			return x, err
		}
	}
	return r, errors.Join(errors.New("contacts: what was set is not there"), err)
}

// set makes a correspondent known or blocked. Who was blocked has lost what was given to them.
func (g grants) set(ctx context.Context, correspondent string, s contact.State) error {
	switch s {
	case contact.Blocked:
		return g.c.Opener().Disconnect(ctx, g.owner, correspondent, true)
	case contact.Known:
		old, err := g.c.Relations.Relation(ctx, g.owner, correspondent)
		if err != nil || old.State == policy.Known {
			return err
		}
		return g.c.Relations.SetRelation(ctx, g.owner, correspondent, policy.Relation{State: policy.Known})
	}
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "known or blocked", Properties: []string{"state"}}
}

// Update is contact.Records's.
func (g grants) Update(ctx context.Context, old, now contact.Grant) error {
	return g.set(ctx, old.Correspondent, now.State)
}

// Destroy is contact.Records's.
func (g grants) Destroy(ctx context.Context, r contact.Grant) error {
	return g.c.Opener().Disconnect(ctx, g.owner, r.Correspondent, false)
}

// channels are those of an owner.
type channels struct {
	c     *Contacts
	owner string
}

func channelOf(c channel.Channel) contact.Channel {
	return contact.Channel{ID: jmap.ID("C" + c.ID.String()), Address: c.Address, Note: c.Note, Peer: jmap.NullString(c.Peer), Exact: c.Exact, MaxUses: c.Max, State: string(c.State),
		Expires: utc(c.Expires), Pinned: jmap.NullString(c.Pinned), Created: utc(c.Created), LastUse: utc(c.LastUse), Uses: c.Uses, Leaks: c.Leaks}
}

func utc(t time.Time) (d jmap.UTCDate) {
	d.Time = t.UTC()
	return d
}

// List is contact.Records's.
func (l channels) List(ctx context.Context) (out []contact.Channel, err error) {
	for c, err := range l.c.Channels.Store.List(ctx, l.owner) {
		if err != nil {
			return nil, err
		}
		if out = append(out, channelOf(c)); len(out) == contact.MaxRecords {
			break
		}
	}
	return out, nil
}

// Create is contact.Records's.
func (l channels) Create(ctx context.Context, r contact.Channel) (contact.Channel, error) {
	c, err := l.c.Channels.New(ctx, channel.Channel{Owner: l.owner, Note: r.Note, Peer: string(r.Peer), Exact: r.Exact, Max: r.MaxUses, Expires: r.Expires.Time})
	if errors.Is(err, channel.ErrChannel) || errors.Is(err, capability.ErrSyntax) {
		return r, &jmap.SetError{Type: jmap.SetInvalidProperties, Description: err.Error()}
	}
	return channelOf(c), err
}

// Update is contact.Records's.
func (l channels) Update(ctx context.Context, old, now contact.Channel) error {
	id, err := capability.ParseID(strings.TrimPrefix(string(old.ID), "C"))
	if err != nil {
		return err
	}
	if len(now.Note) > channel.MaxNote {
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: fmt.Sprintf("more than %d octets", channel.MaxNote), Properties: []string{"note"}}
	}
	state := channel.State(now.State)
	if !slices.Contains([]channel.State{channel.Open, channel.Paused, channel.Disconnected}, state) {
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "open, paused or disconnected", Properties: []string{"state"}}
	}
	_, err = l.c.Channels.Store.Update(ctx, id, func(c *channel.Channel) error {
		if c.State == channel.Disconnected && state != channel.Disconnected {
			return channel.ErrClosed
		}
		c.Note, c.State = now.Note, state
		if now.Expires != old.Expires {
			c.Expires = now.Expires.UTC().Truncate(time.Second)
		}
		return nil
	})
	if errors.Is(err, channel.ErrClosed) {
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "it is disconnected for good", Properties: []string{"state"}}
	}
	return err
}

// Destroy is contact.Records's.
func (l channels) Destroy(context.Context, contact.Channel) error {
	return &jmap.SetError{Type: jmap.SetForbidden, Description: "a channel is disconnected, and stays to be seen"}
}

// requests are the emails of a mailbox.
type requests struct {
	j JMAP
	a *mail.Account
}

// boxes returns the mailboxes of requests, the inbox and the trash, "" where there is none.
func (r requests) boxes(ctx context.Context) (waiting, inbox, trash jmap.ID, err error) {
	all, err := r.a.Mailboxes.Getter.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: r.a.ID})
	if err != nil {
		return "", "", "", err
	}
	for _, m := range all.List {
		switch {
		case m.Name == r.j.RequestsName && m.ParentID == nil:
			waiting = m.ID
		case m.Role == "inbox":
			inbox = m.ID
		case m.Role == "trash":
			trash = m.ID
		}
	}
	return waiting, inbox, trash, nil
}

// List is contact.Records's: the latest first.
func (r requests) List(ctx context.Context) ([]contact.Request, error) {
	waiting, _, _, err := r.boxes(ctx)
	if err != nil || waiting == "" {
		return nil, err
	}
	found, err := r.a.Emails.Querier.Query(ctx, &jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]{AccountID: r.a.ID,
		Filter: jmap.Where(mail.EmailCondition{InMailbox: waiting}), Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: new(false)}}, Limit: new(uint(contact.MaxRecords))})
	if err != nil || len(found.IDs) == 0 {
		return nil, err
	}
	emails, err := r.a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: r.a.ID, IDs: found.IDs, Args: mail.EmailWant{Summary: true}})
	if err != nil {
		return nil, err
	}
	out := make([]contact.Request, len(emails.List))
	for i, e := range emails.List {
		out[i] = contact.Request{ID: e.ID, ReceivedAt: utc(e.ReceivedAt)}
		if s := e.Summary; s != nil {
			out[i].Preview = s.Preview
			if s.Subject != nil {
				out[i].Subject = jmap.NullString(*s.Subject)
			}
			if len(s.From) > 0 {
				out[i].From, out[i].Name = s.From[0].Email, s.From[0].Name
			}
		}
	}
	return out, nil
}

// Create is contact.Records's.
func (r requests) Create(context.Context, contact.Request) (contact.Request, error) {
	return contact.Request{}, &jmap.SetError{Type: jmap.SetForbidden}
}

// Update is contact.Records's: it decides.
func (r requests) Update(ctx context.Context, old, now contact.Request) error {
	waiting, inbox, trash, err := r.boxes(ctx)
	if err != nil {
		return err
	}
	g := grants{r.j.Contacts, r.a.Name}
	to, state := trash, contact.State("")
	switch contact.Decision(now.Decision) {
	case contact.Accept:
		to, state = inbox, contact.Known
	case contact.Decline:
	case contact.Block:
		state = contact.Blocked
	default:
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "accept, decline or block", Properties: []string{"decision"}}
	}
	if to == "" {
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "there is no mailbox to put it"}
	}
	if state != "" {
		if _, err := smtp.ParseMailbox(old.From); err != nil {
			return &jmap.SetError{Type: jmap.SetForbidden, Description: "its author has no address"}
		}
		if err := g.set(ctx, old.From, state); err != nil {
			return err
		}
	}
	set := &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{AccountID: r.a.ID,
		Update: map[jmap.ID]mail.EmailUpdate{old.ID: {Mailboxes: mail.SetUpdate[jmap.ID]{Members: map[jmap.ID]bool{waiting: false, to: true}}}}}
	res, err := r.a.Emails.Setter.Set(ctx, set)
	if err != nil {
		return err
	}
	if refused := res.NotUpdated[old.ID]; refused != nil {
		return refused
	}
	return nil
}

// Destroy is contact.Records's.
func (r requests) Destroy(context.Context, contact.Request) error {
	return &jmap.SetError{Type: jmap.SetForbidden}
}
