package mailserver_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

// keeping returns a server that keeps submissions, with a draft e7 to bob, one e9 to dave@refused.example, and what is given.
func keeping(t *testing.T, drafts ...string) (*jmaptest.Store, *jmapserver.Server) {
	store := newStore()
	box := outbox.New(store, store, nil)
	t.Cleanup(box.Close)
	store.SetOutbox(box)
	for _, raw := range append([]string{letterTo("bob@example.com"), letterTo("dave@refused.example")}, drafts...) {
		store.Deliver("alice@example.com", "drafts", at(0), []byte(raw), "$draft")
	}
	return store, newServer(store)
}

func letterTo(to string, fields ...string) string {
	return "From: alice@example.com\r\nTo: " + to + "\r\nDate: Thu, 2 Jan 2020 03:04:05 +0000\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\nhello\r\n"
}

// state returns the state of the submissions.
func state(t *testing.T, h *jmapserver.Server) string {
	return regexp.MustCompile(`"state":"([^"]*)"`).FindStringSubmatch(post(t, h, `[["EmailSubmission/get",{"accountId":"u1","ids":[]},"0"]]`))[1]
}

// submission makes a submission with parameters of MAIL and RCPT, and returns its id.
func submission(t *testing.T, h *jmapserver.Server, email, from, to string) string {
	t.Helper()
	got := post(t, h, `[["EmailSubmission/set",{"accountId":"u1","create":{"k":{"identityId":"I1","emailId":"`+email+`","envelope":{"mailFrom":{"email":"alice@example.com","parameters":`+from+`},`+
		`"rcptTo":[{"email":"bob@example.com","parameters":`+to+`}]}}}},"0"]]`)
	id := regexp.MustCompile(`"created":\{"k":\{"id":"([^"]*)"`).FindStringSubmatch(got)
	if id == nil {
		t.Fatal(got)
	}
	return id[1]
}

// RFC 8621 §7, §7.5: held, listed, canceled; what is sent cannot be; the emails of both are changed by their submissions' ids.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, h := keeping(t)
		before := state(t, h)
		held := submission(t, h, "e7", `{"holdfor":"3600"}`, `null`)
		sent := submission(t, h, "e7", `null`, `{"NOTIFY":"SUCCESS,FAILURE"}`)
		if got := store.Sent("alice@example.com"); len(got) != 1 || string(got[0].ID) != sent || *got[0].RcptParameters[0]["NOTIFY"] != "SUCCESS,FAILURE" {
			t.Fatalf("%+v", got)
		}
		when := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z")
		expect(t, h, `[["EmailSubmission/get",{"accountId":"u1","ids":["`+held+`","`+sent+`","x"]},"0"]]`,
			`[["EmailSubmission/get",{…"list":[{"id":"`+held+`","identityId":"I1","emailId":"e7","threadId":"…","envelope":{…"rcptTo":[…]},"sendAt":"`+when+`","undoStatus":"pending",`+
				`"deliveryStatus":{"bob@example.com":{"smtpReply":"250 2.0.0 Queued","delivered":"queued","displayed":"unknown"}},"dsnBlobIds":[],"mdnBlobIds":[]},{"id":"`+sent+`",…"undoStatus":"final",…}],"notFound":["x"]},"0"]]`)
		expect(t, h, `[["EmailSubmission/changes",{"accountId":"u1","sinceState":"`+before+`"},"0"]]`, `[["EmailSubmission/changes",{…"created":["S…","S…"],"updated":[],"destroyed":[]},"0"]]`)
		update := func(id, patch string) string { return `"update":{"` + id + `":` + patch + `}` }
		for change, want := range map[string]string{
			update(sent, `{"undoStatus":"canceled"}`):                                          `…"notUpdated":{"` + sent + `":{"type":"cannotUnsend"}}…`,
			update(sent, `{"undoStatus":"final"}`):                                             `…"updated":{"` + sent + `":null}…`,
			update(held, `{"undoStatus":"final"}`):                                             `…"type":"invalidProperties",…"properties":["undoStatus"]…`,
			update(held, `{"sendAt":null}`):                                                    `…"properties":["sendAt"]…`,
			update("x", `{"undoStatus":"canceled"}`):                                           `…"notUpdated":{"x":{"type":"notFound"}}…`,
			`"destroy":["` + held + `"]`:                                                       `…"notDestroyed":{"` + held + `":{"type":"forbidden",…}}…`,
			`"ifInState":"9999"`:                                                               `[["error",{"type":"stateMismatch",…},"0"]]`,
			`"create":{"k":{"identityId":"I1","emailId":"e9"}},"onSuccessDestroyEmail":["#k"]`: `[["EmailSubmission/set",{…"created":{},…"notCreated":{"k":{"type":"invalidRecipients",…"invalidRecipients":["dave@refused.example"]}},…},"0"]]`,
		} {
			expect(t, h, `[["EmailSubmission/set",{"accountId":"u1",`+change+`},"0"]]`, want)
		}
		expect(t, h, `[["EmailSubmission/set",{"accountId":"u1",`+update(held, `{"undoStatus":"canceled"}`)+`,"onSuccessUpdateEmail":{"`+held+`":{"keywords/undone":true},"`+sent+`":{"keywords/wrong":true}}},"0"],
			["EmailSubmission/set",{"accountId":"u1",`+update(held, `{"undoStatus":"canceled"}`)+`},"1"],["Email/get",{"accountId":"u1","ids":["e7"],"properties":["keywords"]},"2"]]`,
			`[["EmailSubmission/set",{…"updated":{"`+held+`":null},…},"0"],["Email/set",{…"updated":{"e7":null},…},"0"],["EmailSubmission/set",{…"updated":{"`+held+`":null},…},"1"],`+
				`["Email/get",{…"keywords":{"$draft":true,"undone":true}…},"2"]]`)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := store.Sent("alice@example.com"); len(got) != 2 { // sent, and that to dave, whom nobody took
			t.Errorf("%+v", got)
		}
		expect(t, h, `[["EmailSubmission/set",{"accountId":"u1","destroy":["`+held+`","`+sent+`"],"onSuccessDestroyEmail":["`+sent+`"]},"0"],["EmailSubmission/get",{"accountId":"u1"},"1"]]`,
			`[["EmailSubmission/set",{…"destroyed":["`+held+`","`+sent+`"],…},"0"],["Email/set",{…"destroyed":["e7"],…},"0"],["EmailSubmission/get",{…"list":[],…},"1"]]`)
	})
}

