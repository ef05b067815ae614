package mailserver_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

const asksForReceipt = "Return-Path: <joe@example.com>\r\nFrom: Joe <joe@example.com>\r\nTo: alice@example.com\r\nSubject: World domination\r\nMessage-ID: <199509192301.23456@example.org>\r\n"

// mdnSend is a call of MDN/send with one notification k of the email, and what is not given by the arguments.
func mdnSend(email jmap.ID, m string) string {
	if !strings.Contains(m, "disposition") {
		m += `,"disposition":{"actionMode":"manual-action","sendingMode":"mdn-sent-manually","type":"displayed"}`
	}
	return fmt.Sprintf(`[["MDN/send",{"accountId":"u1","identityId":"I1","send":{"k":{"forEmailId":%q%s}},"onSuccessUpdateEmail":{"#k":{"keywords/$mdnsent":true}}},"0"]]`, email, m)
}

// TestMDN sends the notification of RFC 9007 §3.1, not twice, and parses it as §3.3 does.
func TestMDN(t *testing.T) {
	store := newStore()
	h := newServer(store)
	sent := store.Deliver("alice@example.com", "sent", at(0), []byte("Message-ID: <199509192301.23456@example.org>\r\nSubject: x\r\n\r\n"))
	email := store.Deliver("alice@example.com", "inbox", at(1), []byte(asksForReceipt+"Disposition-Notification-To: Joe <joe@example.com>, b@example.com\r\nOriginal-Recipient: rfc822;List@example.net\r\n\r\nbody\r\n"))
	call := mdnSend(email, `,"subject":"Read: World domination","textBody":"It was displayed. \u00e9","reportingUA":"joes-pc.cs.example.com; Foomail 97.1","extensionFields":{"EXTENSION-EXAMPLE":"example.com"},"includeOriginalMessage":true`)
	expect(t, h, call, `[["MDN/send",{"accountId":"u1","sent":{"k":{"finalRecipient":"rfc822; alice@example.com","originalRecipient":"rfc822; List@example.net","originalMessageId":"<199509192301.23456@example.org>"}}},"0"],["Email/set",{…"updated":{"`+string(email)+`":null},…},"0"]]`)
	expect(t, h, call, `[["MDN/send",{"accountId":"u1","notSent":{"k":{"type":"mdnAlreadySent","description":"$mdnsent is set"}}},"0"]]`)
	out := store.Sent("alice@example.com")
	if len(out) != 1 || out[0].From != "" || fmt.Sprint(out[0].To) != "[joe@example.com b@example.com]" {
		t.Fatalf("sent %+v", out)
	}
	m, err := dsn.ParseMDN(bytes.NewReader(out[0].Raw))
	if err != nil || !m.Full || !bytes.HasPrefix(m.Original, []byte("Return-Path: <joe@example.com>\r\nFrom: Joe")) || bytes.Contains(out[0].Raw, []byte("\r\nDisposition-Notification-To: alice")) {
		t.Errorf("%+v, %v", m, err)
	}
	other := store.Deliver("alice@example.com", "inbox", at(2), out[0].Raw)
	blob := func(id jmap.ID) string {
		t.Helper()
		var r []jmap.Invocation
		var g struct {
			List []struct {
				BlobID jmap.ID `json:"blobId"`
			} `json:"list"`
		}
		if err := jmap.Unmarshal([]byte(post(t, h, fmt.Sprintf(`[["Email/get",{"accountId":"u1","ids":[%q],"properties":["blobId"]},"0"]]`, id))), &r); err != nil {
			t.Fatal(err)
		}
		if err := r[0].Decode("Email/get", &g); err != nil {
			t.Fatal(err)
		}
		return string(g.List[0].BlobID)
	}
	expect(t, h, fmt.Sprintf(`[["MDN/parse",{"accountId":"u1","blobIds":[%q,%q,"none"]},"0"]]`, blob(other), blob(email)),
		`[["MDN/parse",{"accountId":"u1","parsed":{"`+blob(other)+`":{"forEmailId":"`+string(sent)+`","subject":"Read: World domination","textBody":"It was displayed. é\n","includeOriginalMessage":true,"reportingUA":"joes-pc.cs.example.com; Foomail 97.1","disposition":{"actionMode":"manual-action","sendingMode":"mdn-sent-manually","type":"displayed"},"finalRecipient":"rfc822; alice@example.com","extensionFields":{"EXTENSION-EXAMPLE":"example.com"},"originalRecipient":"rfc822; List@example.net","originalMessageId":"<199509192301.23456@example.org>"}},"notParsable":["`+blob(email)+`"],"notFound":["none"]},"0"]]`)
	store.Deliver("alice@example.com", "sent", at(0), []byte("Message-ID: <199509192301.23456@example.org>\r\nSubject: again\r\n\r\n"))
	expect(t, h, fmt.Sprintf(`[["MDN/parse",{"accountId":"u1","blobIds":[%q]},"0"]]`, blob(other)), `[["MDN/parse",{"accountId":"u1","parsed":{"`+blob(other)+`":{"subject":…`)
	expect(t, h, fmt.Sprintf(`[["Email/get",{"accountId":"u1","ids":[%q],"properties":["keywords"]},"0"]]`, email), `…"keywords":{"$mdnsent":true}…`)
}

