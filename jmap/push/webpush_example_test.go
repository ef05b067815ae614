package push_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/push"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// inbox is a push service that hands everything to the client at once.
type inbox chan []byte

func (in inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	in <- b
	return &http.Response{StatusCode: http.StatusCreated, Body: http.NoBody}, err
}

// A client that is not connected is told of new mail, encrypted so that the push service cannot read it.
func ExampleWebPush() {
	ctx, store, service := context.Background(), jmaptest.NewStore("alice"), make(inbox, 8)
	methods := mailserver.New(store)
	p, err := push.OpenWebPush(ctx, push.WebPushConfig{Store: new(push.Memory), Watchers: methods.Watchers, Transport: service})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	mux := new(jmapserver.Mux)
	methods.Register(mux)
	jmapserver.RegisterPush(mux, p)
	server := httptest.NewServer(&jmapserver.Server{Mux: mux, Accounts: methods.Accounts, Authenticate: func(*http.Request) (string, error) { return "alice", nil }})
	defer server.Close()

	phone, err := webpush.NewReceiver(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p256dh, auth := phone.Keys().Strings()
	client := &jmapclient.Client{URL: server.URL}
	if _, err := client.CreatePush(ctx, jmap.PushCreate{DeviceClientID: "phone-1", URL: "https://push.example/alice",
		Keys: &jmap.PushKeys{P256DH: p256dh, Auth: auth}, Types: []string{mail.EmailDelivery}}); err != nil {
		fmt.Println(err)
		return
	}
	first, err := jmapclient.ReadPush(phone, <-service)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.VerifyPush(ctx, first.Verification))

	store.Deliver("alice", "inbox", time.Now(), jmaptest.Message("bob@example.org", "Hi", "Hello."))
	next, err := jmapclient.ReadPush(phone, <-service)
	fmt.Println(len(next.Change.Changed), err)
	// Output:
	// <nil>
	// 1 <nil>
}
