package mailstore

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Records and windows that are in memory are those of the database, whatever happens over IMAP and JMAP.
func TestCachedRecordsAreThoseOfTheDatabase(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, err := OpenMemory(Options{MaxExpunged: 3})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 2)), a: user(t, s, "alice"), j: jmapUser(t, s, "alice")}
			hits := 0
			for range 150 {
				for range w.rnd.IntN(3) {
					w.step()
				}
				ids := []jmap.ID{}
				for i := range w.n + 2 {
					ids = append(ids, jmap.ID(emailID(int64(i+1))))
				}
				if len(ids) > 1 && s.cache.get(cachedRecord, 1) != nil {
					hits++
				}
				ask := func() (*jmap.GetResponse[mail.Record], []*jmap.QueryResponse) {
					got, err := w.j.Emails.Getter.Get(t.Context(), &jmap.GetRequest[mail.EmailWant]{IDs: ids, Args: mail.EmailWant{Summary: w.n%2 == 0}})
					if err != nil {
						t.Fatal(err)
					}
					var lists []*jmap.QueryResponse
					for _, name := range []string{"Inbox", "Trash"} {
						q := query(getMailboxes(t, w.j)[name].ID)
						q.Args.CollapseThreads = true
						list, err := w.j.Emails.Querier.Query(t.Context(), &q)
						if err != nil {
							t.Fatal(err)
						}
						lists = append(lists, list)
					}
					return got, lists
				}
				got, lists := ask()
				s.cache.mu.Lock()
				keys := slices.Collect(func(yield func(cacheKey) bool) {
					for k := range s.cache.items {
						if (k.kind == cachedRecord || k.kind == cachedList) && !yield(k) {
							return
						}
					}
				})
				s.cache.mu.Unlock()
				for _, k := range keys {
					s.cache.drop(k.kind, k.id)
				}
				want, fresh := ask()
				if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(lists, fresh) {
					t.Fatalf("from memory\n%+v\n%+v\nfrom the database\n%+v\n%+v", got, lists, want, fresh)
				}
			}
			if hits == 0 {
				t.Error("nothing was in memory")
			}
		})
	}
}
