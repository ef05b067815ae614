package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A Mail is one message in a user's mailbox, as JMAP tells of it.
type Mail struct {
	ID          string      `json:"id"`
	User        string      `json:"user"`
	Subject     string      `json:"subject"`
	From        string      `json:"from"`
	FromAddress string      `json:"fromAddress"`
	To          string      `json:"to"`
	Received    time.Time   `json:"received"`
	Preview     string      `json:"preview"`
	Unread      bool        `json:"unread"`
	Mailbox     string      `json:"mailbox"`          // name of the first one that it is in
	Text        string      `json:"text,omitempty"`   // of Mail alone
	Source      string      `json:"source,omitempty"` // of Mail alone, at most MaxSource octets of it
	Auth        *story.Auth `json:"auth,omitempty"`   // of Mail alone
}

// Limits of what is shown.
const (
	maxMails  = 100
	MaxSource = 64 << 10
)

type (
	emailQuery = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
	emailGet   = jmap.GetRequest[mail.EmailGetArgs]
	emails     = jmap.GetResponse[mail.Email]
)

// newest asks for the newest messages that fit.
func newest(ctx context.Context, c *jmapclient.Client, fit mail.EmailCondition, limit uint, properties ...string) (jmap.ID, []mail.Email, error) {
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		return "", nil, err
	}
	b, down := c.Batch(jmap.CapabilityMail), false
	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", emailQuery{AccountID: account, Filter: &jmap.Filter[mail.EmailCondition]{Condition: &fit},
		Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: &down}}, Limit: &limit})
	g := jmapclient.Add[emails](b, "Email/get", emailGet{AccountID: account, Properties: properties}, q.Ref("ids", "/ids"))
	if err := b.Do(ctx); err != nil {
		return "", nil, err
	}
	if _, err := q.Result(); err != nil {
		return "", nil, err
	}
	got, err := g.Result()
	if err != nil {
		return "", nil, err
	}
	return account, got.List, nil
}

// Mails returns a user's newest messages.
func (w *World) Mails(ctx context.Context, user string) ([]Mail, error) {
	d, err := w.domainOf(user)
	if err != nil {
		return nil, err
	}
	account, list, err := newest(ctx, d.jmap, mail.EmailCondition{}, maxMails, "id", "subject", "from", "to", "receivedAt", "preview", "keywords", "mailboxIds")
	if err != nil {
		return nil, err
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](ctx, d.jmap, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account, Properties: []string{"id", "name"}})
	if err != nil {
		return nil, err
	}
	out := make([]Mail, 0, len(list))
	for _, e := range list {
		m := newMail(user, e)
		for _, b := range boxes.List {
			if e.MailboxIDs[b.ID] && m.Mailbox == "" {
				m.Mailbox = b.Name
			}
		}
		out = append(out, m)
	}
	return out, nil
}

func newMail(user string, e mail.Email) Mail {
	m := Mail{ID: string(e.ID), User: user, Received: e.ReceivedAt.Time, Preview: e.Preview, Unread: !e.Keywords["$seen"], To: addresses(e.To)}
	if e.Subject != nil {
		m.Subject = *e.Subject
	}
	if m.From = addresses(e.From); len(e.From) > 0 {
		m.FromAddress = e.From[0].Email
	}
	return m
}

func addresses(list []mail.Address) string {
	var out []string
	for _, a := range list {
		if a.Name == "" {
			out = append(out, a.Email)
		} else {
			out = append(out, string(a.Name)+" <"+a.Email+">")
		}
	}
	return strings.Join(out, ", ")
}

// Mail returns one message with its text and source, and marks it as seen.
func (w *World) Mail(ctx context.Context, user, id string) (Mail, error) {
	d, err := w.domainOf(user)
	if err != nil {
		return Mail{}, err
	}
	account, err := d.jmap.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		return Mail{}, err
	}
	got, err := jmapclient.Do[emails](ctx, d.jmap, jmap.CapabilityMail, "Email/get", emailGet{AccountID: account, IDs: []jmap.ID{jmap.ID(id)},
		Properties: []string{"id", "blobId", "subject", "from", "to", "receivedAt", "preview", "keywords", "textBody", "bodyValues"},
		Args:       mail.EmailGetArgs{FetchTextBodyValues: true, MaxBodyValueBytes: MaxSource}})
	if err != nil {
		return Mail{}, err
	}
	if len(got.List) == 0 {
		return Mail{}, errors.New("no such message")
	}
	e := got.List[0]
	m := newMail(user, e)
	for _, p := range e.TextBody {
		m.Text += e.BodyValues[string(p.PartID)].Value
	}
	body, err := d.jmap.Download(ctx, account, e.BlobID, "message/rfc822", "letter.eml")
	if err != nil {
		return Mail{}, err
	}
	defer body.Close()
	source, err := io.ReadAll(io.LimitReader(body, MaxSource))
	if err != nil {
		return Mail{}, err
	}
	m.Source = strings.ToValidUTF8(string(source), "\uFFFD")
	m.Auth = authOf(source, d.mx())
	if m.Unread {
		set := map[string]any{"accountId": account, "update": map[string]any{id: map[string]any{"keywords/$seen": true}}}
		if _, err := jmapclient.Do[map[string]any](ctx, d.jmap, jmap.CapabilityMail, "Email/set", set); err != nil {
			return Mail{}, err
		}
	}
	return m, nil
}

// authOf reads the results that the user's own relay has put on top.
func authOf(source []byte, id string) *story.Auth {
	for value := range message.Parse(source).Root().Values(authres.Name) {
		f, err := authres.Parse(string(value))
		if err != nil || f.ID != id {
			continue
		}
		a := &story.Auth{}
		for _, r := range f.Results {
			switch {
			case r.Method == "spf":
				a.SPF = r.Value
			case r.Method == "dkim" && a.DKIM != "pass":
				a.DKIM = r.Value
			case r.Method == "dmarc":
				a.DMARC = r.Value
			}
		}
		return a
	}
	return nil
}

// watchInbox tells the hub when JMAP pushes that a user's mail has changed.
func (d *domain) watchInbox(w *World) func(context.Context) error {
	return func(ctx context.Context) error {
		defer d.jmap.HTTP.CloseIdleConnections() // at the end, which would wait for them
		for _, err := range d.jmap.Events(ctx, "Email") {
			if err != nil {
				return err
			}
			w.book.Tell("inbox", d.user)
		}
		return nil
	}
}

func (w *World) domainOf(user string) (*domain, error) {
	for _, d := range w.domains {
		if d.user == user {
			return d, nil
		}
	}
	return nil, fmt.Errorf("no user %q", user)
}
