package push

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/internal/netguard"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// A service is a push service in memory.
type service struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	at     []time.Time
	status int
	header http.Header
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.bodies, s.at = append(s.got, r), append(s.bodies, string(b)), append(s.at, time.Now())
	status := s.status
	if status == 0 {
		status = 201
	}
	return &http.Response{StatusCode: status, Header: s.header, Body: http.NoBody}, err
}

func (s *service) answer(status int, header http.Header) {
	s.mu.Lock()
	s.status, s.header = status, header
	s.mu.Unlock()
}

// take returns what has come, and forgets it.
func (s *service) take() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.bodies
	s.bodies, s.got, s.at = nil, nil, nil
	return out
}

// An account is a change feed whose states a test sets.
type account struct {
	mu     sync.Mutex
	states map[string]jmap.State
	watch  []chan struct{}
}

func (a *account) Watch(ctx context.Context) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := make(chan struct{}, 1)
	a.watch = append(a.watch, c)
	return c
}

func (a *account) States(context.Context) (map[string]jmap.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make(map[string]jmap.State)
	maps.Copy(out, a.states)
	return out, nil
}

func (a *account) set(typ string, s jmap.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.states[typ] = s
	for _, c := range a.watch {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// A pushRig is a WebPush with all around it.
type pushRig struct {
	*WebPush
	t       *testing.T
	c       WebPushConfig
	service *service
	mail    *account
	log     strings.Builder
}

func newPushRig(t *testing.T, with func(*WebPushConfig)) *pushRig {
	r := &pushRig{t: t, service: new(service), mail: &account{states: map[string]jmap.State{"Email": "1", "Mailbox": "1", "EmailDelivery": "1"}}}
	r.c = WebPushConfig{Store: new(Memory), Transport: r.service, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		Watchers: func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) {
			return map[jmap.ID]jmap.Watcher{"A": r.mail}, nil
		}}
	if with != nil {
		with(&r.c)
	}
	r.open()
	return r
}

func (r *pushRig) open() {
	r.t.Helper()
	var err error
	if r.WebPush, err = OpenWebPush(r.t.Context(), r.c); err != nil {
		r.t.Fatal(err)
	}
}

func (r *pushRig) set(user, credential, request string) *jmap.PushSetResponse {
	r.t.Helper()
	var q jmap.PushSetRequest
	if err := jmap.Unmarshal([]byte(request), &q); err != nil {
		r.t.Fatal(err)
	}
	out, err := r.Set(r.t.Context(), user, credential, &q)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// subscribe makes a subscription of alice's with more properties, and verifies it.
func (r *pushRig) subscribe(more string) jmap.ID {
	r.t.Helper()
	made := r.set("alice", "c", `{"create":{"x":{"deviceClientId":"d","url":"https://push.example/x"`+more+`}}}`).Created["x"]
	var v jmap.PushVerification
	if got := r.service.take(); len(got) != 1 || jmap.Unmarshal([]byte(got[0]), &v) != nil || v.Type != "PushVerification" || v.PushSubscriptionID != made.ID {
		r.t.Fatalf("verification: %q", got)
	}
	r.mail.set("Email", "before")
	if got := r.service.take(); len(got) != 0 {
		r.t.Fatalf("before it was verified: %q", got)
	}
	out := r.set("alice", "c", `{"update":{"`+string(made.ID)+`":{"verificationCode":"`+v.VerificationCode+`"}}}`)
	if _, ok := out.Updated[made.ID]; !ok {
		r.t.Fatalf("%+v", out.NotUpdated[made.ID])
	}
	if got := r.service.take(); len(got) != 0 {
		r.t.Fatalf("verified, with no change since: %q", got)
	}
	return made.ID
}

func (r *pushRig) expect(want ...string) {
	r.t.Helper()
	if got := r.service.take(); !slices.Equal(got, want) {
		r.t.Errorf("pushed %q, want %q", got, want)
	}
}

func emailChange(state string) string {
	return `{"@type":"StateChange","changed":{"A":{"Email":"` + state + `"}}}`
}

// TestPushDelivery: what changes is sent; while the service is away it becomes one; a restart forgets nothing.
func TestPushDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPushRig(t, nil)
		id := r.subscribe(``)
		r.mail.set("Email", "2")
		synctest.Wait()
		h := r.service.got[0].Header
		if h.Get("TTL") != "86400" || h.Get("Urgency") != "low" || len(h.Get("Topic")) != 24 || h.Get("Content-Type") != "application/json" || h.Get("Content-Encoding") != "" {
			t.Errorf("%v", h)
		}
		r.expect(emailChange("2"))
		r.service.answer(503, http.Header{"Retry-After": {"7200"}})
		r.mail.set("Email", "3")
		r.expect(emailChange("3"))
		r.mail.set("Email", "4")
		r.mail.set("Mailbox", "2")
		time.Sleep(2*time.Hour - time.Second)
		r.expect()
		r.service.answer(201, nil)
		time.Sleep(time.Second)
		r.expect(`{"@type":"StateChange","changed":{"A":{"Email":"4","Mailbox":"2"}}}`)
		r.Close()
		r.mail.set("Email", "5")
		r.expect()
		r.open()
		r.expect(emailChange("5"))
		r.mail.set("EmailDelivery", "2")
		synctest.Wait()
		if u := r.service.got[0].Header.Get("Urgency"); u != "normal" {
			t.Errorf("new mail is %s", u)
		}
		r.service.take()
		r.set("alice", "c", `{"destroy":["`+string(id)+`"]}`)
		r.mail.set("Email", "6")
		r.expect()
		r.Close()
		if all, err := r.c.Store.Subscriptions(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
}

// TestPushTypes: only the wanted types, EmailDelivery among them.
func TestPushTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPushRig(t, nil)
		defer r.Close()
		id := r.subscribe(`,"types":["EmailDelivery"]`)
		r.mail.set("Email", "2")
		r.expect()
		r.mail.set("EmailDelivery", "2")
		r.expect(`{"@type":"StateChange","changed":{"A":{"EmailDelivery":"2"}}}`)
		r.set("alice", "c", `{"update":{"`+string(id)+`":{"types":["Email"]}}}`)
		r.mail.set("EmailDelivery", "3")
		r.expect()
		r.mail.set("Email", "3")
		r.expect(emailChange("3"))
	})
}

