package imapserver_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// TestMultiSearch searches mailboxes at random, and compares what that finds with a search in each.
func TestMultiSearch(t *testing.T) {
	s := server(t)
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	must(t, err)
	r := rand.New(rand.NewPCG(7377, 1))
	names := []string{"INBOX", "a", "a/b", "a/b/c", "a/b/c/d", "ab", "Entwürfe", "x/y"}
	for _, name := range names {
		if name != "INBOX" {
			_, err := a.Editor.Create(t.Context(), name, imap.CreateOptions{})
			must(t, err)
		}
		must(t, a.Editor.Subscribe(t.Context(), name, r.IntN(2) == 0))
		for range r.IntN(6) {
			flags := []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "odd"}[:r.IntN(4)]
			deliver(t, a, name, fmt.Sprintf("Subject: %c\r\n\r\nword %d\r\n", 'a'+r.IntN(3), r.IntN(3)), flags...)
		}
	}
	var all []imap.MailboxInfo
	for m, err := range a.Store.Mailboxes(t.Context()) {
		must(t, err)
		all = append(all, m)
	}
	addr := start(t, s)
	many, single := searchClient(t, addr), searchClient(t, addr)
	_, err = many.Select(t.Context(), "a/b")
	must(t, err)
	some := 0
	for range 150 {
		criteria := imap.SearchCriteria{}
		switch r.IntN(5) {
		case 0:
			criteria.Flags = []imap.Flag{imap.FlagSeen}
		case 1:
			criteria.Not = []imap.SearchCriteria{{Flags: []imap.Flag{"odd"}}}
		case 2:
			criteria.Body = []string{"word 1"}
		case 3:
			criteria.UIDs = imap.UIDs(2, 3, 9)
			criteria.Or = [][2]imap.SearchCriteria{{{Flags: []imap.Flag{imap.FlagFlagged}}, {Header: []imap.HeaderCriterion{{Name: "Subject", Value: "b"}}}}}
		}
		var sources []imap.SearchSource
		for range 1 + r.IntN(2) {
			f := []imap.NotifyFilter{imap.NotifySelected, imap.NotifyInboxes, imap.NotifyPersonal, imap.NotifySubscribed, imap.NotifySubtree, imap.NotifyMailboxes, imap.SearchSubtreeOne}[r.IntN(7)]
			src := imap.SearchSource{Filter: f}
			if src.Named() {
				src.Mailboxes = []string{names[r.IntN(len(names))], "nosuch"}
			}
			sources = append(sources, src)
		}
		want := map[string]string{}
		for _, m := range all {
			in := slices.ContainsFunc(sources, func(s imap.SearchSource) bool {
				switch s.Filter {
				case imap.NotifySelected:
					return m.Name == "a/b"
				case imap.NotifySubscribed:
					return m.Subscribed
				case imap.NotifyInboxes, imap.NotifyPersonal:
					return true
				}
				return s.Covers(m.Name)
			})
			if !in || m.NoSelect {
				continue
			}
			_, err := single.Examine(t.Context(), m.Name)
			must(t, err)
			found, err := single.Search(t.Context(), &criteria)
			must(t, err)
			if len(found) > 0 {
				want[m.Name] = found.String()
			}
		}
		got := map[string]string{}
		for x, err := range many.MultiSearch(t.Context(), sources, &criteria) {
			must(t, err)
			if got[x.Mailbox] != "" || x.UIDValidity == 0 {
				t.Errorf("%+v: %+v, before %s", sources, x, got[x.Mailbox])
			}
			got[x.Mailbox] = x.UIDs.String()
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%+v %+v:\nfound %v\nwant  %v", sources, criteria, got, want)
		}
		if len(got) > 1 {
			some++
		}
	}
	if some < 50 || many.Selected().Name != "a/b" {
		t.Errorf("several mailboxes in %d searches; %+v is selected", some, many.Selected())
	}
}

func searchClient(t *testing.T, addr string) *imapclient.Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	c, err := imapclient.New(t.Context(), conn, imapclient.Options{TLS: imapclient.TLSNone, AllowPlaintextAuth: true})
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.Login(t.Context(), "alice", "secret"))
	return c
}

// TestMultiSearchLimits refuses too many mailboxes, and keys that are for the selected mailbox alone.
func TestMultiSearchLimits(t *testing.T) {
	s := server(t)
	s.Limits.SearchMailboxes = 2
	s.Extensions = []imapserver.Extension{wordCount()}
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	must(t, err)
	for _, name := range []string{"a", "a/b"} {
		_, err := a.Editor.Create(t.Context(), name, imap.CreateOptions{})
		must(t, err)
	}
	p := dial(t, start(t, s)).login()
	for command, want := range map[string]string{
		"ESEARCH IN (personal) ALL":                          "b NO [LIMIT] too many mailboxes to search",
		"ESEARCH IN (mailboxes (a nosuch no/such)) ALL":      "b NO [LIMIT] too many mailboxes to search",
		"ESEARCH IN (subtree a) ALL":                         "b OK ESEARCH completed",
		"ESEARCH IN (subtree a) XLONGER 0":                   "b NO [CANNOT] this key is for the selected mailbox alone",
		"ESEARCH IN (subtree a) " + strings.Repeat("(", 300): "b BAD ...",
	} {
		if got := p.do("b", command); len(got) != 1 || !matches(want, got[0]) {
			t.Errorf("%.60s: %q, want %s", command, got, want)
		}
	}
	p.do("s", "SELECT INBOX")
	p.send("c ESEARCH RETURN (COUNT) XLONGER 0\r\n")
	wants(p, `* ESEARCH (TAG "c" MAILBOX INBOX UIDVALIDITY 1) UID COUNT 3`, "c OK ...")
	p.send("d ENABLE UIDONLY\r\ne ESEARCH IN (subtree a) 1\r\nf ESEARCH IN (subtree a) UID 1:*\r\n")
	wants(p, "* ENABLED UIDONLY", "d OK ...", "e BAD [UIDREQUIRED] ...", "f OK ...")
}

// TestMultiSearchNamed searches a mailbox that is not listed, by its name alone.
func TestMultiSearchNamed(t *testing.T) {
	s := server(t)
	a, err := s.Backend.OpenAccount(t.Context(), "alice")
	must(t, err)
	_, err = a.Editor.Create(t.Context(), "hidden", imap.CreateOptions{})
	must(t, err)
	deliver(t, a, "hidden", "Subject: x\r\n\r\n")
	must(t, a.Authorizer.SetACL(t.Context(), "hidden", "bob", imap.RightsChange{Rights: imap.RightRead}))
	p := dial(t, start(t, s))
	wants(p, "* OK ...")
	p.do("a", "LOGIN bob secret")
	p.send("b ESEARCH IN (subtree \"Other Users/alice\") ALL\r\n")
	wants(p, "b OK ...")
	p.send("c ESEARCH IN (mailboxes \"Other Users/alice/hidden\") ALL\r\n")
	wants(p, `* ESEARCH (TAG "c" MAILBOX "Other Users/alice/hidden" UIDVALIDITY ...) UID ALL 1`, "c OK ...")
	must(t, a.Authorizer.SetACL(t.Context(), "hidden", "bob", imap.RightsChange{Rights: imap.RightLookup}))
	p.send("d ESEARCH IN (mailboxes \"Other Users/alice/hidden\") ALL\r\n")
	wants(p, "d OK ...")
}
