package jmaptest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// TestQueries checks Email/query and Email/queryChanges of a server against a naive model, over a random history of an
// account that is empty at first: results, positions and limits, anchors with offsets of both signs, totals,
// collapseThreads; and that the changes of a result make the next result of the one before. Where the server says
// canCalculateChanges, queryChanges must not be cannotCalculateChanges.
//
// h is the server; every request, a POST to /jmap/api, is of a user who may write to the account.
func TestQueries(t *testing.T, h http.Handler, account jmap.ID) {
	for seed := range uint64(3) {
		m := &model{bench: &bench{T: t, ctx: t.Context(), rnd: rand.New(rand.NewPCG(seed, 8621))}, h: h, account: account}
		m.run()
	}
}

// A model is the mail of an account as Email/get tells it, and what queries should make of it.
type model struct {
	*bench
	h       http.Handler
	account jmap.ID
	boxes   []jmap.ID
	emails  map[jmap.ID]mail.Email
}

// call makes one method call. The error is a *jmap.MethodError.
func (m *model) call(name string, args, result any) error {
	m.Helper()
	raw, err := jmap.Marshal(args)
	if err != nil {
		m.Fatal(err)
	}
	body, err := jmap.Marshal(jmap.Request{Using: []string{jmap.CapabilityCore, jmap.CapabilityMail}, MethodCalls: []jmap.Invocation{{Name: name, Args: raw, ID: "0"}}})
	if err != nil {
		m.Fatal(err)
	}
	r := httptest.NewRequestWithContext(m.ctx, http.MethodPost, "/jmap/api", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.h.ServeHTTP(w, r)
	var resp jmap.Response
	if err := jmap.Unmarshal(w.Body.Bytes(), &resp); err != nil || len(resp.MethodResponses) != 1 {
		m.Fatalf("%s: status %d, %v: %s", name, w.Code, err, w.Body)
	}
	return resp.MethodResponses[0].Decode(name, result)
}

func (m *model) must(name string, args, result any) {
	m.Helper()
	if err := m.call(name, args, result); err != nil {
		m.Fatal(name, err)
	}
}

// change does something to the mail by Email/set.
func (m *model) change() {
	m.Helper()
	ids := make([]jmap.ID, 0, len(m.emails))
	for id := range m.emails {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	r := jmap.SetRequest[mail.Email, map[string]any, jmap.NoArgs]{AccountID: m.account}
	pick := m.rnd.IntN(10)
	switch {
	case len(ids) < 8 || pick < 3:
		m.n++
		subject := fmt.Sprint("s", m.rnd.IntN(5))
		e := mail.Email{MailboxIDs: map[jmap.ID]bool{m.boxes[m.rnd.IntN(len(m.boxes))]: true}, Subject: &subject,
			ReceivedAt: jmap.UTCDate{Time: day.Add(time.Duration(m.rnd.IntN(15)) * time.Minute)}, MessageID: []string{fmt.Sprintf("%d@example.com", m.n)}}
		if m.n > 1 && m.rnd.IntN(2) == 0 {
			e.References = []string{fmt.Sprintf("%d@example.com", 1+m.rnd.IntN(m.n-1))}
		}
		e.From = []mail.Address{{Email: fmt.Sprintf("a%d@example.com", m.rnd.IntN(4))}}
		e.BodyValues = map[string]mail.BodyValue{"1": {Value: strings.Repeat("x", m.rnd.IntN(60))}}
		e.TextBody = []mail.BodyPart{{PartID: "1", Type: "text/plain"}}
		r.Create = map[jmap.ID]mail.Email{"k": e}
	case pick == 3:
		r.Destroy = []jmap.ID{ids[m.rnd.IntN(len(ids))]}
	case pick < 6:
		r.Update = map[jmap.ID]map[string]any{ids[m.rnd.IntN(len(ids))]: {"mailboxIds": map[jmap.ID]bool{m.boxes[m.rnd.IntN(len(m.boxes))]: true}}}
	default:
		var on any
		if m.rnd.IntN(2) == 0 {
			on = true
		}
		r.Update = map[jmap.ID]map[string]any{ids[m.rnd.IntN(len(ids))]: {"keywords/x": on}}
	}
	var out jmap.SetResponse[mail.Email]
	m.must("Email/set", r, &out)
	for _, list := range []map[jmap.ID]*jmap.SetError{out.NotCreated, out.NotUpdated, out.NotDestroyed} {
		for id, err := range list {
			m.Fatal(id, err)
		}
	}
	m.load()
}

// load reads all emails.
func (m *model) load() {
	m.Helper()
	var all jmap.GetResponse[mail.Email]
	m.must("Email/get", jmap.GetRequest[jmap.NoArgs]{AccountID: m.account, Properties: []string{"id", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "subject", "from"}}, &all)
	m.emails = make(map[jmap.ID]mail.Email)
	for _, e := range all.List {
		m.emails[e.ID] = e
	}
}

// A question is a filter and a sort with what the model makes of them.
type question struct {
	filter string
	match  func(e *mail.Email) bool
	sort   []mail.Comparator
	args   mail.EmailQueryArgs
	rank   func(a, b mail.Email) int // ascending, of the first comparator
}

func (m *model) questions() []question {
	box := m.boxes[0]
	thread := func(of *mail.Email) (with, without int) {
		for _, e := range m.emails {
			if e.ThreadID == of.ThreadID && e.Keywords["x"] {
				with++
			} else if e.ThreadID == of.ThreadID {
				without++
			}
		}
		return with, without
	}
	all := func(*mail.Email) bool { return true }
	in := func(e *mail.Email) bool { return e.MailboxIDs[box] }
	received := func(a, b mail.Email) int { return a.ReceivedAt.Compare(b.ReceivedAt.Time) }
	size := func(a, b mail.Email) int { return cmp.Compare(a.Size, b.Size) }
	flagged := func(a, b mail.Email) int { return truth(a.Keywords["x"]) - truth(b.Keywords["x"]) }
	inBox := fmt.Sprintf(`{"inMailbox":%q}`, box)
	down := false
	byDate, newest := []mail.Comparator{{Property: "receivedAt"}}, []mail.Comparator{{Property: "receivedAt", IsAscending: &down}}
	bySize, byKeyword := []mail.Comparator{{Property: "size"}}, []mail.Comparator{{Property: "hasKeyword", Keyword: "x"}}
	out := []question{
		{filter: inBox, match: in, sort: newest, rank: received},
		{filter: inBox, match: in, sort: byDate, rank: received},
		{filter: inBox, match: in, sort: bySize, rank: size},
		{filter: `{}`, match: all, sort: byKeyword, rank: flagged},
		{filter: `{"hasKeyword":"x"}`, match: func(e *mail.Email) bool { return e.Keywords["x"] }, sort: newest, rank: received},
		{filter: `{"operator":"NOT","conditions":[` + inBox + `,{"subject":"s1"}]}`, sort: byDate, rank: received,
			match: func(e *mail.Email) bool { return !in(e) && *e.Subject != "s1" }},
		{filter: `{"operator":"OR","conditions":[{"from":"a1@example.com"},{"operator":"AND","conditions":[` + inBox + `,{"notKeyword":"x"}]}]}`, sort: newest, rank: received,
			match: func(e *mail.Email) bool { return e.From[0].Email == "a1@example.com" || in(e) && !e.Keywords["x"] }},
		{filter: `{"after":"2013-10-13T14:15:00Z","before":"2013-10-13T14:22:00Z"}`, sort: bySize, rank: size,
			match: func(e *mail.Email) bool {
				return !e.ReceivedAt.Before(day.Add(3*time.Minute)) && e.ReceivedAt.Before(day.Add(10*time.Minute))
			}},
		{filter: `{"someInThreadHaveKeyword":"x"}`, match: func(e *mail.Email) bool { with, _ := thread(e); return with > 0 }, sort: newest, rank: received},
		{filter: `{"allInThreadHaveKeyword":"x"}`, match: func(e *mail.Email) bool { _, without := thread(e); return without == 0 }, sort: newest, rank: received},
		{filter: `{"noneInThreadHaveKeyword":"x"}`, match: func(e *mail.Email) bool { with, _ := thread(e); return with == 0 }, sort: byDate, rank: received},
	}
	for _, q := range out {
		q.args.CollapseThreads = true
		out = append(out, q)
	}
	return out
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A known is a result that a client keeps.
type known struct {
	state jmap.State
	ids   []jmap.ID
	can   bool
}

func (m *model) run() {
	m.Helper()
	var boxes jmap.GetResponse[mail.Mailbox]
	m.must("Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: m.account}, &boxes)
	for _, b := range boxes.List[:min(3, len(boxes.List))] {
		m.boxes = append(m.boxes, b.ID)
	}
	m.load()
	questions := m.questions()
	cache := make([]*known, len(questions))
	for range 60 {
		for range m.rnd.IntN(4) {
			m.change()
		}
		i := m.rnd.IntN(len(questions))
		now := m.whole(&questions[i])
		if cache[i] != nil {
			m.queryChanges(&questions[i], cache[i], now)
		}
		cache[i] = now
	}
	var gone jmap.SetResponse[mail.Email]
	for id := range m.emails {
		m.must("Email/set", jmap.SetRequest[mail.Email, map[string]any, jmap.NoArgs]{AccountID: m.account, Destroy: []jmap.ID{id}}, &gone)
	}
}

func (q *question) request(account jmap.ID) emailQuery {
	r := emailQuery{AccountID: account, Filter: new(jmap.Filter[mail.EmailCondition]), Sort: q.sort, CalculateTotal: true, Args: q.args}
	if err := jmap.Unmarshal([]byte(q.filter), r.Filter); err != nil {
		panic(err) // a fault of the table
	}
	return r
}

// whole asks a question without a window, compares the result with the model, and windows with the result.
func (m *model) whole(q *question) *known {
	m.Helper()
	ask := func(r emailQuery) *jmap.QueryResponse {
		m.Helper()
		var out jmap.QueryResponse
		m.must("Email/query", r, &out)
		return &out
	}
	r := q.request(m.account)
	got := ask(r)
	r.Args.CollapseThreads = false
	full := ask(r).IDs
	var want []jmap.ID
	for id, e := range m.emails {
		if q.match(&e) {
			want = append(want, id)
		}
	}
	order := func(x, y jmap.ID) int {
		if c := q.rank(m.emails[x], m.emails[y]); !q.sort[0].Descending() {
			return c
		} else {
			return -c
		}
	}
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(full)), want) || !slices.IsSortedFunc(full, order) {
		m.Fatalf("%s by %s: got %v, want %v in order", q.filter, q.sort[0].Property, full, want)
	}
	if q.args.CollapseThreads {
		full = collapse(full, func(id jmap.ID) jmap.ID { return m.emails[id].ThreadID })
	}
	if !slices.Equal(got.IDs, full) || got.Total == nil || *got.Total != uint(len(full)) {
		m.Fatalf("%s by %s, collapseThreads %v: got %v, want %v", q.filter, q.sort[0].Property, q.args.CollapseThreads, got.IDs, full)
	}
	r.Args = q.args
	m.window(r, full, ask)
	r.Anchor = "none"
	if err := m.call("Email/query", r, new(jmap.QueryResponse)); !jmap.IsMethodError(err, jmap.AnchorNotFound) {
		m.Errorf("an anchor that is not there: %v", err)
	}
	return &known{state: got.QueryState, ids: got.IDs, can: got.CanCalculateChanges}
}

// queryChanges compares a result that a client makes of an older one with the result.
func (m *model) queryChanges(q *question, old, now *known) {
	m.Helper()
	r := q.request(m.account)
	var diff jmap.QueryChangesResponse
	err := m.call("Email/queryChanges", jmap.QueryChangesRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]{AccountID: m.account, Filter: r.Filter, Sort: r.Sort,
		SinceQueryState: old.state, CalculateTotal: true, Args: r.Args}, &diff)
	if jmap.IsMethodError(err, jmap.CannotCalculateChanges) && !old.can {
		return
	}
	if err != nil {
		m.Fatalf("%s by %s: %v", q.filter, q.sort[0].Property, err)
	}
	if got := diff.Apply(old.ids); !slices.Equal(got, now.ids) || diff.OldQueryState != old.state || diff.NewQueryState != now.state || diff.Total == nil || *diff.Total != uint(len(now.ids)) {
		m.Fatalf("%s by %s: Email/queryChanges %+v\nmakes %v\nof    %v\nwant  %v", q.filter, q.sort[0].Property, diff, got, old.ids, now.ids)
	}
}
