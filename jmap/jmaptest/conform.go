package jmaptest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// TestStore checks that a mail.Backend keeps the rules that package mail writes down for its roles: records and their
// bytes, sets that are all or nothing of ifInState, changes that keep a client in step page by page, windows of queries,
// blobs that belong to one account, quotas that are kept, and a Watcher that tells of every change. A role that an account has not is not
// checked.
//
// open returns an empty store with an account for each of the users, and closes it with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T, users ...string) mail.Backend) {
	for name, check := range map[string]func(*bench){
		"Get": (*bench).get, "Set": (*bench).set, "Mailboxes": (*bench).boxes, "Blobs": (*bench).blobs, "Watch": (*bench).watch, "Identities": (*bench).identities, "Submissions": (*bench).submissions, "Quotas": (*bench).quotas, "Vacation": (*bench).vacation, "History": (*bench).history,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, "alice@example.com", "bob@example.com")
			b := &bench{T: t, ctx: t.Context(), a: only(t, s, "alice@example.com"), other: only(t, s, "bob@example.com"), rnd: rand.New(rand.NewPCG(6, 8620))}
			if list, err := s.Accounts(b.ctx, "nobody@example.com"); err != nil || len(list) != 0 {
				t.Errorf("an unknown user has %d accounts, %v", len(list), err)
			}
			check(b)
		})
	}
}

func only(t *testing.T, s mail.Backend, user string) *mail.Account {
	list, err := s.Accounts(t.Context(), user)
	if err != nil || len(list) == 0 || list[0].ID == "" {
		t.Fatalf("user %s has %d accounts, %v", user, len(list), err)
	}
	return list[0]
}

// A bench is what one check works with.
type bench struct {
	*testing.T
	ctx      context.Context
	a, other *mail.Account
	rnd      *rand.Rand
	n        int // of messages made
}

type emailSet = jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]

// do makes an Email/set that does not fail as a whole.
func (b *bench) do(r *emailSet) *jmap.SetResponse[mail.Record] {
	b.Helper()
	if b.a.Emails.Setter == nil {
		b.Skip("the account has no Emails.Setter")
	}
	out, err := b.a.Emails.Setter.Set(b.ctx, r)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// message returns the next message, at times in the thread of another.
func (b *bench) message() []byte {
	b.n++
	id := func(n int) string { return "<" + strconv.Itoa(n) + "@example.com>" }
	fields := []string{"Message-ID: " + id(b.n)}
	subject := "message " + strconv.Itoa(b.n)
	if b.n > 1 && b.rnd.IntN(2) == 0 {
		of := 1 + b.rnd.IntN(b.n-1)
		fields = append(fields, "References: "+id(of))
		subject = "Re: message " + strconv.Itoa(of)
	}
	return Message("alice@example.com", subject, "text "+strconv.Itoa(b.n), fields...)
}

// add puts a message into mailboxes.
func (b *bench) add(raw []byte, at time.Time, keywords []string, boxes ...jmap.ID) mail.Record {
	b.Helper()
	out := b.do(&emailSet{Create: map[jmap.ID]mail.EmailCreate{"k": {MailboxIDs: boxes, Keywords: keywords, ReceivedAt: at, Size: int64(len(raw)), Body: bytes.NewReader(raw)}}})
	if out.NotCreated["k"] != nil {
		b.Fatal(out.NotCreated["k"])
	}
	return out.Created["k"]
}

func (b *bench) records(ids []jmap.ID) *jmap.GetResponse[mail.Record] {
	b.Helper()
	out, err := b.a.Emails.Getter.Get(b.ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: b.a.ID, IDs: ids})
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *bench) mailboxes() []mail.Mailbox {
	b.Helper()
	out, err := b.a.Mailboxes.Getter.Get(b.ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: b.a.ID})
	if err != nil || len(out.List) == 0 {
		b.Fatal("an account has a mailbox at least: ", err)
	}
	return out.List
}

var day = time.Date(2013, 10, 13, 14, 12, 0, 0, time.UTC)

