package push

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// A Subscription is a PushSubscription as a store keeps it. URL, Keys and Code are secrets.
type Subscription struct {
	User string `json:"user"`
	// Credential is what the user logged in with when it was made: see jmapserver.Server.
	Credential string                `json:"credential"`
	ID         jmap.ID               `json:"id"`
	DeviceID   string                `json:"deviceId"`
	URL        string                `json:"url"`
	Keys       *jmap.PushKeys        `json:"keys,omitzero"` // nil: nothing is encrypted
	Code       string                `json:"code"`
	Verified   bool                  `json:"verified"`
	Expires    time.Time             `json:"expires"`
	Types      jmap.NullList[string] `json:"types"` // nil: all
	// VAPID is the public key that it was made under, "" without.
	VAPID string `json:"vapid,omitzero"`
	// Told are the states that the push service has taken, by account and type.
	Told map[jmap.ID]map[string]jmap.State `json:"told,omitzero"`
}

// A SubscriptionStore keeps Subscriptions. What a method returned from is durable. One WebPush uses it at a time.
// jmaptest.TestSubscriptions checks one.
type SubscriptionStore interface {
	// Subscriptions returns all of all users, in any order.
	Subscriptions(ctx context.Context) ([]*Subscription, error)
	// PutSubscription adds one, or replaces the one of the same user and id. It keeps none of what s points to.
	PutSubscription(ctx context.Context, s *Subscription) error
	// DeleteSubscription erases one (RFC 8620 §7.2: its secrets leave the storage too); one that is not there is no error.
	DeleteSubscription(ctx context.Context, user string, id jmap.ID) error
}

// Bounds of subscriptions.
const (
	DefaultSubscriptions = 20
	DefaultExpiry        = 7 * 24 * time.Hour
	minExpiry            = 48 * time.Hour // RFC 8620 §7.2: the bound is no less
	maxDeviceID          = 255
	maxTypes             = 64
	maxTypeName          = 64
	// verifyEvery is how often something is sent to one URL that nobody has verified, createHourly how many new
	// subscriptions of one user send one.
	verifyEvery  = time.Minute
	createHourly = 60
)

// Get returns subscriptions that were made with this credential; it is jmapserver.PushSubscriptions'.
func (p *WebPush) Get(_ context.Context, user, credential string, ids []jmap.ID) (*jmap.PushGetResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := new(jmap.PushGetResponse)
	if ids == nil {
		for id, w := range p.users[user] {
			if w.sub.Credential == credential {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
	}
	for _, id := range ids {
		w, err := p.find(user, credential, id)
		if err != nil {
			out.NotFound = append(out.NotFound, id)
			continue
		}
		x := jmap.PushSubscription{ID: id, DeviceClientID: w.sub.DeviceID, Expires: jmap.UTCDate{Time: w.sub.Expires}, Types: slices.Clone(w.sub.Types)}
		if w.sub.Verified {
			x.VerificationCode = jmap.NullString(w.sub.Code)
		}
		out.List = append(out.List, x)
	}
	return out, nil
}

// find returns a subscription that is there, and has not expired. mu is held.
func (p *WebPush) find(user, credential string, id jmap.ID) (*worker, error) {
	w := p.users[user][id]
	if w == nil || w.sub.Credential != credential || !time.Now().Before(w.sub.Expires) {
		return nil, &jmap.SetError{Type: jmap.SetNotFound}
	}
	return w, nil
}

// Set is jmapserver.PushSubscriptions'.
func (p *WebPush) Set(ctx context.Context, user, credential string, r *jmap.PushSetRequest) (*jmap.PushSetResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, jmap.Errorf(jmap.ServerUnavailable, "the server stops")
	}
	out := &jmap.PushSetResponse{Created: map[jmap.ID]jmap.PushCreated{}, Updated: map[jmap.ID]*jmap.PushUpdated{},
		NotCreated: map[jmap.ID]*jmap.SetError{}, NotUpdated: map[jmap.ID]*jmap.SetError{}, NotDestroyed: map[jmap.ID]*jmap.SetError{}}
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		made, err := p.create(ctx, user, credential, r.Create[creation])
		if refused, err := p.refusal(ctx, err); err != nil {
			return nil, err
		} else if refused != nil {
			out.NotCreated[creation] = refused
			continue
		}
		out.Created[creation] = made
	}
	for _, id := range slices.Sorted(maps.Keys(r.Update)) {
		made, err := p.update(ctx, user, credential, id, r.Update[id])
		if refused, err := p.refusal(ctx, err); err != nil {
			return nil, err
		} else if refused != nil {
			out.NotUpdated[id] = refused
			continue
		}
		out.Updated[id] = made
	}
	for _, id := range r.Destroy {
		w, err := p.find(user, credential, id)
		if err == nil {
			err = p.destroy(ctx, w)
		}
		if refused, err := p.refusal(ctx, err); err != nil {
			return nil, err
		} else if refused != nil {
			out.NotDestroyed[id] = refused
			continue
		}
		out.Destroyed = append(out.Destroyed, id)
	}
	return out, nil
}

