package serve_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/push"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// erasing tells which subscriptions have been erased.
type erasing struct {
	push.SubscriptionStore
	gone chan jmap.ID
}

func (e erasing) DeleteSubscription(ctx context.Context, user string, id jmap.ID) error {
	err := e.SubscriptionStore.DeleteSubscription(ctx, user, id)
	e.gone <- id
	return err
}

// TestWebPush: a client subscribes over HTTPS, tells the code that came to its push service, and is told of mail there,
// encrypted, by who has the key of the Session. Once its token is revoked nothing more comes.
func TestWebPush(t *testing.T) {
	key, err := webpush.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	type posted struct {
		header http.Header
		body   []byte
	}
	came := make(chan posted, 16)
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		came <- posted{r.Header, b}
	}))
	defer service.Close()
	var revoked atomic.Bool
	gone := make(chan jmap.ID, 1)
	var p *push.WebPush
	r := newRig(t, func(c *serve.Config) {
		store := c.Store.(*mailstore.Store)
		var err error
		p, err = push.OpenWebPush(t.Context(), push.WebPushConfig{Store: erasing{store, gone}, Watchers: mailserver.New(store).Watchers,
			Transport: service.Client().Transport, Signer: &webpush.Signer{Key: key}, Logger: c.Logger,
			Valid: func(_ context.Context, user, credential string) (bool, error) {
				return user == "alice@example.com" && credential == jmapserver.TokenCredential("t0ken") && !revoked.Load(), nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		c.Push = p
	})
	defer p.Close()
	addr, _ := start(t, r.JMAP)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := r.client(addr, jmapclient.Bearer("t0ken"))
	session, err := c.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var vapid jmap.VAPID
	if err := jmap.Unmarshal(session.Capabilities[jmap.CapabilityVAPID], &vapid); err != nil || vapid.ApplicationServerKey != p.PublicKey() {
		t.Errorf("%+v, %v", vapid, err)
	}
	phone, err := webpush.NewReceiver(nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func() *jmapclient.WebPush {
		t.Helper()
		select {
		case got := <-came:
			if who, err := webpush.Verify(got.header.Get("Authorization"), service.URL, time.Now()); err != nil || who != vapid.ApplicationServerKey {
				t.Errorf("from %s, %v", who, err)
			}
			out, err := jmapclient.ReadPush(phone, got.body)
			if err != nil {
				t.Fatal(err)
			}
			return out
		case <-ctx.Done():
			t.Fatal("nothing came")
			return nil
		}
	}
	p256dh, auth := phone.Keys().Strings()
	made, err := c.CreatePush(ctx, jmap.PushCreate{DeviceClientID: "phone", URL: service.URL + "/p", Keys: &jmap.PushKeys{P256DH: p256dh, Auth: auth}, Types: []string{mail.EmailDelivery}})
	if err != nil {
		t.Fatal(err)
	}
	first := read()
	if first.Verification == nil || first.Verification.PushSubscriptionID != made.ID {
		t.Fatalf("%+v", first)
	}
	if err := c.VerifyPush(ctx, &jmap.PushVerification{PushSubscriptionID: made.ID, VerificationCode: "guessed"}); err == nil {
		t.Error("a guessed code is taken")
	}
	if err := c.VerifyPush(ctx, first.Verification); err != nil {
		t.Fatal(err)
	}
	r.deliver(t, "alice@example.com", "one")
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(); got.Change == nil || got.Change.Changed[account][mail.EmailDelivery] == "" {
		t.Errorf("%+v", got)
	}
	revoked.Store(true)
	r.deliver(t, "alice@example.com", "two")
	select {
	case id := <-gone:
		if all, err := r.store.Subscriptions(ctx); err != nil || len(all) > 0 || id != made.ID {
			t.Errorf("%s is erased, %+v left, %v", id, all, err)
		}
	case <-ctx.Done():
		t.Fatal("the subscription outlives its token")
	}
	if len(came) != 0 {
		t.Errorf("pushed with a revoked token: %+v", read())
	}
}