// get checks that a record is what was stored.
func (b *bench) get() {
	box, raw := b.mailboxes()[0].ID, b.message()
	made := b.add(raw, day, []string{"$seen", "x"}, box)
	got := b.records([]jmap.ID{made.ID, "none"})
	if len(got.List) != 1 || !slices.Equal(got.NotFound, []jmap.ID{"none"}) {
		b.Fatalf("%d records, not found %v", len(got.List), got.NotFound)
	}
	r := got.List[0]
	slices.Sort(r.Keywords)
	want := mail.Record{ID: made.ID, BlobID: made.BlobID, ThreadID: made.ThreadID, MailboxIDs: []jmap.ID{box}, Keywords: []string{"$seen", "x"}, Size: int64(len(raw)), ReceivedAt: day}
	r.Summary = nil
	if !r.ReceivedAt.Equal(day) {
		b.Errorf("received at %v, not %v", r.ReceivedAt, day)
	}
	r.ReceivedAt = day
	if !reflect.DeepEqual(r, want) {
		b.Errorf("got  %+v\nwant %+v", r, want)
	}
	if all := b.records(nil); len(all.List) != 1 || all.State == "" || len(all.NotFound) != 0 {
		b.Errorf("nil ids are all records: %+v", all)
	}
	if none := b.records([]jmap.ID{}); len(none.List) != 0 {
		b.Errorf("empty ids are none: %+v", none)
	}
	blob, err := b.a.Blobs.OpenBlob(b.ctx, r.BlobID)
	if err != nil {
		b.Fatal(err)
	}
	defer blob.Close()
	if back, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size())); err != nil || !bytes.Equal(back, raw) {
		b.Errorf("the bytes come back as %q, %v", back, err)
	}
	second := b.add(b.message(), time.Time{}, nil, box)
	if at := b.records([]jmap.ID{second.ID}).List[0].ReceivedAt; at.IsZero() {
		b.Error("without ReceivedAt, it is now")
	}
}

// set checks what a set changes, and what it refuses.
func (b *bench) set() {
	list := b.mailboxes()
	box, to := list[0].ID, list[len(list)-1].ID
	e := b.add(b.message(), day, []string{"a"}, box)
	before := b.records(nil).State
	stale := jmap.State("stale")
	if _, err := b.a.Emails.Setter.Set(b.ctx, &emailSet{IfInState: &stale, Destroy: []jmap.ID{e.ID}}); !jmap.IsMethodError(err, jmap.StateMismatch) {
		b.Errorf("ifInState of another state: %v", err)
	}
	if now := b.records(nil); now.State != before || len(now.List) != 1 {
		b.Error("what is refused changes nothing")
	}
	keywords := func(replace bool, m map[string]bool) mail.EmailUpdate {
		return mail.EmailUpdate{Keywords: mail.SetUpdate[string]{Replace: replace, Members: m}}
	}
	for _, step := range []struct {
		update   mail.EmailUpdate
		keywords []string
		boxes    []jmap.ID
	}{
		{keywords(false, map[string]bool{"b": true}), []string{"a", "b"}, []jmap.ID{box}},
		{keywords(false, map[string]bool{"a": false, "none": false}), []string{"b"}, []jmap.ID{box}},
		{keywords(true, map[string]bool{"$seen": true}), []string{"$seen"}, []jmap.ID{box}},
		{keywords(true, nil), nil, []jmap.ID{box}},
		{mail.EmailUpdate{Mailboxes: mail.SetUpdate[jmap.ID]{Members: map[jmap.ID]bool{to: true}}}, nil, slices.Compact(slices.Sorted(slices.Values([]jmap.ID{box, to})))},
		{mail.EmailUpdate{Mailboxes: mail.SetUpdate[jmap.ID]{Replace: true, Members: map[jmap.ID]bool{to: true}}}, nil, []jmap.ID{to}},
	} {
		out := b.do(&emailSet{IfInState: &before, Update: map[jmap.ID]mail.EmailUpdate{e.ID: step.update}})
		if _, ok := out.Updated[e.ID]; !ok || out.OldState != before || out.NewState == before {
			b.Fatalf("update %+v: %+v", step.update, out)
		}
		before = out.NewState
		got := b.records([]jmap.ID{e.ID}).List[0]
		slices.Sort(got.Keywords)
		slices.Sort(got.MailboxIDs)
		if !slices.Equal(got.Keywords, step.keywords) || !slices.Equal(got.MailboxIDs, step.boxes) {
			b.Errorf("after %+v: %v in %v", step.update, got.Keywords, got.MailboxIDs)
		}
	}
	nowhere := mail.EmailUpdate{Mailboxes: mail.SetUpdate[jmap.ID]{Replace: true}}
	elsewhere := mail.EmailUpdate{Mailboxes: mail.SetUpdate[jmap.ID]{Members: map[jmap.ID]bool{"none": true}}}
	out := b.do(&emailSet{Update: map[jmap.ID]mail.EmailUpdate{e.ID: nowhere, "none": {}}, Destroy: []jmap.ID{"none"},
		Create: map[jmap.ID]mail.EmailCreate{"k": {Body: bytes.NewReader(b.message())}}})
	for what, got := range map[string]*jmap.SetError{"notFound update": out.NotUpdated["none"], "notFound destroy": out.NotDestroyed["none"],
		"invalidProperties update to no mailbox": out.NotUpdated[e.ID], "invalidProperties create in no mailbox": out.NotCreated["k"],
		"invalidProperties update to an unknown mailbox": b.do(&emailSet{Update: map[jmap.ID]mail.EmailUpdate{e.ID: elsewhere}}).NotUpdated[e.ID]} {
		if got == nil || !bytes.HasPrefix([]byte(what), []byte(got.Type)) {
			b.Errorf("want %s, got %v", what, got)
		}
	}
	out = b.do(&emailSet{Destroy: []jmap.ID{e.ID}})
	if !slices.Equal(out.Destroyed, []jmap.ID{e.ID}) || len(b.records(nil).List) != 0 {
		b.Errorf("destroy: %+v", out)
	}
}

