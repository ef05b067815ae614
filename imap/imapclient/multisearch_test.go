package imapclient

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

func TestMultiSearch(t *testing.T) {
	o := plain
	updates := 0
	o.Unilateral = func(e Event) {
		if e.Kind == EventContext {
			updates++
		}
	}
	c, err := New(t.Context(), script(t, `S: * PREAUTH [CAPABILITY IMAP4rev1 ESEARCH MULTISEARCH CONTEXT=SEARCH LITERAL+] hi
		C: a2 UID SEARCH RETURN (ALL UPDATE CONTEXT) ALL
		S: * ESEARCH (TAG "a2") UID
		S: a2 OK
		C: a3 ESEARCH IN (MAILBOXES (folder1) SUBTREE ("folder 2" Entw&APw-rfe)) RETURN (ALL) UNSEEN
		S: * ESEARCH (TAG "a3" MAILBOX "folder1" UIDVALIDITY 1) UID ALL 4001,4003,4005,4007,4009
		S: * ESEARCH (TAG "a3" MAILBOX "folder1" UIDVALIDITY 0) UID ALL 1
		S: * ESEARCH (TAG "a2") UID ADDTO (0 5)
		S: * ESEARCH (TAG "zz" MAILBOX "folder1" UIDVALIDITY 9) UID ALL 1
		S: * ESEARCH (UIDVALIDITY 503 TAG "a3" MAILBOX "Entw&APw-rfe") UID ALL 3002,4004
		S: * ESEARCH (TAG "a3" MAILBOX "empty" UIDVALIDITY 503) UID COUNT 0
		S: a3 OK
		C: a4 ESEARCH IN (PERSONAL) RETURN (ALL) CHARSET UTF-8 HEADER Subject {2+}
		C: ü
		S: * ESEARCH (TAG "a4" MAILBOX a UIDVALIDITY 1) UID ALL 1
		S: a4 OK [LIMIT] enough
		C: a5 ESEARCH IN (PERSONAL) RETURN (ALL) ALL
		S: * ESEARCH (TAG "a5" MAILBOX a UIDVALIDITY 1) UID ALL 1
		S: * ESEARCH (TAG "a5" MAILBOX b UIDVALIDITY 1) UID ALL 1
		S: a5 OK
		C: a6 ESEARCH IN (PERSONAL) RETURN (ALL) ALL
		S: a6 NO [LIMIT] too many`), o)
	if err != nil {
		t.Fatal(err)
	}
	all := &imap.SearchCriteria{}
	kept, err := c.SearchContext(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	run := func(sources []imap.SearchSource, criteria *imap.SearchCriteria, stop bool) (out string) {
		for x, err := range c.MultiSearch(t.Context(), sources, criteria) {
			_, syntax := errors.AsType[*imap.SyntaxError](err)
			switch {
			case syntax:
				out += "! "
			case errors.Is(err, &imap.Status{Code: imap.CodeLimit}):
				out += "limit "
			case err != nil:
				out += err.Error()
			default:
				out += fmt.Sprint(x.Mailbox, " ", x.UIDValidity, " ", x.UIDs, " ")
			}
			if stop {
				break
			}
		}
		return out
	}
	personal := []imap.SearchSource{{Filter: imap.NotifyPersonal}}
	for i, c := range []struct{ got, want string }{
		{run([]imap.SearchSource{{Filter: imap.NotifyMailboxes, Mailboxes: []string{"folder1"}}, {Filter: imap.NotifySubtree, Mailboxes: []string{"folder 2", "Entwürfe"}}},
			&imap.SearchCriteria{NotFlags: []imap.Flag{imap.FlagSeen}}, false), "folder1 1 4001,4003,4005,4007,4009 ! Entwürfe 503 3002,4004 "},
		{run(personal, &imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "ü"}}}, false), "a 1 1 limit "},
		{run(personal, all, true), "a 1 1 "},
		{run(personal, all, false), "limit "},
	} {
		if c.got != c.want {
			t.Errorf("search %d: %s, want %s", i, c.got, c.want)
		}
	}
	if kept.UIDs().String() != "5" || updates != 1 {
		t.Errorf("kept %v, %d updates", kept.UIDs(), updates)
	}
	for _, sources := range [][]imap.SearchSource{nil, {{Filter: imap.NotifyMailboxes}}, {{Filter: imap.NotifyPersonal, Mailboxes: []string{"a"}}},
		{{Filter: imap.NotifySubtree, Mailboxes: []string{""}}}, {{Filter: "a b"}}, {{}}} {
		for _, err := range c.MultiSearch(t.Context(), sources, all) {
			if !errors.Is(err, ErrArgument) {
				t.Errorf("%+v: %v", sources, err)
			}
		}
	}
}
