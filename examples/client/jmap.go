package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// pageSize is how many messages are asked for at once.
const pageSize = 200

type (
	emailQuery = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
	emailGet   = jmap.GetRequest[mail.EmailGetArgs]
	emails     = jmap.GetResponse[mail.Email]
	mailboxes  = jmap.QueryRequest[mail.MailboxCondition, mail.Comparator, mail.MailboxQueryArgs]
)

// jmapBox is the mailbox with the role inbox on a JMAP server.
type jmapBox struct {
	c       *jmapclient.Client
	account jmap.ID
	inbox   jmap.ID
}

func (c *common) openJMAP(ctx context.Context, url string) (mailbox, error) {
	conf, err := c.tls()
	if err != nil {
		return nil, err
	}
	name, password, _ := c.login()
	b := &jmapBox{c: &jmapclient.Client{URL: url, Auth: jmapclient.Basic(name, password), AllowPlaintext: c.plaintext,
		HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}}}}
	if b.account, err = b.c.Account(ctx, jmap.CapabilityMail); err != nil {
		return nil, err
	}
	role := "inbox"
	res, err := jmapclient.Do[jmap.QueryResponse](ctx, b.c, jmap.CapabilityMail, "Mailbox/query", mailboxes{AccountID: b.account,
		Filter: jmap.Where(mail.MailboxCondition{Role: jmap.Optional[string]{Set: true, Value: &role}})})
	if err != nil {
		return nil, err
	}
	if len(res.IDs) != 1 {
		return nil, errors.New("the account has no inbox")
	}
	b.inbox = res.IDs[0]
	return b, nil
}

func (b *jmapBox) close() error {
	b.c.HTTP.CloseIdleConnections()
	return nil
}

func listed() []string {
	return []string{"id", "receivedAt", "from", "to", "subject", "size", "keywords"}
}

func (b *jmapBox) list(ctx context.Context, words []string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		limit, descending := uint(pageSize), false
		q := emailQuery{AccountID: b.account, Limit: &limit, Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: &descending}},
			Filter: b.filter(words)}
		for {
			batch := b.c.Batch(jmap.CapabilityMail)
			ids := jmapclient.Add[jmap.QueryResponse](batch, "Email/query", q)
			found := jmapclient.Add[emails](batch, "Email/get", emailGet{AccountID: b.account, Properties: listed()}, ids.Ref("ids", "/ids"))
			if err := batch.Do(ctx); err != nil {
				yield(item{}, err)
				return
			}
			page, err := ids.Result()
			if err != nil {
				yield(item{}, err)
				return
			}
			res, err := found.Result()
			if err != nil {
				yield(item{}, err)
				return
			}
			for i := range res.List {
				if !yield(itemOf(&res.List[i]), nil) {
					return
				}
			}
			if len(page.IDs) == 0 {
				return
			}
			q.Position += len(page.IDs)
		}
	}
}

// filter wants all words, each anywhere.
func (b *jmapBox) filter(words []string) *jmap.Filter[mail.EmailCondition] {
	f := &jmap.Filter[mail.EmailCondition]{Operator: jmap.And, Conditions: []jmap.Filter[mail.EmailCondition]{
		{Condition: &mail.EmailCondition{InMailbox: b.inbox}}}}
	for _, w := range words {
		f.Conditions = append(f.Conditions, jmap.Filter[mail.EmailCondition]{Condition: &mail.EmailCondition{Text: w}})
	}
	return f
}

func itemOf(e *mail.Email) item {
	it := item{ID: string(e.ID), Date: e.ReceivedAt.Time, From: first(e.From), To: addresses(e.To), Size: e.Size, Keywords: slices.Sorted(maps.Keys(e.Keywords))}
	if it.Keywords == nil {
		it.Keywords = []string{}
	}
	if e.Subject != nil {
		it.Subject = *e.Subject
	}
	return it
}

func (b *jmapBox) get(ctx context.Context, id string, w io.Writer) error {
	res, err := jmapclient.Do[emails](ctx, b.c, jmap.CapabilityMail, "Email/get", emailGet{AccountID: b.account, IDs: []jmap.ID{jmap.ID(id)}, Properties: []string{"blobId"}})
	if err != nil {
		return err
	}
	if len(res.List) != 1 {
		return fmt.Errorf("no message %q", id)
	}
	r, err := b.c.Download(ctx, b.account, res.List[0].BlobID, "message/rfc822", "message.eml")
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

func (b *jmapBox) watch(ctx context.Context, note func(string)) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		var state jmap.State
		for change, err := range b.c.Events(ctx, "Email") {
			if err != nil {
				yield(item{}, err)
				return
			}
			if len(change.Changed) == 0 && state == "" { // subscribed
				res, err := jmapclient.Do[emails](ctx, b.c, jmap.CapabilityMail, "Email/get", emailGet{AccountID: b.account, IDs: []jmap.ID{}})
				if err != nil {
					yield(item{}, err)
					return
				}
				state = res.State
				note("watching")
				continue
			}
			if state, err = b.changes(ctx, state, yield); err != nil {
				if err != errStopped {
					yield(item{}, err)
				}
				return
			}
		}
	}
}

var errStopped = errors.New("no more is wanted")

// changes yields what happened since a state and returns the new one.
func (b *jmapBox) changes(ctx context.Context, since jmap.State, yield func(item, error) bool) (jmap.State, error) {
	for {
		batch := b.c.Batch(jmap.CapabilityMail)
		changed := jmapclient.Add[jmap.ChangesResponse](batch, "Email/changes", jmap.ChangesRequest{AccountID: b.account, SinceState: since})
		created := jmapclient.Add[emails](batch, "Email/get", emailGet{AccountID: b.account, Properties: listed()}, changed.Ref("ids", "/created"))
		updated := jmapclient.Add[emails](batch, "Email/get", emailGet{AccountID: b.account, Properties: listed()}, changed.Ref("ids", "/updated"))
		if err := batch.Do(ctx); err != nil {
			return since, err
		}
		res, err := changed.Result()
		if err != nil {
			return since, err
		}
		for _, part := range []struct {
			name string
			call *jmapclient.Call[emails]
		}{{"created", created}, {"updated", updated}} {
			list, err := part.call.Result()
			if err != nil {
				return since, err
			}
			for i := range list.List {
				it := itemOf(&list.List[i])
				if it.Change = part.name; !yield(it, nil) {
					return since, errStopped
				}
			}
		}
		for _, id := range res.Destroyed {
			if !yield(item{Change: "destroyed", ID: string(id), Keywords: []string{}}, nil) {
				return since, errStopped
			}
		}
		if since = res.NewState; !res.HasMoreChanges {
			return since, nil
		}
	}
}
