package jmapclient_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// How full is the account?
func ExampleDo_quota() {
	store := jmaptest.NewStore("alice@example.com")
	store.Limit("alice@example.com", 1<<20, 100)
	store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Lunch?", "…"))
	c, stop := example(store)
	defer stop()

	ctx := context.Background()
	account, err := c.Account(ctx, jmap.CapabilityQuota)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := c.Batch(jmap.CapabilityQuota, jmap.CapabilityMail) // the latter for quotas of mail
	get := jmapclient.Add[jmap.GetResponse[mail.Quota]](b, "Quota/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err := b.Do(ctx); err != nil {
		fmt.Println(err)
		return
	}
	quotas, err := get.Result()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, q := range quotas.List {
		if q.ResourceType == mail.QuotaCount {
			fmt.Println(q.Used, "of", q.HardLimit, q.Types[0])
		}
	}
	// Output: 1 of 100 Email
}

// How to be away until a date.
func ExampleDo_vacation() {
	c, stop := example(jmaptest.NewStore("alice@example.com"))
	defer stop()

	ctx := context.Background()
	account, err := c.Account(ctx, jmap.CapabilityVacationResponse)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, text := jmap.UTCDate{Time: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}, "Back in December."
	type set = jmap.SetRequest[jmap.NoArgs, mail.VacationResponse, jmap.NoArgs]
	if _, err := jmapclient.Do[jmap.SetResponse[mail.VacationResponse]](ctx, c, jmap.CapabilityVacationResponse, "VacationResponse/set", set{AccountID: account,
		Update: map[jmap.ID]mail.VacationResponse{mail.VacationID: {IsEnabled: true, ToDate: &back, TextBody: &text}}}); err != nil {
		fmt.Println(err)
		return
	}
	got, err := jmapclient.Do[jmap.GetResponse[mail.VacationResponse]](ctx, c, jmap.CapabilityVacationResponse, "VacationResponse/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err != nil {
		fmt.Println(err)
		return
	}
	v := got.List[0]
	fmt.Println(v.IsEnabled, v.ToDate.Format(time.DateOnly), *v.TextBody)
	// Output: true 2026-12-01 Back in December.
}

// How to tell a sender who asked for it that the letter was read, once.
func ExampleAdd_mdn() {
	store := jmaptest.NewStore("alice@example.com")
	email := store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Lunch?", "…", "Disposition-Notification-To: bob@example.net"))
	c, stop := example(store)
	defer stop()

	ctx := context.Background()
	account, err := c.Account(ctx, jmap.CapabilityMDN)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := c.Batch(jmap.CapabilityMDN, jmap.CapabilityMail)
	send := jmapclient.Add[mail.MDNSendResponse](b, "MDN/send", mail.MDNSendRequest{
		AccountID:            account,
		IdentityID:           "I1",
		Send:                 map[jmap.ID]mail.MDN{"k": {ForEmailID: email, Disposition: &mail.Disposition{ActionMode: "manual-action", SendingMode: "mdn-sent-manually", Type: "displayed"}}},
		OnSuccessUpdateEmail: map[jmap.ID]jmap.Patch{"#k": {"keywords/" + mail.KeywordMDNSent: jmap.Raw("true")}},
	})
	if err := b.Do(ctx); err != nil {
		fmt.Println(err)
		return
	}
	out, err := send.Result()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*out.Sent["k"].FinalRecipient, "to", store.Sent("alice@example.com")[0].To)
	// Output: rfc822; alice@example.com to [bob@example.net]
}
