package imapclient

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestSortThreadPeer has the server of the family and Dovecot sort and thread the mailboxes that public suites have for it.
func TestSortThreadPeer(t *testing.T) {
	d := suites.Dovecot(t)
	connect := func(addr string, config *tls.Config, user, password string) *Client {
		c, err := Dial(t.Context(), addr, Options{TLSConfig: config})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.Authenticate(t.Context(), sasl.Credentials{Username: user, Password: password}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, theirs := connect(serveMemory(t), clientTLS(t), "bob", "secret"), connect(d.IMAP, &tls.Config{RootCAs: d.Roots}, d.User, d.Password)
	files, err := filepath.Glob(filepath.Join(suites.Dir(t, "mime"), "imap-mbox", "*.mbox"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".mbox")
		t.Run(name, func(t *testing.T) {
			msgs := mbox(t, file)
			var answers [2]map[string]string
			for i, c := range []*Client{ours, theirs} {
				answers[i] = arranged(t, c, name, msgs)
			}
			for what, got := range answers[0] {
				if want := answers[1][what]; got != want {
					t.Errorf("%s: %s, Dovecot %s", what, got, want)
				}
			}
		})
	}
}

// arranged appends messages to a new mailbox and returns its orders and threads.
func arranged(t *testing.T, c *Client, name string, msgs []dated) map[string]string {
	ctx := t.Context()
	if err := c.Create(ctx, name, imap.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		a := imap.AppendMessage{InternalDate: m.date, Size: int64(len(m.text)), Body: strings.NewReader(m.text)}
		if _, err := c.Append(ctx, name, a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Select(ctx, name); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	all := &imap.SearchCriteria{}
	for _, k := range []imap.SortField{imap.SortArrival, imap.SortCc, imap.SortDate, imap.SortFrom, imap.SortSize, imap.SortSubject, imap.SortTo, imap.SortDisplayFrom, imap.SortDisplayTo} {
		for _, reverse := range []bool{false, true} {
			uids, err := c.Sort(ctx, []imap.SortKey{{Key: k, Reverse: reverse}}, all)
			if err != nil {
				t.Fatal(err)
			}
			out[fmt.Sprint(k, reverse)] = fmt.Sprint(uids)
		}
	}
	for _, a := range []imap.ThreadAlgorithm{imap.ThreadOrderedSubject, imap.ThreadReferences} {
		threads, err := c.Thread(ctx, a, all)
		if err != nil {
			t.Fatal(err)
		}
		out[string(a)] = string(imap.AppendThreads(nil, threads))
	}
	day := uint32(24 * 3600)
	for what, keys := range map[string]imap.SearchCriteria{"older": {Older: day}, "younger": {Younger: day}, "younger, 100 years": {Younger: 36500 * day}} {
		uids, err := c.Search(ctx, &keys)
		if err != nil {
			t.Fatal(err)
		}
		out[what] = uids.String()
	}
	return out
}

// A dated is a message with its internal date.
type dated struct {
	date time.Time
	text string
}

// mbox reads a mailbox in mbox format, where empty lines stand before each "From " line.
func mbox(t *testing.T, file string) []dated {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []dated
	for part := range strings.SplitSeq("\n"+string(raw), "\nFrom ") {
		first, text, _ := strings.Cut(part, "\n")
		if first == "" {
			continue
		}
		_, when, _ := strings.Cut(first, " ")
		date, err := time.Parse("Mon Jan _2 15:04:05 2006 -0700", strings.TrimSpace(when))
		if err != nil {
			date, err = time.Parse("Mon Jan _2 15:04:05 2006", strings.TrimSpace(when))
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, dated{date, strings.ReplaceAll(text, "\n", "\r\n")})
	}
	return out
}
