package imapclient

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// TestFollowRungs has the commands with which a Follower comes to know what happened while it was away, on each rung of the ladder:
// message 2 has gone, 3 has another flag, 4 is new.
func TestFollowRungs(t *testing.T) {
	for _, c := range []struct{ name, capabilities, dialogue string }{
		{"QRESYNC", "ENABLE CONDSTORE QRESYNC", `
			C: a2 ENABLE QRESYNC
			S: * ENABLED QRESYNC
			S: a2 OK done
			C: a3 SELECT INBOX (QRESYNC (7 20))
			S: * 3 EXISTS
			S: * OK [UIDVALIDITY 7] valid
			S: * OK [HIGHESTMODSEQ 25] highest
			S: * VANISHED (EARLIER) 2
			S: * 2 FETCH (UID 3 FLAGS (\Seen) MODSEQ (22))
			S: * 3 FETCH (UID 4 FLAGS () MODSEQ (25))
			S: a3 OK done`},
		{"CONDSTORE", "CONDSTORE", `
			C: a2 SELECT INBOX (CONDSTORE)
			S: * 3 EXISTS
			S: * OK [UIDVALIDITY 7] valid
			S: * OK [HIGHESTMODSEQ 25] highest
			S: a2 OK done
			C: a3 UID FETCH 1:4294967295 (UID FLAGS MODSEQ) (CHANGEDSINCE 20)
			S: * 2 FETCH (UID 3 FLAGS (\Seen) MODSEQ (22))
			S: * 3 FETCH (UID 4 FLAGS () MODSEQ (25))
			S: a3 OK done
			C: a4 UID SEARCH ALL
			S: * SEARCH 1 3 4
			S: a4 OK done`},
		{"flags", "", `
			C: a2 SELECT INBOX
			S: * 3 EXISTS
			S: * OK [UIDVALIDITY 7] valid
			S: a2 OK done
			C: a3 UID FETCH 1:4294967295 (UID FLAGS)
			S: * 1 FETCH (UID 1 FLAGS (\Answered))
			S: * 2 FETCH (UID 3 FLAGS (\Seen))
			S: * 3 FETCH (UID 4 FLAGS ())
			S: a3 OK done`},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := Known{UIDValidity: 7, ModSeq: 20, UIDs: imap.UIDSet{{First: 1, Last: 3}}}
			want, left := []string{"gone 2", `3 [\Seen]`, "4 []"}, Known{UIDValidity: 7, ModSeq: 25, UIDs: imap.UIDSet{{First: 1, Last: 1}, {First: 3, Last: 4}}}
			if c.name == "flags" { // which flags there were nobody knows any more
				known.ModSeq, left.ModSeq = 0, 0
				want = []string{"gone 2", `1 [\Answered]`, `3 [\Seen]`, "4 []"}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			trouble := func(err error, _ time.Duration) {
				t.Error(err)
				cancel()
			}
			f := &Follower{Known: known, Trouble: trouble, Dial: func(ctx context.Context) (*Client, error) {
				return New(ctx, script(t, "S: * PREAUTH [CAPABILITY IMAP4rev1 IDLE "+c.capabilities+"] hello\n"+c.dialogue), plain)
			}}
			told := map[string]bool{}
			for e, err := range f.Changes(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprint("gone ", e.UIDs)
				if e.Kind == EventFetch {
					text = fmt.Sprint(e.Message.UID, " ", e.Message.Flags)
				}
				if told[text] {
					t.Errorf("%s is told twice", text)
				}
				if told[text] = true; len(told) == len(want) {
					break
				}
			}
			for _, text := range want {
				if !told[text] {
					t.Errorf("%s is not told: %v", text, told)
				}
			}
			if got := f.State(); !reflect.DeepEqual(got, left) {
				t.Errorf("state %+v, want %+v", got, left)
			}
		})
	}
}