// TestMDNRefused: what is not sent, and why (RFC 9007 §2.1, RFC 8098 §2.1).
func TestMDNRefused(t *testing.T) {
	store := newStore()
	h := newServer(store)
	const dnt = "Disposition-Notification-To: joe@example.com\r\n"
	deliver := func(fields string) jmap.ID {
		return store.Deliver("alice@example.com", "inbox", at(0), []byte(asksForReceipt+fields+"\r\nbody\r\n"))
	}
	asks := deliver(dnt)
	const automatic = `,"disposition":{"actionMode":"automatic-action","sendingMode":"mdn-sent-automatically","type":"processed"}`
	for _, tt := range []struct {
		email   jmap.ID
		m, want string
	}{
		{"none", "", "notFound"},
		{deliver(""), "", "notFound"},
		{deliver("Disposition-Notification-To: joe\r\n"), "", "notFound"},
		{deliver(dnt + dnt), "", "notFound"},
		{deliver(dnt + "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n"), "", "forbidden"},
		{deliver("Disposition-Notification-To: joe@other.example.com\r\n"), automatic, "forbidden"},
		{deliver("Disposition-Notification-To: Joe@example.com\r\n"), automatic, "forbidden"},
		{deliver("Disposition-Notification-To: joe@example.com, b@example.com\r\n"), automatic, "forbidden"},
		{asks, `,"finalRecipient":"rfc822; bob@example.com"`, "forbiddenFrom"},
		{asks, `,"finalRecipient":"alice@example.com"`, "invalidProperties"},
		{asks, `,"finalRecipient":"x400; alice@example.com"`, "invalidProperties"},
		{asks, `,"disposition":{"actionMode":"Manual-action","sendingMode":"mdn-sent-manually","type":"displayed"}`, "invalidProperties"},
		{asks, `,"disposition":{"actionMode":"manual-action","sendingMode":"mdn-sent-manually","type":"displayed/error"}`, "invalidProperties"},
		{asks, `,"disposition":null`, "invalidProperties"},
		{asks, `,"originalMessageId":"<x@y>"`, "invalidProperties"},
		{asks, `,"mdnGateway":"x"`, "invalidProperties"},
		{asks, `,"error":[]`, "invalidProperties"},
		{asks, `,"originalRecipient":"x"`, "invalidProperties"},
		{asks, `,"extensionFields":{"Disposition":"x"}`, "invalidProperties"},
		{asks, `,"extensionFields":{"X: y\r\nBcc":"x"}`, "invalidProperties"},
	} {
		expect(t, h, mdnSend(tt.email, tt.m), `[["MDN/send",{"accountId":"u1","notSent":{"k":{"type":"`+tt.want+`"…}}},"0"]]`)
	}
	for _, tt := range [][2]string{
		{`"accountId":"u9"`, `"accountId":"u1"`}, {`"identityId":"I9"`, `"identityId":"I1"`},
		{`"#k":{"keywords/$mdnsent":null}`, `"#k":{"keywords/$mdnsent":true}`}, {`"#k":{"keywords":{"$seen":true}}`, `"#k":{"keywords/$mdnsent":true}`}, {`"#x":{"keywords/$mdnsent":true}`, `"#k":{"keywords/$mdnsent":true}`},
	} {
		expect(t, h, strings.Replace(mdnSend(asks, ""), tt[1], tt[0], 1), `[["error",{"type":"invalidArguments",…},"0"]]`)
	}
	expect(t, h, `[["MDN/parse",{"accountId":"u9","blobIds":[]},"0"]]`, `[["error",{"type":"invalidArguments",…},"0"]]`)
	expect(t, h, `[["MDN/parse",{"accountId":"u1"},"0"]]`, `[["error",{"type":"invalidArguments",…},"0"]]`)
	if out := store.Sent("alice@example.com"); len(out) != 0 {
		t.Fatalf("sent %s", out[0].Raw)
	}

	// Many at once send one.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { post(t, h, mdnSend(asks, "")) })
	}
	wg.Wait()
	if out := store.Sent("alice@example.com"); len(out) != 1 {
		t.Errorf("%d notifications of one email", len(out))
	}
	one := deliver(dnt + "X: twice in one call\r\n")
	two := fmt.Sprintf(`[["MDN/send",{"accountId":"u1","identityId":"I1","send":{"k":%s,"l":%[1]s},"onSuccessUpdateEmail":{"#k":{"keywords":{"$mdnsent":true}},"#l":{"keywords/$mdnsent":true}}},"0"]]`,
		fmt.Sprintf(`{"forEmailId":%q%s}`, one, automatic))
	expect(t, h, two, `[["MDN/send",{"accountId":"u1","sent":{"k":{"subject":"Your message has been processed","textBody":"Your message to alice@example.com has been processed.…","finalRecipient":…}},"notSent":{"l":{"type":"mdnAlreadySent"}}},"0"],["Email/set",…]]`)
}
