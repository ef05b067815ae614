package mailserver_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
)

// ids makes one Email/query and returns the ids as text.
func ids(t *testing.T, h http.Handler, arguments string) string {
	t.Helper()
	got := post(t, h, `[["Email/query",{"accountId":"u1",`+arguments+`},"0"]]`)
	_, got, ok := strings.Cut(got, `"ids":[`)
	if !ok {
		return post(t, h, `[["Email/query",{"accountId":"u1",`+arguments+`},"0"]]`)
	}
	got, _, _ = strings.Cut(got, "]")
	return strings.ReplaceAll(strings.ReplaceAll(got, `"`, ""), ",", " ")
}

func TestEmailQuery(t *testing.T) {
	store := newStore()
	h := newServer(store)
	names := map[string]string{}
	deliver := func(name, role string, minutes int, raw []byte, keywords ...string) {
		names[string(store.Deliver("alice@example.com", jmap.NullString(role), at(minutes), raw, keywords...))] = name
	}
	deliver("a", "inbox", 0, jmaptest.Message("Alice <alice@example.com>", "Lunch plans", "Shall we meet at noon?", "Message-ID: <a@x>", "To: Bob <bob@example.net>"), "$seen")
	deliver("b", "inbox", 3, jmaptest.Message("Bob <bob@example.net>", "Re: [list] Lunch plans", "Café is fine.\nSee you there", "Message-ID: <b@x>", "References: <a@x>", "X-Tag: blue moon"), "$flagged")
	deliver("c", "archive", 1, jmaptest.Message("=?utf-8?q?J=C3=B6rg?= <joerg@example.org>", "aardvark", "the quick brown fox jumps", "Date: Fri, 21 Nov 1997 09:55:06 -0600"))
	deliver("d", "trash", 2, []byte(invitation))
	deliver("e", "inbox", 2, []byte("From: z@example.com\r\nSubject: file\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbody text\r\n--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--\r\n"))
	for _, c := range []struct{ arguments, want string }{
		{`"sort":[{"property":"receivedAt"}]`, "a c d e b"},
		{`"sort":[{"property":"receivedAt","isAscending":false}]`, "b d e c a"},
		{`"filter":{}`, "b d e c a"},
		{`"filter":{"inMailbox":"m1"}`, "b e a"},
		{`"filter":{"inMailboxOtherThan":["m1","m5"]}`, "c"},
		{`"filter":{"inMailbox":"nope"}`, ""},
		{`"filter":{"before":"2013-10-13T14:14:00Z"}`, "c a"},
		{`"filter":{"after":"2013-10-13T14:14:00Z"}`, "b d e"},
		{`"filter":{"hasKeyword":"$SEEN"}`, "a"},
		{`"filter":{"notKeyword":"$seen","inMailbox":"m1"}`, "b e"},
		{`"filter":{"someInThreadHaveKeyword":"$flagged"}`, "b a"},
		{`"filter":{"allInThreadHaveKeyword":"$flagged"}`, ""},
		{`"filter":{"noneInThreadHaveKeyword":"$flagged"}`, "d e c"},
		{`"filter":{"hasAttachment":true}`, "e"},
		{`"filter":{"from":"jörg"}`, "c"},
		{`"filter":{"from":"JÖRG example.org"}`, "c"},
		{`"filter":{"to":"bob"}`, "a"},
		{`"filter":{"cc":"bob"}`, ""},
		{`"filter":{"subject":"lunch"}`, "b a"},
		{`"filter":{"subject":"\"plans lunch\""}`, ""},
		{`"filter":{"subject":"plans lunch"}`, "b a"},
		{`"filter":{"body":"QUICK fox"}`, "c"},
		{`"filter":{"body":"'brown fox'"}`, "c"},
		{`"filter":{"body":"fine. See"}`, "b"},
		{`"filter":{"body":"\"fine. See\""}`, "b"},
		{`"filter":{"body":"body"}`, "e"}, // not the tag of d
		{`"filter":{"body":"hello"}`, "d"},
		{`"filter":{"text":"bob noon"}`, "a"},
		{`"filter":{"text":"cafe\u0301"}`, "b"}, // both become NFC
		{`"filter":{"header":["x-tag"]}`, "b"},
		{`"filter":{"header":["X-Tag","BLUE"]}`, "b"},
		{`"filter":{"header":["X-Tag","red"]}`, ""},
		{`"filter":{"minSize":10,"maxSize":0}`, ""},
		{`"filter":{"operator":"OR","conditions":[{"hasKeyword":"$seen"},{"operator":"AND","conditions":[{"from":"z@example.com"},{"inMailbox":"m1"}]}]}`, "e a"},
		{`"filter":{"operator":"NOT","conditions":[{"inMailbox":"m1"},{"inMailbox":"m5"}]}`, "c"},
		{`"sort":[{"property":"subject"}]`, "c d e b a"},
		{`"sort":[{"property":"from","isAscending":false}]`, "e c d b a"},
		{`"sort":[{"property":"hasKeyword","keyword":"$flagged","isAscending":false},{"property":"receivedAt"}]`, "b a c d e"},
		{`"sort":[{"property":"someInThreadHaveKeyword","keyword":"$flagged","isAscending":false},{"property":"receivedAt"}]`, "a b c d e"},
		{`"sort":[{"property":"sentAt","isAscending":false},{"property":"receivedAt"}]`, "c a d e b"},
		{`"collapseThreads":true`, "b d e c"},
		{`"collapseThreads":true,"sort":[{"property":"receivedAt"}],"position":1,"limit":2`, "c d"},
		{`"position":-2`, "c a"},
		{`"limit":0`, ""},
	} {
		got := strings.Fields(ids(t, h, c.arguments))
		for i := range got {
			got[i] = names[got[i]]
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.arguments, strings.Join(got, " "), c.want)
		}
	}
	for arguments, want := range map[string]string{
		`"sort":[{"property":"nope"}]`:                            "unsupportedSort",
		`"sort":[{"property":"hasKeyword"}]`:                      "invalidArguments",
		`"sort":[{"property":"subject","collation":"i;klingon"}]`: "unsupportedSort",
		`"filter":{"nope":1}`:                                     "invalidArguments",
		`"filter":{"hasKeyword":"a b"}`:                           "invalidArguments",
		`"filter":{"header":[]}`:                                  "invalidArguments",
		`"filter":{"header":["a","b","c"]}`:                       "invalidArguments",
		`"filter":{"before":"yesterday"}`:                         "invalidArguments",
		`"filter":{"operator":"XOR","conditions":[]}`:             "invalidArguments",
		`"limit":-1`:      "invalidArguments",
		`"anchor":"nope"`: "anchorNotFound",
	} {
		expect(t, h, `[["Email/query",{"accountId":"u1",`+arguments+`},"0"]]`, `[["error",{"type":"`+want+`"…`)
	}
}