// TestPushEncrypted: with keys all is encrypted, and signed where there is a key; under another key it is destroyed.
func TestPushEncrypted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, err := webpush.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		r := newPushRig(t, func(c *WebPushConfig) { c.Signer = &webpush.Signer{Key: key} })
		phone, err := webpush.NewReceiver(nil)
		if err != nil {
			t.Fatal(err)
		}
		p256dh, auth := phone.Keys().Strings()
		made := r.set("alice", "c", `{"create":{"x":{"deviceClientId":"d","url":"https://push.example/x","keys":{"p256dh":"`+p256dh+`","auth":"`+auth+`"}}}}`).Created["x"]
		synctest.Wait()
		h := r.service.got[0].Header
		if who, err := webpush.Verify(h.Get("Authorization"), "https://push.example", time.Now()); err != nil || who != r.PublicKey() || h.Get("Content-Encoding") != "aes128gcm" {
			t.Errorf("%s, %v: %v", who, err, h)
		}
		var v jmap.PushVerification
		b, err := phone.Decrypt([]byte(r.service.take()[0]))
		if err != nil || jmap.Unmarshal(b, &v) != nil {
			t.Fatalf("%s, %v", b, err)
		}
		r.set("alice", "c", `{"update":{"`+string(made.ID)+`":{"verificationCode":"`+v.VerificationCode+`"}}}`)
		r.mail.set("Email", "2")
		got := r.service.take()
		if b, err := phone.Decrypt([]byte(got[0])); err != nil || string(b) != emailChange("2") {
			t.Errorf("%s, %v", b, err)
		}
		r.Close()
		r.c.Signer = nil
		r.open()
		defer r.Close()
		r.mail.set("Email", "3")
		r.expect()
		if all, _ := r.c.Store.Subscriptions(t.Context()); len(all) != 0 {
			t.Error("a subscription of another key is kept")
		}
	})
}

