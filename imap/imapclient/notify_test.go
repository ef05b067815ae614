package imapclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// TestNotify has everything that a server tells by NOTIFY come out of Idle.
func TestNotify(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	backend := &imaptest.Memory{}
	c, err := loginTo(ctx, backend)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := backend.OpenAccount(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(ctx, "INBOX"); err != nil {
		t.Fatal(err)
	}
	messages := []imap.NotifyEvent{imap.NotifyMessageNew, imap.NotifyMessageExpunge}
	if err := c.Notify(ctx, imap.Notify{Groups: []imap.NotifyGroup{
		{Filter: imap.NotifySelected, Events: messages, Fetch: []imap.FetchItem{{Att: imap.FetchUID}, {Att: imap.FetchEnvelope}}},
		{Filter: imap.NotifyPersonal, Events: append(messages, imap.NotifyMailboxName, imap.NotifyMailboxMetadataChange)},
	}}); err != nil {
		t.Fatal(err)
	}
	deliver := func(box string) {
		text := "Subject: new\r\n\r\nx\r\n"
		if _, err := a.Appender.Append(ctx, box, []imap.AppendMessage{{Size: int64(len(text)), Body: strings.NewReader(text)}}); err != nil {
			t.Error(err)
		}
	}
	deliver("INBOX")
	var got []string
	idle, leave := context.WithCancel(ctx)
	defer leave()
	for e, err := range c.Idle(idle) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case imapclient.EventFetch:
			got = append(got, "fetch "+e.Message.Envelope.Subject)
			if _, err := a.Editor.Create(ctx, "box", imap.CreateOptions{}); err != nil {
				t.Error(err)
			}
		case imapclient.EventListing:
			if e.Listing.Has(`\NonExistent`) {
				got = append(got, "gone "+e.Listing.Name)
				leave()
				continue
			}
			got = append(got, "come "+e.Listing.Name)
			deliver(e.Listing.Name)
		case imapclient.EventStatus:
			got = append(got, "status "+e.Status.Name)
			if e.Status.Messages != 1 || len(e.Told) != 3 {
				t.Errorf("%+v %v", e.Status, e.Told)
			}
			if err := a.Annotator.SetAnnotations(ctx, "box", []imap.Annotation{{Entry: "/shared/comment", Value: "x"}}); err != nil {
				t.Error(err)
			}
		case imapclient.EventMetadata:
			got = append(got, "metadata "+e.Mailbox+strings.Join(e.Entries, " "))
			if err := a.Editor.Delete(ctx, "box"); err != nil {
				t.Error(err)
			}
		}
	}
	if s := strings.Join(got, ", "); s != "fetch new, come box, status box, metadata box/shared/comment, gone box" {
		t.Error(s)
	}
	// What cannot be had, and what cannot be written.
	err = c.Notify(ctx, imap.Notify{Groups: []imap.NotifyGroup{{Filter: imap.NotifyPersonal, Events: []imap.NotifyEvent{imap.NotifyMessageNew, imap.NotifyMessageExpunge, imap.NotifyAnnotationChange}}}})
	if !errors.Is(err, &imap.Status{Type: imap.StatusNo, Code: imap.CodeBadEvent}) {
		t.Error(err)
	}
	for _, g := range []imap.NotifyGroup{{}, {Filter: imap.NotifySubtree}, {Filter: imap.NotifyPersonal, Mailboxes: []string{"x"}},
		{Filter: imap.NotifyPersonal, Events: []imap.NotifyEvent{"a b"}}, {Filter: imap.NotifyMailboxes, Mailboxes: []string{""}}} {
		if err := c.Notify(ctx, imap.Notify{Groups: []imap.NotifyGroup{g}}); !errors.Is(err, imapclient.ErrArgument) {
			t.Errorf("%+v: %v", g, err)
		}
	}
	if err := c.Notify(ctx, imap.Notify{}); err != nil {
		t.Error(err)
	}
}
