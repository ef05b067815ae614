package mailstore

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// BenchmarkListView is what a mail client asks for first: the newest 50 threads of 10,000 messages, four a thread, with
// ten properties. What is measured is the server from the request to the response, without HTTP.
func BenchmarkListView(b *testing.B) {
	s := openDir(b, b.TempDir(), Options{})
	const n = 10_000
	a := fill(b, s, n)
	h := mailserver.NewServer(s, func(*http.Request) (string, error) { return "alice", nil })
	inbox := getMailboxes(b, jmapUser(b, s, "alice"))["Inbox"].ID
	list := fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[`+
		`["Email/query",{"accountId":%[1]q,"filter":{"inMailbox":%[2]q},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true,"limit":50},"0"],`+
		`["Email/get",{"accountId":%[1]q,"#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},`+
		`"properties":["threadId","mailboxIds","keywords","from","to","subject","receivedAt","size","preview","hasAttachment"]},"1"]]}`, a.ID, inbox)
	post := func(b *testing.B, body string) string {
		r := httptest.NewRequest(http.MethodPost, "/jmap/api", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	for name, change := range map[string]bool{"again": false, "after a flag has changed": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if change {
					b.StopTimer()
					on := [...]string{"true", "null"}[i%2]
					post(b, fmt.Sprintf(`{"using":["urn:ietf:params:jmap:mail"],"methodCalls":[["Email/set",{"accountId":%q,"update":{"M%d":{"keywords/x":%s}}},"0"]]}`, a.ID, n-i/2%40, on))
					b.StartTimer()
				}
				if got := post(b, list); strings.Count(got, `"threadId":`) != 50 {
					b.Fatalf("%.500s", got)
				}
			}
		})
	}
}

// BenchmarkEmailChanges is what a client asks for to catch up after some flags have changed: it takes what the changes
// take, however many messages there are.
func BenchmarkEmailChanges(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, changes := range []int{1, 100} {
			b.Run(fmt.Sprintf("messages=%d/changes=%d", n, changes), func(b *testing.B) {
				s := openDir(b, b.TempDir(), Options{})
				fill(b, s, n)
				m := jmapUser(b, s, "alice")
				before := changesOf(b, m, "0", 1<<20).NewState
				set := &jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]{AccountID: m.ID, Update: make(map[jmap.ID]mail.EmailUpdate)}
				for i := range changes {
					set.Update[jmap.ID(fmt.Sprint("M", n-i))] = mail.EmailUpdate{Keywords: mail.SetUpdate[string]{Members: map[string]bool{"x": true}}}
				}
				if _, err := m.Emails.Setter.Set(b.Context(), set); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if out := changesOf(b, m, before, 1<<20); len(out.Updated) != changes {
						b.Fatalf("%d updated", len(out.Updated))
					}
				}
			})
		}
	}
}

func changesOf(b *testing.B, m *mail.Account, since jmap.State, most uint) *jmap.ChangesResponse {
	out, err := m.Emails.Changer.Changes(b.Context(), &jmap.ChangesRequest{AccountID: m.ID, SinceState: since, MaxChanges: &most})
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// fill gives alice n messages, four a thread.
func fill(b *testing.B, s *Store, n int) *imap.Account {
	a := user(b, s, "alice")
	var letters []imap.AppendMessage
	for i := range n {
		body := letter(fmt.Sprint(i), fmt.Sprint("letter ", i/4), "A text of some words, which the preview shows.\r\n", fmt.Sprintf("References: <%d@example.com>", i/4*4))
		letters = append(letters, imap.AppendMessage{Size: int64(len(body)), InternalDate: time.Unix(1_700_000_000+int64(i), 0), Body: strings.NewReader(body)})
		if len(letters) == 500 {
			if _, err := a.Appender.Append(b.Context(), "INBOX", letters); err != nil {
				b.Fatal(err)
			}
			letters = nil
		}
	}
	return a
}