// TestPushEnds: gone, expired, or its credential revoked, a subscription is erased, and nothing more is sent.
func TestPushEnds(t *testing.T) {
	for name, end := range map[string]func(*pushRig){
		"404":     func(r *pushRig) { r.service.answer(404, nil); r.mail.set("Email", "2"); r.service.take() },
		"410":     func(r *pushRig) { r.service.answer(410, nil); r.mail.set("Email", "2"); r.service.take() },
		"expired": func(*pushRig) { time.Sleep(DefaultExpiry) },
		"revoked": func(r *pushRig) {
			if err := r.Revoke(r.t.Context(), "alice", "c"); err != nil {
				r.t.Error(err)
			}
		},
		"invalid": func(r *pushRig) { r.c.Store.(*revocable).set(true); r.mail.set("Email", "2") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newPushRig(t, func(c *WebPushConfig) {
					store := &revocable{SubscriptionStore: new(Memory)}
					c.Store = store
					c.Valid = func(context.Context, string, string) (bool, error) { return !store.get(), nil }
				})
				defer r.Close()
				r.subscribe(``)
				end(r)
				synctest.Wait()
				if all, err := r.c.Store.Subscriptions(t.Context()); err != nil || len(all) != 0 {
					t.Errorf("%d are kept, %v", len(all), err)
				}
				r.service.answer(201, nil)
				r.mail.set("Email", "3")
				r.expect()
				if out, err := r.Get(t.Context(), "alice", "c", nil); err != nil || len(out.List) != 0 {
					t.Errorf("%+v, %v", out, err)
				}
			})
		})
	}
}

// A revocable store tells, too, whether the credential is revoked.
type revocable struct {
	SubscriptionStore
	mu      sync.Mutex
	revoked bool
}

func (s *revocable) set(v bool) { s.mu.Lock(); s.revoked = v; s.mu.Unlock() }
func (s *revocable) get() bool  { s.mu.Lock(); defer s.mu.Unlock(); return s.revoked }

// TestPush429: each 429 makes messages rarer (RFC 8620 §7.2).
func TestPush429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPushRig(t, nil)
		defer r.Close()
		r.subscribe(``)
		r.service.answer(429, nil)
		r.mail.set("Email", "2")
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		r.service.mu.Lock()
		at := slices.Clone(r.service.at)
		r.service.mu.Unlock()
		if len(at) < 3 || len(at) > 6 {
			t.Fatalf("%d requests in 20 minutes", len(at))
		}
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < minPace<<(i-1) {
				t.Errorf("%v between requests %d and %d", gap, i, i+1)
			}
		}
		r.service.answer(201, nil)
		time.Sleep(time.Hour)
		r.service.take()
		r.mail.set("Email", "3")
		r.mail.set("Email", "4")
		time.Sleep(time.Hour)
		if got := r.service.take(); len(got) == 0 || got[len(got)-1] != emailChange("4") {
			t.Errorf("%q", got)
		}
	})
}

// TestPushVerification: sent once, whatever comes of it; no other code will do.
func TestPushVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPushRig(t, nil)
		defer r.Close()
		r.service.answer(503, http.Header{"Retry-After": {"1"}})
		made := r.set("alice", "c", `{"create":{"x":{"deviceClientId":"d","url":"https://push.example/secret"}}}`).Created["x"]
		time.Sleep(26 * time.Hour)
		if got := r.service.take(); len(got) != 1 {
			t.Errorf("%d requests", len(got))
		}
		for _, code := range []string{`"x"`, `""`, `null`, `7`} {
			out := r.set("alice", "c", `{"update":{"`+string(made.ID)+`":{"verificationCode":`+code+`}}}`)
			if e := out.NotUpdated[made.ID]; e == nil || e.Type != jmap.SetInvalidProperties {
				t.Errorf("%s: %+v", code, e)
			}
		}
		r.mail.set("Email", "2")
		r.expect()
		if strings.Contains(r.log.String(), "secret") {
			t.Errorf("the log tells the URL: %s", r.log.String())
		}
	})
}