// refusal tells the refusal of one object from a failure of the store, which may come after some objects changed.
func (p *WebPush) refusal(ctx context.Context, err error) (*jmap.SetError, error) {
	if refused, ok := errors.AsType[*jmap.SetError](err); ok {
		return refused, nil
	}
	if err != nil {
		p.log(ctx, "push subscription not kept", err)
		return nil, jmap.Errorf(jmap.ServerPartialFail, "the subscriptions cannot be kept now")
	}
	return nil, nil
}

func invalid(property, why string) error {
	return &jmap.SetError{Type: jmap.SetInvalidProperties, Properties: []string{property}, Description: why}
}

// A creation is a jmap.PushCreate, and what it must not have.
type creation struct {
	jmap.PushCreate
	ID   *jmap.Raw `json:"id"`
	Code *string   `json:"verificationCode"`
}

// parse reads a creation.
func (p *WebPush) parse(raw jmap.Raw) (*creation, error) {
	c := new(creation)
	if err := jmap.Unmarshal(raw, c); err != nil {
		if e, ok := errors.AsType[*jmap.TypeError](err); ok {
			property, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(e.Path), "/"), "/")
			return nil, invalid(property, "not of its type")
		}
		return nil, &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "no object"}
	}
	switch {
	case c.ID != nil:
		return nil, invalid("id", "set by the server")
	case c.Code != nil:
		return nil, invalid("verificationCode", "comes to the url first")
	case c.DeviceClientID == "" || len(c.DeviceClientID) > maxDeviceID:
		return nil, invalid("deviceClientId", fmt.Sprintf("1 to %d octets", maxDeviceID))
	}
	u, err := webpush.ParseURL(c.URL)
	if err != nil {
		return nil, invalid("url", err.Error())
	}
	if p.refuses(u.Hostname()) {
		return nil, invalid("url", "a private or special address")
	}
	if c.Keys != nil {
		if _, err := webpush.ParseKeys(c.Keys.P256DH, c.Keys.Auth); err != nil {
			return nil, invalid("keys", err.Error())
		}
	}
	if err := checkTypes(c.Types); err != nil {
		return nil, err
	}
	return c, nil
}

func checkTypes(types []string) error {
	if len(types) > maxTypes || slices.ContainsFunc(types, func(t string) bool { return t == "" || len(t) > maxTypeName }) {
		return invalid("types", fmt.Sprintf("at most %d names of 1 to %d octets", maxTypes, maxTypeName))
	}
	return nil
}

// expiry returns when a subscription that is to last until t expires.
func (p *WebPush) expiry(t jmap.UTCDate) (time.Time, error) {
	now := time.Now()
	latest := now.Add(max(p.c.Expiry, minExpiry)).UTC().Truncate(time.Second)
	switch {
	case t.IsZero() || t.After(latest):
		return latest, nil
	case !t.After(now):
		return time.Time{}, invalid("expires", "has passed")
	}
	return t.UTC(), nil
}