// RFC 8621 §7.5: destroying the email does not change what its submission does.
func TestEmailGoesBeforeItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, h := keeping(t)
		submission(t, h, "e7", `{"HOLDUNTIL":"`+time.Now().Add(time.Minute).UTC().Format(time.RFC3339)+`"}`, `null`)
		expect(t, h, `[["Email/set",{"accountId":"u1","destroy":["e7"]},"0"]]`, `[["Email/set",{…"destroyed":["e7"],…},"0"]]`)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := store.Sent("alice@example.com"); len(got) != 1 || !strings.Contains(string(got[0].Raw), "hello") {
			t.Errorf("%+v", got)
		}
	})
}

// RFC 8621 §7.3, §7.4.
func TestSubmissionQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := keeping(t)
		var ids []string
		for i, wait := range []int{3000, 1000, 2000} {
			ids = append(ids, submission(t, h, []string{"e7", "e9", "e9"}[i], fmt.Sprintf(`{"HOLDFOR":"%d"}`, wait), `null`))
		}
		list := func(of ...int) string {
			var out []string
			for _, i := range of {
				out = append(out, `"`+ids[i]+`"`)
			}
			return "[" + strings.Join(out, ",") + "]"
		}
		second := time.Now().Add(2000 * time.Second).UTC().Format(time.RFC3339)
		for q, want := range map[string]string{
			`"sort":[{"property":"sentAt"}]`: list(1, 2, 0), `"sort":[{"property":"sendAt","isAscending":false}]`: list(0, 2, 1),
			`"sort":[{"property":"emailId","isAscending":false},{"property":"sentAt"}]`: list(1, 2, 0), `"sort":[{"property":"threadId"}]`: list(1, 2, 0), // t10 comes before t8

			`"filter":{"emailIds":["e9"]}`: list(1, 2), `"filter":{"identityIds":["I1"],"emailIds":["e7","x"]}`: list(0), `"filter":{"identityIds":[]}`: list(), `"filter":{"threadIds":["x"]}`: list(),
			`"filter":{"undoStatus":"pending"}`: list(0, 1, 2), `"filter":{"undoStatus":"final"}`: list(), `"filter":{"before":"` + second + `"}`: list(1), `"filter":{"after":"` + second + `"}`: list(0, 2),
			`"filter":{"operator":"NOT","conditions":[{"emailIds":["e7"]}]}`: list(1, 2), `"position":1,"limit":1`: list(1),
		} {
			expect(t, h, `[["EmailSubmission/query",{"accountId":"u1",`+q+`},"0"]]`, `[["EmailSubmission/query",{…"canCalculateChanges":true,…"ids":`+want+`…},"0"]]`)
		}
		expect(t, h, `[["EmailSubmission/query",{"accountId":"u1","sort":[{"property":"id"}]},"0"],["EmailSubmission/query",{"accountId":"u1","filter":{"subject":"x"}},"1"]]`,
			`[["error",{"type":"unsupportedSort",…},"0"],["error",{"type":"…",…},"1"]]`)
		was := state(t, h)
		post(t, h, `[["EmailSubmission/set",{"accountId":"u1","update":{"`+ids[1]+`":{"undoStatus":"canceled"}}},"0"]]`)
		expect(t, h, `[["EmailSubmission/queryChanges",{"accountId":"u1","sinceQueryState":"`+was+`","filter":{"undoStatus":"pending"},"calculateTotal":true},"0"],
			["EmailSubmission/queryChanges",{"accountId":"u1","sinceQueryState":"`+was+`","sort":[{"property":"sentAt"}]},"1"],["EmailSubmission/queryChanges",{"accountId":"u1","sinceQueryState":"`+was+`","maxChanges":1},"2"]]`,
			`[["EmailSubmission/queryChanges",{…"total":2,"removed":`+list(1)+`,"added":[]},"0"],["EmailSubmission/queryChanges",{…"removed":`+list(1)+`,"added":[{"id":"`+ids[1]+`","index":0}]},"1"],["error",{"type":"tooManyChanges",…},"2"]]`)
	})
}

