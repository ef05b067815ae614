package imapclient

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

const contextGreeting = "S: * PREAUTH [CAPABILITY IMAP4rev1 SORT ESEARCH CONTEXT=SEARCH CONTEXT=SORT LITERAL+] hi\n"

func TestSearchContext(t *testing.T) {
	var events []string
	o := plain
	o.Unilateral = func(e Event) {
		if e.Kind == EventContext {
			events = append(events, fmt.Sprint(e.Context.UIDs(), len(e.Updates), e.Context.Err() != nil))
		}
	}
	c, err := New(t.Context(), script(t, contextGreeting+`
		C: a2 SELECT INBOX
		S: a2 OK
		C: a3 UID SEARCH RETURN (ALL UPDATE CONTEXT) DELETED KEYWORD $Junk
		S: * ESEARCH (TAG "a3") UID ALL 4,9
		S: * ESEARCH (TAG "a3") UID ADDTO (0 7)
		S: a3 OK
		C: a4 UID SORT RETURN (ALL UPDATE CONTEXT) (REVERSE SIZE) UTF-8 ALL
		S: * ESEARCH (TAG "a4") UID ALL 9,4,7
		S: a4 OK
		C: a5 UID SORT RETURN (ALL UPDATE CONTEXT) (DATE) UTF-8 ALL
		S: * ESEARCH (TAG "a5") UID ALL 4,9,7
		S: * NO [NOUPDATE "a5"] Too many contexts
		S: a5 OK
		C: a6 UID SEARCH RETURN (ALL) SEEN
		S: * ESEARCH (TAG "a3") UID REMOVEFROM (0 4) ADDTO (0 11:12)
		S: * ESEARCH (TAG "a4") UID REMOVEFROM (2 4) ADDTO (1 11 4 12)
		S: * ESEARCH (TAG "a6") UID ALL 1
		S: * ESEARCH (TAG "zz") UID ADDTO (0 99)
		S: a6 OK
		C: a7 NOOP
		S: * ESEARCH (TAG "a4") UID REMOVEFROM (1 9)
		S: * ESEARCH (TAG "a5") UID ADDTO (1 1)
		S: a7 OK
		C: a8 CANCELUPDATE "a3"
		S: * ESEARCH (TAG "a3") UID ADDTO (0 20)
		S: a8 OK
		C: a9 SELECT INBOX
		S: a9 OK`), o)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.Select(t.Context(), "INBOX")
	must(err)
	search, err := c.SearchContext(t.Context(), &imap.SearchCriteria{Flags: []imap.Flag{imap.FlagDeleted, "$Junk"}})
	must(err)
	if got := search.UIDs().String(); got != "4,7,9" || search.Err() != nil {
		t.Errorf("found %s, %v", got, search.Err())
	}
	sorted, err := c.SortContext(t.Context(), []imap.SortKey{{Key: imap.SortSize, Reverse: true}}, &imap.SearchCriteria{})
	must(err)
	refused, err := c.SortContext(t.Context(), []imap.SortKey{{Key: imap.SortDate}}, &imap.SearchCriteria{})
	must(err)
	if got := refused.Order(); !slices.Equal(got, []imap.UID{4, 9, 7}) || !errors.Is(refused.Err(), &imap.Status{Code: imap.CodeNoUpdate}) {
		t.Errorf("refused: %v, %v", got, refused.Err())
	}
	found, err := c.Search(t.Context(), &imap.SearchCriteria{Flags: []imap.Flag{imap.FlagSeen}})
	if err != nil || found.String() != "1" || search.UIDs().String() != "7,9,11:12" || !slices.Equal(sorted.Order(), []imap.UID{11, 9, 7, 12}) {
		t.Errorf("found %v, %v; kept %v and %v", found, err, search.UIDs(), sorted.Order())
	}
	_, err = c.Raw(t.Context(), "NOOP", nil, nil)
	must(err)
	if _, syntax := errors.AsType[*imap.SyntaxError](sorted.Err()); !syntax || !slices.Equal(sorted.Order(), []imap.UID{11, 9, 7, 12}) { // 9 was not the first
		t.Errorf("after an update that does not fit: %v, %v", sorted.Order(), sorted.Err())
	}
	must(search.Cancel(t.Context()))
	if !errors.Is(search.Err(), ErrContextOver) || search.UIDs().String() != "7,9,11:12,20" {
		t.Errorf("cancelled: %v, %v", search.UIDs(), search.Err())
	}
	must(search.Cancel(t.Context())) // which sends nothing
	_, err = c.Select(t.Context(), "INBOX")
	must(err)
	want := []string{"4,7,9 1 false", "4,7,9 0 true", "7,9,11:12 2 false", "7,9,11:12 3 false", "7,9,11:12 1 true", "7,9,11:12,20 1 false"}
	if !slices.Equal(events, want) {
		t.Errorf("events\n%q, want\n%q", events, want)
	}
}