// TestPushSet is the attack table of PushSubscription/set.
func TestPushSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPushRig(t, nil)
		defer r.Close()
		for _, tt := range []struct{ create, property string }{
			{`{"deviceClientId":"d","url":"http://push.example/"}`, "url"},
			{`{"deviceClientId":"d","url":"https://u:p@push.example/"}`, "url"},
			{`{"deviceClientId":"d","url":7}`, "url"},
			{`{"deviceClientId":"d"}`, "url"},
			{`{"url":"https://push.example/"}`, "deviceClientId"},
			{`{"deviceClientId":"` + strings.Repeat("d", 256) + `","url":"https://push.example/"}`, "deviceClientId"},
			{`{"deviceClientId":"d","url":"https://push.example/","verificationCode":"x"}`, "verificationCode"},
			{`{"deviceClientId":"d","url":"https://push.example/","id":"x"}`, "id"},
			{`{"deviceClientId":"d","url":"https://push.example/","keys":{"p256dh":"x","auth":"y"}}`, "keys"},
			{`{"deviceClientId":"d","url":"https://push.example/","keys":{}}`, "keys"},
			{`{"deviceClientId":"d","url":"https://push.example/","types":[""]}`, "types"},
			{`{"deviceClientId":"d","url":"https://push.example/","expires":"1999-01-01T00:00:00Z"}`, "expires"},
			{`{"deviceClientId":"d","url":"https://push.example/","expires":"soon"}`, "expires"},
		} {
			e := r.set("alice", "c", `{"create":{"x":`+tt.create+`}}`).NotCreated["x"]
			if e == nil || e.Type != jmap.SetInvalidProperties || len(e.Properties) != 1 || e.Properties[0] != tt.property {
				t.Errorf("%s: %+v", tt.create, e)
			}
		}
		r.expect()
		id := r.subscribe(`,"types":null,"keys":null`)
		for _, tt := range []struct {
			user, credential, patch string
			want                    jmap.SetErrorType
		}{
			{"alice", "c", `{"url":"https://push.example/y"}`, jmap.SetInvalidProperties},
			{"alice", "c", `{"keys":null}`, jmap.SetInvalidProperties},
			{"alice", "c", `{"deviceClientId":"e"}`, jmap.SetInvalidProperties},
			{"alice", "c", `{"deviceClientId":"d","id":"` + string(id) + `"}`, ""},
			{"alice", "c", `{"keys/auth":"x"}`, jmap.SetInvalidPatch},
			{"alice", "c", `{"expires":"1999-01-01T00:00:00Z"}`, jmap.SetInvalidProperties},
			{"alice", "c", `{"types":"Email"}`, jmap.SetInvalidProperties},
			{"alice", "other", `{"types":null}`, jmap.SetNotFound},
			{"bob", "c", `{"types":null}`, jmap.SetNotFound},
		} {
			e := r.set(tt.user, tt.credential, `{"update":{"`+string(id)+`":`+tt.patch+`}}`).NotUpdated[id]
			if (e == nil) != (tt.want == "") || e != nil && e.Type != tt.want {
				t.Errorf("%s: %+v", tt.patch, e)
			}
		}
		if e := r.set("alice", "other", `{"destroy":["`+string(id)+`"]}`).NotDestroyed[id]; e == nil || e.Type != jmap.SetNotFound {
			t.Errorf("destroyed with another credential: %+v", e)
		}
		for _, credential := range []string{"other", "c"} {
			out, err := r.Get(t.Context(), "alice", credential, []jmap.ID{id})
			if err != nil || (len(out.List) == 1) != (credential == "c") || len(out.List)+len(out.NotFound) != 1 {
				t.Errorf("%s: %+v, %v", credential, out, err)
			}
		}
	})
}