// boxes checks Mailbox/set and the counts.
func (b *bench) boxes() {
	set := b.a.Mailboxes.Setter
	if set == nil {
		b.Skip("the account has no Mailboxes.Setter")
	}
	type boxSet = jmap.SetRequest[mail.Mailbox, mail.MailboxUpdate, mail.MailboxSetArgs]
	do := func(r *boxSet) *jmap.SetResponse[mail.Mailbox] {
		b.Helper()
		out, err := set.Set(b.ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	find := func(id jmap.ID) mail.Mailbox {
		b.Helper()
		for _, m := range b.mailboxes() {
			if m.ID == id {
				return m
			}
		}
		b.Fatalf("no mailbox %s", id)
		return mail.Mailbox{}
	}
	parent := do(&boxSet{Create: map[jmap.ID]mail.Mailbox{"p": {Name: "Parent", IsSubscribed: true}}}).Created["p"].ID
	child := do(&boxSet{Create: map[jmap.ID]mail.Mailbox{"c": {Name: "Child", ParentID: &parent}}}).Created["c"].ID
	if m := find(child); m.Name != "Child" || m.ParentID == nil || *m.ParentID != parent || m.IsSubscribed || !find(parent).IsSubscribed {
		b.Errorf("created %+v", m)
	}
	e := b.add(b.message(), day, nil, child)
	if m := find(child); m.TotalEmails != 1 || m.UnreadEmails != 1 || m.TotalThreads != 1 || m.UnreadThreads != 1 {
		b.Errorf("counts %+v", m)
	}
	b.do(&emailSet{Update: map[jmap.ID]mail.EmailUpdate{e.ID: {Keywords: mail.SetUpdate[string]{Members: map[string]bool{"$seen": true}}}}})
	if m := find(child); m.TotalEmails != 1 || m.UnreadEmails != 0 || m.UnreadThreads != 0 {
		b.Errorf("counts %+v", m)
	}
	archive := mail.Role("archive")
	if has := slices.ContainsFunc(b.mailboxes(), func(m mail.Mailbox) bool { return m.Role == archive }); has {
		out := do(&boxSet{Create: map[jmap.ID]mail.Mailbox{"r": {Name: "Second", Role: archive}}, Update: map[jmap.ID]mail.MailboxUpdate{child: {Role: &archive}}})
		if out.NotCreated["r"] == nil || out.NotUpdated[child] == nil {
			b.Errorf("two mailboxes of one role (RFC 8621 §2): %+v", out)
		}
	}
	name := "Parent"
	out := do(&boxSet{Create: map[jmap.ID]mail.Mailbox{"p": {Name: "Parent"}}, Destroy: []jmap.ID{parent, child, "none"},
		Update: map[jmap.ID]mail.MailboxUpdate{parent: {ParentID: jmap.Optional[jmap.ID]{Set: true, Value: &child}}, "none": {Name: &name}}})
	for what, c := range map[string]struct {
		got  *jmap.SetError
		want jmap.SetErrorType
	}{
		"a sibling of that name":          {out.NotCreated["p"], jmap.SetInvalidProperties},
		"a circle":                        {out.NotUpdated[parent], jmap.SetInvalidProperties},
		"update of none":                  {out.NotUpdated["none"], jmap.SetNotFound},
		"destroy of none":                 {out.NotDestroyed["none"], jmap.SetNotFound},
		"destroy of one with a child":     {out.NotDestroyed[parent], jmap.SetMailboxHasChild},
		"destroy of one with an email in": {out.NotDestroyed[child], jmap.SetMailboxHasEmail},
	} {
		if c.got == nil || c.got.Type != c.want {
			b.Errorf("%s: %v, want %s", what, c.got, c.want)
		}
	}
	name = "Renamed"
	do(&boxSet{Update: map[jmap.ID]mail.MailboxUpdate{child: {Name: &name, ParentID: jmap.Optional[jmap.ID]{Set: true}}}})
	if m := find(child); m.Name != name || m.ParentID != nil || m.TotalEmails != 1 {
		b.Errorf("renamed %+v", m)
	}
	do(&boxSet{Destroy: []jmap.ID{child, parent}, Args: mail.MailboxSetArgs{OnDestroyRemoveEmails: true}})
	if left := b.records(nil).List; len(left) != 0 {
		b.Errorf("the emails of a mailbox that is gone: %v", left)
	}
}

// blobs checks that a blob is read by its account alone.
func (b *bench) blobs() {
	missing := func(a *mail.Account, id jmap.ID) {
		b.Helper()
		blob, err := a.Blobs.OpenBlob(b.ctx, id)
		if e, ok := err.(*jmap.SetError); !ok || e.Type != jmap.SetBlobNotFound {
			b.Errorf("blob %s: %v, %v", id, blob, err)
		}
	}
	missing(b.a, "none")
	if b.a.Uploads == nil {
		b.Skip("the account has no Uploads")
	}
	raw := bytes.Repeat([]byte("0123456789\x00\xff"), 10_000)
	id, size, err := b.a.Uploads.Upload(b.ctx, bytes.NewReader(raw))
	if err != nil || size != int64(len(raw)) {
		b.Fatal(size, err)
	}
	missing(b.other, id)
	for range 2 { // more than once
		blob, err := b.a.Blobs.OpenBlob(b.ctx, id)
		if err != nil {
			b.Fatal(err)
		}
		back, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
		if err != nil || !bytes.Equal(back, raw) {
			b.Errorf("%d octets of %d come back, %v", len(back), len(raw), err)
		}
		blob.Close()
	}
	e := b.add(b.message(), day, nil, b.mailboxes()[0].ID)
	missing(b.other, e.BlobID)
}

// watch checks that the Watcher tells of a change, and knows the states.
func (b *bench) watch() {
	if b.a.Watcher == nil {
		b.Skip("the account has no Watcher")
	}
	ch := b.a.Watcher.Watch(b.ctx)
	told := func() map[string]jmap.State {
		b.Helper()
		select {
		case <-ch:
		case <-b.ctx.Done():
			b.Fatal("a change that was not told")
		}
		states, err := b.a.Watcher.States(b.ctx)
		if want := b.records([]jmap.ID{}).State; err != nil || states["Email"] != want {
			b.Errorf("states %v, %v, but Email/get says %s", states, err, want)
		}
		return states
	}
	before, err := b.a.Watcher.States(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	for range 3 {
		e := b.add(b.message(), day, nil, b.mailboxes()[0].ID)
		added := told()
		if added[mail.EmailDelivery] == "" || added[mail.EmailDelivery] == before[mail.EmailDelivery] {
			b.Errorf("an email came, but EmailDelivery is %q after %q (RFC 8621 §1.5)", added[mail.EmailDelivery], before[mail.EmailDelivery])
		}
		b.do(&emailSet{Update: map[jmap.ID]mail.EmailUpdate{e.ID: {Keywords: mail.SetUpdate[string]{Members: map[string]bool{"$seen": true}}}}})
		if before = told(); before[mail.EmailDelivery] != added[mail.EmailDelivery] {
			b.Errorf("a keyword changes EmailDelivery from %q to %q", added[mail.EmailDelivery], before[mail.EmailDelivery])
		}
	}
}

// step does something to the mail of the account.
func (b *bench) step() {
	list, boxes := b.records(nil).List, b.mailboxes()
	box := boxes[b.rnd.IntN(min(3, len(boxes)))].ID
	if len(list) < 5 || b.rnd.IntN(3) == 0 {
		b.add(b.message(), day.Add(time.Duration(b.rnd.IntN(20))*time.Minute), nil, box)
		return
	}
	e := list[b.rnd.IntN(len(list))]
	u := mail.EmailUpdate{Keywords: mail.SetUpdate[string]{Members: map[string]bool{"$seen": b.rnd.IntN(2) == 0}}}
	switch b.rnd.IntN(4) {
	case 0:
		b.do(&emailSet{Destroy: []jmap.ID{e.ID}})
		return
	case 1:
		u = mail.EmailUpdate{Mailboxes: mail.SetUpdate[jmap.ID]{Replace: b.rnd.IntN(2) == 0, Members: map[jmap.ID]bool{box: true}}}
	}
	b.do(&emailSet{Update: map[jmap.ID]mail.EmailUpdate{e.ID: u}})
}

// history checks that changes keep a client in step, and queries, whatever happens.
func (b *bench) history() {
	replicas := []interface{ sync(most uint) }{newReplica(b, "Email", b.a.Emails.Changer, func(ids []jmap.ID) (*jmap.GetResponse[mail.Record], error) { return b.records(ids), nil },
		func(r *mail.Record) jmap.ID { r.Summary = nil; return r.ID })}
	if g := b.a.Threads.Getter; g != nil {
		replicas = append(replicas, newReplica(b, "Thread", b.a.Threads.Changer, func(ids []jmap.ID) (*jmap.GetResponse[mail.Thread], error) {
			return g.Get(b.ctx, &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
		}, func(r *mail.Thread) jmap.ID { return r.ID }))
	}
	if ch := b.a.Mailboxes.Changer; ch != nil {
		replicas = append(replicas, newReplica(b, "Mailbox", mailboxChanger{ch}, func(ids []jmap.ID) (*jmap.GetResponse[mail.Mailbox], error) {
			return b.a.Mailboxes.Getter.Get(b.ctx, &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
		}, func(r *mail.Mailbox) jmap.ID { return r.ID }))
	}
	for range 80 {
		for range b.rnd.IntN(5) {
			b.step()
		}
		for _, r := range replicas {
			r.sync(uint(1 + b.rnd.IntN(5)))
		}
		b.windows()
	}
}

type mailboxChanger struct{ mail.MailboxChanger }

func (c mailboxChanger) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	out, err := c.MailboxChanger.Changes(ctx, r)
	if err != nil {
		return nil, err
	}
	return &out.ChangesResponse, nil
}

// A replica is what a client has of one type.
type replica[T any] struct {
	*bench
	name    string
	changer jmap.Changer
	get     func([]jmap.ID) (*jmap.GetResponse[T], error)
	id      func(*T) jmap.ID
	state   jmap.State
	have    map[jmap.ID]T
}

func newReplica[T any](b *bench, name string, c jmap.Changer, get func([]jmap.ID) (*jmap.GetResponse[T], error), id func(*T) jmap.ID) *replica[T] {
	r := &replica[T]{bench: b, name: name, changer: c, get: get, id: id}
	r.have, r.state = r.fetch(nil)
	if c != nil {
		if _, err := c.Changes(b.ctx, &jmap.ChangesRequest{AccountID: b.a.ID, SinceState: "unknown"}); !jmap.IsMethodError(err, jmap.CannotCalculateChanges) {
			b.Errorf("%s: changes since an unknown state: %v", name, err)
		}
	}
	return r
}

func (r *replica[T]) fetch(ids []jmap.ID) (map[jmap.ID]T, jmap.State) {
	r.Helper()
	got, err := r.get(ids)
	if err != nil {
		r.Fatal(r.name, err)
	}
	out := make(map[jmap.ID]T, len(got.List))
	for _, x := range got.List {
		out[r.id(&x)] = x
	}
	return out, got.State
}

// sync follows the changes in pages, to the end.
func (r *replica[T]) sync(most uint) {
	r.Helper()
	if r.changer == nil {
		return
	}
	for pages := 0; ; pages++ {
		c, err := r.changer.Changes(r.ctx, &jmap.ChangesRequest{AccountID: r.a.ID, SinceState: r.state, MaxChanges: &most})
		if err != nil || pages > 1000 {
			r.Fatalf("%s/changes since %s, page %d: %v", r.name, r.state, pages, err)
		}
		if n := len(c.Created) + len(c.Updated) + len(c.Destroyed); n > int(most) || c.HasMoreChanges && c.NewState == r.state {
			r.Fatalf("%s/changes: %d in a page of %d, state %s after %s", r.name, n, most, c.NewState, r.state)
		}
		for _, id := range c.Destroyed {
			delete(r.have, id)
		}
		if ids := slices.Concat(c.Created, c.Updated); len(ids) > 0 {
			got, _ := r.fetch(ids)
			maps.Copy(r.have, got)
			for _, id := range ids {
				if _, ok := got[id]; !ok {
					delete(r.have, id)
				}
			}
		}
		r.state = c.NewState
		if !c.HasMoreChanges {
			break
		}
	}
	if all, _ := r.fetch(nil); !reflect.DeepEqual(r.have, all) {
		r.Fatalf("%s: the client has\n%+v\nthe store\n%+v", r.name, r.have, all)
	}
}