// RFC 8621 §7: the parameters that an account offers, and no others; §1.3.2 tells which.
func TestParameters(t *testing.T) {
	_, h := keeping(t)
	accounts, err := h.Accounts(context.Background(), "alice@example.com")
	if got := string(accounts[0].AccountCapabilities[jmap.CapabilitySubmission]); err != nil || got != `{"maxDelayedSend":2592000,"submissionExtensions":{"DSN":[],"FUTURERELEASE":[],"SIZE":["100000"]}}` {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range [][2]string{{`{"HOLDFOR":"0"}`}, {`{"HOLDFOR":"2592001"}`}, {`{"HOLDFOR":"-5"}`}, {`{"HOLDFOR":null}`}, {`{"HOLDFOR":"1","holdfor":"2"}`}, {`{"HOLDFOR":"5","HOLDUNTIL":"2020-01-01T00:00:00Z"}`},
		{`{"HOLDUNTIL":"tomorrow"}`}, {`{"HOLDUNTIL":"9999-01-01T00:00:00Z"}`}, {`{"BY":"60;R"}`}, {`{"AUTH":"<>"}`}, {`{"NOTIFY":"NEVER"}`}, {`{"XYZ":"1"}`}, {`{"CAP":"1"}`}, {`{"MT-PRIORITY":"1"}`},
		{`{"ENVID":"` + strings.Repeat("x", 5000) + `"}`}, {`null`, `{"RET":"FULL"}`}, {`null`, `{"HOLDFOR":"5"}`}, {`null`, `{"NOTIFY":null}`}, {`null`, `{"SIZE":"5"}`}} {
		if bad[1] == "" {
			bad[1] = "null"
		}
		expect(t, h, `[["EmailSubmission/set",{"accountId":"u1","create":{"k":{"identityId":"I1","emailId":"e7","envelope":{"mailFrom":{"email":"alice@example.com","parameters":`+bad[0]+`},`+
			`"rcptTo":[{"email":"a@b","parameters":`+bad[1]+`}]}}}},"0"]]`, `…"notCreated":{"k":{"type":"invalidProperties",…"properties":["envelope"]}}…`)
	}
	submission(t, h, "e7", `{"RET":"HDRS","ENVID":"mine","size":"5","BODY":"8BITMIME","SMTPUTF8":null}`, `{"ORCPT":"rfc822;bob@example.com"}`)
}

// RFC 8621 §7: where mailFrom comes from.
func TestMailFrom(t *testing.T) {
	store, h := keeping(t, letterTo("bob@example.com", "Sender: ALICE@example.com"), letterTo("bob@example.com", "Sender: secretary@example.com"),
		letterTo("bob@example.com", "Sender: a@example.com, b@example.com"), letterTo("bob@example.com", "From: alice@example.com"), letterTo("bob@example.com", "Sender: a@example.com", "Sender: alice@example.com"),
		strings.Replace(letterTo("bob@example.com"), "From: alice@example.com", "From: alice@example.com, Alice@example.com", 1), letterTo(strings.Repeat("b@example.com,", 10)+"x@example.com", "Subject: "+strings.Repeat("long ", 20_000)))
	for i, want := range []string{"ALICE@example.com", "alice@example.com", `"invalidEmail","properties":["sender"]`, `"invalidEmail","properties":["from"]`, `"invalidEmail","properties":["sender"]`,
		`"invalidEmail","properties":["from"]`, `"tooLarge","maxSize":100000`} {
		n := len(store.Sent("alice@example.com"))
		got := post(t, h, fmt.Sprintf(`[["EmailSubmission/set",{"accountId":"u1","create":{"k":{"identityId":"I1","emailId":"e%d"}}},"0"]]`, 11+2*i))
		sent := store.Sent("alice@example.com")
		if strings.Contains(want, `"`) && (!strings.Contains(got, want) || len(sent) != n) || !strings.Contains(want, `"`) && (len(sent) != n+1 || sent[n].From != want) {
			t.Errorf("%d: %s\nwant %s", i, got, want)
		}
	}
}
