package mailserver_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// someQuotas is a backend whose account has nothing but quotas to speak of.
type someQuotas struct {
	*jmaptest.Store
	list []mail.Quota
}

func (s *someQuotas) Accounts(ctx context.Context, user string) ([]*mail.Account, error) {
	out, err := s.Store.Accounts(ctx, user)
	out[0].Quotas = s
	return out, err
}

func (s *someQuotas) Quotas(context.Context) ([]mail.Quota, error) { return slices.Clone(s.list), nil }

func quotaServer(list ...mail.Quota) (*someQuotas, *jmapserver.Server) {
	b := &someQuotas{newStore(), list}
	return b, mailserver.NewServer(b, func(*http.Request) (string, error) { return "alice@example.com", nil })
}

// TestQuota: every property, types by the capabilities in use (RFC 9425 §4.1), filters and sorts (§4.4).
func TestQuota(t *testing.T) {
	warn, about := uint(8), "All of it."
	b, h := quotaServer(
		mail.Quota{ID: "a", ResourceType: mail.QuotaOctets, Used: 5, HardLimit: 10, Scope: mail.QuotaAccount, Name: "mail of Alice", Types: []string{"Email", "CalendarEvent"}, WarnLimit: &warn, Description: &about},
		mail.Quota{ID: "b", ResourceType: mail.QuotaCount, Used: 1, HardLimit: 3, Scope: mail.QuotaDomain, Name: "all", Types: []string{"Email"}},
		mail.Quota{ID: "c", ResourceType: mail.QuotaCount, Used: 1, HardLimit: 3, Scope: mail.QuotaAccount, Name: "events", Types: []string{"CalendarEvent"}})
	state := `"qa.5.…,b.1.…,c.1.…"`
	expect(t, h, `[["Quota/get",{"accountId":"u1","ids":null},"0"]]`,
		`[["Quota/get",{"accountId":"u1","state":`+state+`,"list":[{"id":"a","resourceType":"octets","used":5,"hardLimit":10,"scope":"account","name":"mail of Alice","types":["Email"],"warnLimit":8,"softLimit":null,"description":"All of it."},{"id":"b",…,"warnLimit":null,"softLimit":null,"description":null}],"notFound":[]},"0"]]`)
	expect(t, h, `[["Quota/get",{"accountId":"u1","ids":["c","b"],"properties":["used"]},"0"]]`, `[["Quota/get",{"accountId":"u1","state":…,"list":[{"id":"b","used":1}],"notFound":["c"]},"0"]]`)
	for arguments, want := range map[string]string{
		`"sort":[{"property":"name"}]`:                                     `["b","a"]`,
		`"sort":[{"property":"used","isAscending":false}]`:                 `["a","b"]`,
		`"filter":{"name":"of A"}`:                                         `["a"]`,
		`"filter":{"scope":"domain","resourceType":"count"}`:               `["b"]`,
		`"filter":{"type":"CalendarEvent"}`:                                `[]`,
		`"filter":{"operator":"NOT","conditions":[{"type":"Email"}]}`:      `[]`,
		`"filter":{},"sort":[{"property":"used"}],"position":1`:            `["a"]`,
		`"filter":{"type":"Email"},"sort":[{"property":"used"}],"limit":1`: `["b"]`,
	} {
		expect(t, h, `[["Quota/query",{"accountId":"u1",`+arguments+`},"0"]]`, `[["Quota/query",{"accountId":"u1","queryState":`+state+`,"canCalculateChanges":true,…"ids":`+want+`},"0"]]`)
	}
	expect(t, h, `[["Quota/query",{"accountId":"u1","sort":[{"property":"scope"}]},"0"]]`, `[["error",{"type":"unsupportedSort",…},"0"]]`)
	expect(t, h, `[["Quota/query",{"accountId":"u1","filter":{"id":"a"}},"0"]]`, `[["error",{"type":"invalidArguments",…},"0"]]`)
	for _, since := range []string{"", "0", "q", "qa.5", "qa.05.1", "qb.1.1,a.1.1", "qa.1.1,", "qa.1.zzzzzzzzz"} {
		if since != "q" { // of no quotas at all
			expect(t, h, `[["Quota/changes",{"accountId":"u1","sinceState":"`+since+`"},"0"]]`, `[["error",{"type":"cannotCalculateChanges",…},"0"]]`)
		}
	}
	expect(t, h, `[["Quota/changes",{"accountId":"u1","sinceState":"q"},"0"]]`, `[["Quota/changes",{"accountId":"u1","oldState":"q","newState":`+state+`,"hasMoreChanges":false,"created":["a","b","c"],"updated":[],"destroyed":[],"updatedProperties":null},"0"]]`)
	expect(t, h, `[["Quota/changes",{"accountId":"u1","sinceState":"q","maxChanges":0},"0"]]`, `[["error",{"type":"invalidArguments",…},"0"]]`)
	_, bare := b, mailserver.NewServer(newStore(), func(*http.Request) (string, error) { return "alice@example.com", nil })
	expect(t, bare, `[["Quota/get",{"accountId":"u1","ids":null},"0"]]`, `[["error",{"type":"accountNotSupportedByMethod",…},"0"]]`)
	watchers, err := mailserver.New(b).Watchers(t.Context(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if states, err := watchers["u1"].States(t.Context()); err != nil || states["Quota"] == "" || states["Email"] == "" {
		t.Errorf("pushed states %v, %v", states, err)
	}
}

// TestQuotaHistory: over random changes, pages of Quota/changes and Quota/queryChanges keep a client in step.
func TestQuotaHistory(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9425, 1))
	b, h := quotaServer()
	const query = `"accountId":"u1","filter":{"resourceType":"count"},"sort":[{"property":"used"},{"property":"name"}]`
	call := func(name, arguments string, out any) {
		t.Helper()
		var r []jmap.Invocation
		if err := jmap.Unmarshal([]byte(post(t, h, `[["`+name+`",{`+arguments+`},"0"]]`)), &r); err != nil {
			t.Fatal(err)
		}
		if err := r[0].Decode(name, out); err != nil {
			t.Fatal(name, arguments, err)
		}
	}
	has, state, result, queryState := map[jmap.ID]mail.Quota{}, jmap.State("q"), []jmap.ID{}, jmap.State("q")
	for range 300 {
		for range rnd.IntN(4) {
			id := jmap.ID(fmt.Sprint("x", rnd.IntN(6)))
			i := slices.IndexFunc(b.list, func(q mail.Quota) bool { return q.ID == id })
			switch n := rnd.IntN(4); {
			case i < 0:
				b.list = append(b.list, mail.Quota{ID: id, ResourceType: mail.QuotaCount, HardLimit: 9, Scope: mail.QuotaAccount, Name: fmt.Sprint(rnd.IntN(3)), Types: []string{"Email"}})
			case n == 0:
				b.list = slices.Delete(b.list, i, i+1)
			case n == 1:
				b.list[i].ResourceType = []mail.QuotaResource{mail.QuotaCount, mail.QuotaOctets}[rnd.IntN(2)]
			default:
				b.list[i].Used = uint(rnd.IntN(5))
			}
		}
		for more := true; more; {
			var c mail.QuotaChangesResponse
			call("Quota/changes", fmt.Sprintf(`"accountId":"u1","sinceState":%q,"maxChanges":%d`, state, 1+rnd.IntN(3)), &c)
			for _, id := range c.Destroyed {
				delete(has, id)
			}
			var got jmap.GetResponse[mail.Quota]
			ids, err := jmap.Marshal(slices.Concat(c.Created, c.Updated))
			if err != nil {
				t.Fatal(err)
			}
			call("Quota/get", `"accountId":"u1","ids":`+string(ids), &got)
			onlyUsed := len(c.Updated) > 0
			for _, q := range got.List {
				if old, ok := has[q.ID]; ok && (old.Name != q.Name || old.ResourceType != q.ResourceType) {
					onlyUsed = false
				}
				has[q.ID] = q
			}
			if onlyUsed != slices.Equal(c.UpdatedProperties, []string{"used"}) {
				t.Errorf("updatedProperties %v of %v", c.UpdatedProperties, c)
			}
			state, more = c.NewState, c.HasMoreChanges
		}
		if len(has) != len(b.list) {
			t.Fatalf("the client has %d, there are %d", len(has), len(b.list))
		}
		for _, q := range b.list {
			if x := has[q.ID]; x.Used != q.Used || x.ResourceType != q.ResourceType {
				t.Fatalf("the client has %+v of %+v", x, q)
			}
		}
		var diff jmap.QueryChangesResponse
		call("Quota/queryChanges", fmt.Sprintf(query+`,"sinceQueryState":%q,"calculateTotal":true`, queryState), &diff)
		var now jmap.QueryResponse
		call("Quota/query", query, &now)
		if result = diff.Apply(result); !slices.Equal(result, now.IDs) || diff.NewQueryState != now.QueryState || *diff.Total != uint(len(now.IDs)) {
			t.Fatalf("%+v makes %v, want %v", diff, result, now.IDs)
		}
		queryState = now.QueryState
	}
}