// Pages by position and by anchor make up the whole list, and total is its length.
func TestQueryPages(t *testing.T) {
	store := newStore()
	h := newServer(store)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		var refs []string
		if i > 0 && rnd.IntN(3) > 0 {
			refs = append(refs, fmt.Sprintf("References: <%d@x>", rnd.IntN(i)))
		}
		raw := jmaptest.Message("a@example.com", fmt.Sprint("s", rnd.IntN(5)), "text", append(refs, fmt.Sprintf("Message-ID: <%d@x>", i))...)
		store.Deliver("alice@example.com", "inbox", at(rnd.IntN(20)), raw)
	}
	for _, args := range []string{`"collapseThreads":false`, `"collapseThreads":true`, `"sort":[{"property":"subject"}],"collapseThreads":true`} {
		all := strings.Fields(ids(t, h, args))
		for _, size := range []int{1, 7, 60} {
			var byPosition, byAnchor []string
			for len(byPosition) < len(all) {
				got := post(t, h, fmt.Sprintf(`[["Email/query",{"accountId":"u1",%s,"position":%d,"limit":%d,"calculateTotal":true},"0"]]`, args, len(byPosition), size))
				if want := fmt.Sprintf(`"total":%d`, len(all)); !strings.Contains(got, want) {
					t.Fatalf("%s: no %s", got, want)
				}
				_, got, _ = strings.Cut(got, `"ids":[`)
				got, _, _ = strings.Cut(got, "]")
				byPosition = append(byPosition, strings.Split(strings.ReplaceAll(got, `"`, ""), ",")...)
			}
			byAnchor = append(byAnchor, all[0])
			for len(byAnchor) < len(all) {
				page := strings.Fields(ids(t, h, fmt.Sprintf(`%s,"anchor":%q,"anchorOffset":1,"limit":%d`, args, byAnchor[len(byAnchor)-1], size)))
				if len(page) == 0 {
					t.Fatalf("%s: empty page", args)
				}
				byAnchor = append(byAnchor, page...)
			}
			if !slices.Equal(byPosition, all) || !slices.Equal(byAnchor, all) {
				t.Errorf("%s in pages of %d:\nall    %v\nby pos %v\nanchor %v", args, size, all, byPosition, byAnchor)
			}
		}
	}
}

func TestQueriesAgainstModel(t *testing.T) { jmaptest.TestQueries(t, newServer(newStore()), "u1") }