// create adds a subscription and sends its code. mu is held.
func (p *WebPush) create(ctx context.Context, user, credential string, raw jmap.Raw) (jmap.PushCreated, error) {
	c, err := p.parse(raw)
	if err != nil {
		return jmap.PushCreated{}, err
	}
	expires, err := p.expiry(c.Expires)
	if err != nil {
		return jmap.PushCreated{}, err
	}
	if len(p.users[user]) >= p.c.PerUser {
		return jmap.PushCreated{}, &jmap.SetError{Type: jmap.SetOverQuota, Description: fmt.Sprintf("a user has at most %d push subscriptions", p.c.PerUser)}
	}
	now := time.Now()
	if !p.rate.allow(now, user, c.URL) {
		return jmap.PushCreated{}, &jmap.SetError{Type: jmap.SetRateLimit, Description: "too many new subscriptions, or of this url: try again later"}
	}
	sub := &Subscription{User: user, Credential: credential, ID: jmap.ID(rand.Text()), DeviceID: c.DeviceClientID, URL: c.URL, Keys: c.Keys,
		Code: rand.Text(), Expires: expires, Types: c.Types, VAPID: p.vapid}
	if err := p.c.Store.PutSubscription(ctx, sub); err != nil {
		return jmap.PushCreated{}, err
	}
	p.start(sub, true)
	return jmap.PushCreated{ID: sub.ID, Expires: jmap.UTCDate{Time: expires}}, nil
}

// update changes a subscription. mu is held.
func (p *WebPush) update(ctx context.Context, user, credential string, id jmap.ID, patch jmap.Patch) (*jmap.PushUpdated, error) {
	w, err := p.find(user, credential, id)
	if err != nil {
		return nil, err
	}
	entries, err := patch.Entries()
	if err != nil {
		return nil, err
	}
	next := *w.sub
	var out *jmap.PushUpdated
	for _, e := range entries {
		if len(e.Path) > 1 {
			return nil, &jmap.SetError{Type: jmap.SetInvalidPatch, Description: "no property is an object of which a part can change"}
		}
		property := e.Path[0]
		switch property {
		case "verificationCode":
			err = verify(&next, e.Value)
		case "types":
			var types jmap.NullList[string]
			if jmap.Unmarshal(e.Value, &types) != nil {
				err = invalid("types", "not of its type")
			} else if err = checkTypes(types); err == nil {
				next.Types = types
			}
		case "expires":
			var t jmap.UTCDate
			if jmap.Unmarshal(e.Value, &t) != nil {
				err = invalid("expires", "not of its type")
			} else if next.Expires, err = p.expiry(t); err == nil && !next.Expires.Equal(t.Time) {
				out = &jmap.PushUpdated{Expires: jmap.UTCDate{Time: next.Expires}}
			}
		default:
			err = same(property, e.Value, map[string]string{"id": string(id), "deviceClientId": next.DeviceID})
		}
		if err != nil {
			return nil, err
		}
	}
	if next.Verified && !w.sub.Verified {
		if next.Told, err = p.states(ctx, user); err != nil {
			return nil, err
		}
	}
	if err := p.c.Store.PutSubscription(ctx, &next); err != nil {
		return nil, err
	}
	w.sub = &next
	w.wake()
	return out, nil
}

// verify compares a verification code.
func verify(s *Subscription, value jmap.Raw) error {
	var code string
	if jmap.Unmarshal(value, &code) != nil || subtle.ConstantTimeCompare([]byte(code), []byte(s.Code)) != 1 {
		return invalid("verificationCode", "not the one that was sent to the url")
	}
	s.Verified = true
	return nil
}

// same allows a property that cannot be changed where it has its value (RFC 8620 §5.3).
func same(property string, value jmap.Raw, have map[string]string) error {
	var s string
	if old, ok := have[property]; ok && jmap.Unmarshal(value, &s) == nil && s == old {
		return nil
	}
	return invalid(property, "cannot be changed")
}
