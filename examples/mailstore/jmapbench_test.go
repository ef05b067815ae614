package mailstore

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// BenchmarkListView is what a mail client asks for first: the newest 50 threads of 10,000 messages, four a thread, with
// ten properties. What is measured is the server from the request to the response, without HTTP.
func BenchmarkListView(b *testing.B) {
	s := openDir(b, b.TempDir(), Options{})
	a := user(b, s, "alice")
	const n = 10_000
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