// TestPushLimits: life, number, and how often anything goes to a URL that nobody has verified.
func TestPushLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPushRig(t, func(c *WebPushConfig) { c.PerUser = 2 })
		defer r.Close()
		create := func(user, url, expires string) *jmap.PushSetResponse {
			return r.set(user, "c", `{"create":{"x":{"deviceClientId":"d","url":"https://push.example/`+url+`","expires":`+expires+`}}}`)
		}
		now := time.Now().UTC()
		late, early := now.Add(30*24*time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)
		first := create("alice", "1", `"`+late+`"`).Created["x"]
		if got := first.Expires.Sub(now); got != DefaultExpiry {
			t.Errorf("lives %v", got)
		}
		if e := create("bob", "1", "null").NotCreated["x"]; e == nil || e.Type != jmap.SetRateLimit {
			t.Errorf("one URL at once: %+v", e)
		}
		if got := create("alice", "2", `"`+early+`"`).Created["x"].Expires.Sub(now); got != time.Hour {
			t.Errorf("lives %v", got)
		}
		if e := create("alice", "3", "null").NotCreated["x"]; e == nil || e.Type != jmap.SetOverQuota {
			t.Errorf("a third: %+v", e)
		}
		time.Sleep(verifyEvery)
		if len(create("bob", "1", "null").Created) != 1 {
			t.Error("a minute later")
		}
		out := r.set("alice", "c", `{"update":{"`+string(first.ID)+`":{"expires":"`+late+`"}}}`)
		if u := out.Updated[first.ID]; u == nil || u.Expires.Sub(now) != DefaultExpiry+verifyEvery {
			t.Errorf("%+v", u)
		}
		for i := range createHourly + 1 {
			made := create("carol", strings.Repeat("x", i+10), "null")
			if e := made.NotCreated["x"]; (e != nil) != (i == createHourly) {
				t.Fatalf("%d: %+v", i, e)
			}
			r.set("carol", "c", `{"destroy":["`+string(made.Created["x"].ID)+`"]}`)
		}
	})
}

// TestPushGuard: no private address is dialed, and no redirection followed to one.
func TestPushGuard(t *testing.T) {
	hit := make(chan string, 10)
	inner := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hit <- r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer inner.Close()
	send := func(allow ...netip.Prefix) error {
		tr := guarded(&netguard.Guard{Allow: allow})
		tr.TLSClientConfig = inner.Client().Transport.(*http.Transport).TLSClientConfig
		defer tr.CloseIdleConnections()
		return (&webpush.Sender{Transport: tr}).Send(t.Context(), inner.URL, &webpush.Message{})
	}
	if _, ok := errors.AsType[*netguard.RefusedError](send()); !ok || len(hit) != 0 {
		t.Error("loopback is dialed")
	}
	if e, ok := errors.AsType[*webpush.Refusal](send(netip.MustParsePrefix("127.0.0.0/8"))); !ok || e.Status != 307 || len(hit) != 1 {
		t.Errorf("%+v, %d requests", e, len(hit))
	}
}

// TestPushLong: what is too long for one message becomes several.
func TestPushLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := make(map[jmap.ID]jmap.Watcher)
		for i := range 30 {
			many[jmap.ID(strings.Repeat("a", 200)+string(rune('A'+i%26))+string(rune('a'+i/26)))] = &account{states: map[string]jmap.State{"Email": "1"}}
		}
		r := newPushRig(t, func(c *WebPushConfig) {
			inner := c.Watchers
			var calls int
			c.Watchers = func(ctx context.Context, user string) (map[jmap.ID]jmap.Watcher, error) {
				if calls++; calls == 1 {
					return inner(ctx, user) // at its verification
				}
				return many, nil
			}
		})
		defer r.Close()
		made := r.set("alice", "c", `{"create":{"x":{"deviceClientId":"d","url":"https://push.example/x"}}}`).Created["x"]
		var v jmap.PushVerification
		if err := jmap.Unmarshal([]byte(r.service.take()[0]), &v); err != nil {
			t.Fatal(err)
		}
		r.set("alice", "c", `{"update":{"`+string(made.ID)+`":{"verificationCode":"`+v.VerificationCode+`"}}}`)
		seen := make(map[jmap.ID]bool)
		got := r.service.take()
		for _, b := range got {
			var change jmap.StateChange
			if err := jmap.Unmarshal([]byte(b), &change); err != nil || len(b) > webpush.MaxPlaintext {
				t.Errorf("%d octets, %v", len(b), err)
			}
			for id := range change.Changed {
				seen[id] = true
			}
		}
		if len(seen) != 30 || len(got) < 2 {
			t.Errorf("%d accounts in %d messages", len(seen), len(got))
		}
	})
}
