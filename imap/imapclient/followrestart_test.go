package imapclient

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

// A message that arrives while all of another mailbox are fetched is told, too.
func TestFollowRestart(t *testing.T) {
	for _, caps := range []string{"QRESYNC CONDSTORE ENABLE", "CONDSTORE"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		f := &Follower{Known: Known{UIDValidity: 1, ModSeq: 5, UIDs: imap.UIDs(1)}, Dial: func(ctx context.Context) (*Client, error) {
			a, b := net.Pipe()
			go func() {
				defer b.Close()
				all := "IMAP4rev1 IDLE AUTH=PLAIN SASL-IR " + caps
				fmt.Fprintf(b, "* OK [CAPABILITY %s] hi\r\n", all)
				fetches := 0
				s := bufio.NewScanner(b)
				for s.Scan() {
					w := strings.Fields(s.Text())
					if len(w) < 2 {
						continue
					}
					switch strings.ToUpper(w[1]) {
					case "CAPABILITY":
						fmt.Fprintf(b, "* CAPABILITY %s\r\n", all)
					case "ENABLE":
						fmt.Fprint(b, "* ENABLED QRESYNC\r\n")
					case "SELECT":
						fmt.Fprint(b, "* FLAGS (\\Seen)\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 2] x\r\n* OK [UIDNEXT 2] x\r\n* OK [HIGHESTMODSEQ 9] x\r\n")
					case "UID":
						if strings.ToUpper(w[2]) == "FETCH" {
							if fetches++; fetches == 1 {
								fmt.Fprint(b, "* 1 FETCH (UID 1 FLAGS () MODSEQ (9))\r\n* 2 EXISTS\r\n")
							} else {
								fmt.Fprint(b, "* 2 FETCH (UID 2 FLAGS () MODSEQ (10))\r\n")
							}
						}
						if strings.ToUpper(w[2]) == "SEARCH" {
							fmt.Fprint(b, "* SEARCH 1 2\r\n")
						}
					case "IDLE":
						fmt.Fprint(b, "+ go\r\n")
						s.Scan()
					}
					fmt.Fprintf(b, "%s OK x\r\n", w[0])
				}
			}()
			c, err := New(ctx, a, Options{TLS: TLSNone, AllowPlaintextAuth: true})
			if err != nil {
				return nil, err
			}
			return c, c.Authenticate(ctx, sasl.Credentials{Username: "u", Password: "p"})
		}}
		var told []string
		for e, err := range f.Changes(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == EventReset {
				told = append(told, "reset")
			} else {
				told = append(told, fmt.Sprint(e.Message.UID))
			}
			if len(told) == 3 {
				break
			}
		}
		cancel()
		if got := strings.Join(told, " "); got != "reset 1 2" {
			t.Errorf("%s: told %q", caps, got)
		}
	}
}