// A context ends with its mailbox and with the connection; one that cannot be had leaves nothing.
func TestSearchContextEnds(t *testing.T) {
	o := plain
	o.Limits.Results = 10
	c, err := New(t.Context(), script(t, contextGreeting+`
		C: a2 UID SEARCH RETURN (ALL UPDATE CONTEXT) ALL
		S: a2 NO no
		C: a3 UID SORT RETURN (ALL UPDATE CONTEXT) (SIZE) UTF-8 ALL
		S: * ESEARCH (TAG "a3") UID ALL 1:4294967295
		S: a3 OK
		C: a4 UID SEARCH RETURN (ALL UPDATE CONTEXT) ALL
		S: * ESEARCH (TAG "a4") UID ALL 1:4294967295
		S: a4 OK
		C: a5 EXAMINE INBOX
		S: * ESEARCH (TAG "a4") UID REMOVEFROM (0 1)
		S: a5 OK
		C: a6 UID SEARCH RETURN (ALL UPDATE CONTEXT) ALL
		S: * ESEARCH (TAG "a6") UID
		S: a6 OK
		C: a7 UID SORT RETURN (PARTIAL 1:2) (SIZE) UTF-8 ALL
		S: * ESEARCH (TAG "a7") UID PARTIAL (1:2 9,3)
		S: a7 OK`), o)
	if err != nil {
		t.Fatal(err)
	}
	all := &imap.SearchCriteria{}
	size := []imap.SortKey{{Key: imap.SortSize}}
	if _, err := c.SearchContext(t.Context(), all); !errors.Is(err, &imap.Status{Type: imap.StatusNo}) {
		t.Errorf("refused: %v", err)
	}
	if _, err := c.SortContext(t.Context(), size, all); err == nil {
		t.Error("a list without end")
	} else if _, ok := errors.AsType[*imap.LimitError](err); !ok {
		t.Errorf("a list without end: %v", err)
	}
	s, err := c.SearchContext(t.Context(), all)
	if err != nil || s.UIDs().Len() != 1<<32-1 {
		t.Fatalf("%v, %v", s, err)
	}
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(s.Err(), ErrContextOver) || s.UIDs().Len() != 1<<32-1 {
		t.Errorf("%v, %v", s.UIDs(), s.Err())
	}
	if s, err = c.SearchContext(t.Context(), all); err != nil || s.Err() != nil {
		t.Fatal(err)
	}
	if got, err := c.SortPartial(t.Context(), imap.PartialRange{First: 1, Last: 2}, size, all); err != nil || !slices.Equal(got, []imap.UID{9, 3}) {
		t.Errorf("partial: %v, %v", got, err)
	}
	if _, err := c.SortPartial(t.Context(), imap.PartialRange{First: 1, Last: 2, FromEnd: true}, size, all); !errors.Is(err, ErrUnsupported) {
		t.Errorf("from the end: %v", err)
	}
	if err := c.Close(); err != nil || s.Err() == nil {
		t.Errorf("%v, %v", err, s.Err())
	}
	c, err = New(t.Context(), script(t, "S: * PREAUTH [CAPABILITY IMAP4rev1 SORT ESEARCH] hi"), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SearchContext(t.Context(), all); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if _, err := c.SortContext(t.Context(), size, all); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}
