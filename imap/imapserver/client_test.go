package imapserver_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
)

// TestClient has our own client read and write.
func TestClient(t *testing.T) {
	addr, _, a := peerServer(t, false)
	all := letters(t)
	fill(t, a, all)
	ctx := t.Context()
	c, err := imapclient.Dial(ctx, addr, imapclient.Options{TLSConfig: clientTLS()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(ctx, "alice", "secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(ctx, "INBOX"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for m, err := range c.Fetch(ctx, imap.AllUIDs(), imap.FieldFlags|imap.FieldEnvelope|imap.FieldStructure|imap.FieldSize, imapclient.Body("")) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(m.Body())
		if err != nil || m.Size != int64(len(text)) || m.Envelope == nil || m.Structure == nil {
			t.Errorf("message %d: %d octets of %d, %v", m.UID, len(text), m.Size, err)
		}
		got = append(got, string(text))
	}
	if !slices.Equal(got, all) {
		t.Errorf("%d messages fetched, %d are there, or they differ", len(got), len(all))
	}
	if err := c.Create(ctx, "Entwürfe", imap.CreateOptions{SpecialUse: `\Drafts`}); err != nil {
		t.Fatal(err)
	}
	for i, text := range all {
		done, err := c.Append(ctx, "Entwürfe", imap.AppendMessage{Flags: []imap.Flag{imap.FlagDraft}, Size: int64(len(text)), Body: strings.NewReader(text)})
		if err != nil || len(done.UIDs) != 1 || done.UIDs[0] != imap.UID(i+1) {
			t.Fatalf("append: %+v, %v", done, err)
		}
	}
	if got := stored(t, a, "Entwürfe"); !slices.Equal(got, all) {
		t.Errorf("%d messages are stored, or they differ", len(got))
	}
	found, err := c.Search(ctx, &imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "DOTS"}}})
	if err != nil || found.String() != "1" {
		t.Errorf("search: %s, %v", found, err)
	}
	changed, err := c.Store(ctx, imap.UIDs(1, 2), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince)
	if err != nil {
		t.Errorf("store: %+v, %v", changed, err)
	}
	if err := c.Expunge(ctx, imap.UIDs(2)); err != nil {
		t.Error(err)
	}
	moved, err := c.Move(ctx, imap.UIDs(1), "Entwürfe")
	if err != nil || !slices.Equal(moved.From, []imap.UID{1}) || !slices.Equal(moved.To, []imap.UID{imap.UID(len(all) + 1)}) {
		t.Errorf("move: %+v, %v", moved, err)
	}
	if got := stored(t, a, "INBOX"); !slices.Equal(got, all[2:]) {
		t.Errorf("%d messages are left in INBOX", len(got))
	}
	if err := c.Logout(ctx); err != nil {
		t.Error(err)
	}
}
