package jmapserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
)

// PushSubscriptions are those of all users, each tied to the credential that it was made with (see Server.Credential):
// who comes with another sees nothing of it. push.WebPush is one.
type PushSubscriptions interface {
	// Get has one entry per distinct id, in List or in NotFound.
	Get(ctx context.Context, user, credential string, ids []jmap.ID) (*jmap.PushGetResponse, error)
	// Set is told ids alone, no creation ids.
	Set(ctx context.Context, user, credential string, r *jmap.PushSetRequest) (*jmap.PushSetResponse, error)
}

// RegisterPush adds PushSubscription/get and PushSubscription/set (RFC 8620 §7.2).
func RegisterPush(m *Mux, p PushSubscriptions) {
	Register(m, jmap.CapabilityCore, "PushSubscription/get", func(ctx context.Context, c *Call, r *jmap.PushGetRequest) (*jmap.PushGetResponse, error) {
		if err := CheckIDs(c, &r.IDs); err != nil {
			return nil, err
		}
		for _, secret := range []string{"url", "keys"} {
			if slices.Contains(r.Properties, secret) {
				return nil, jmap.Errorf(jmap.Forbidden, "property %s is never told", secret)
			}
		}
		if r.Properties == nil {
			r.Properties = jmap.Properties[jmap.PushSubscription]()
		}
		sel, err := jmap.Select[jmap.PushSubscription](r.Properties, nil)
		if err != nil {
			return nil, err
		}
		out, err := p.Get(ctx, c.User, c.Credential, r.IDs)
		if err != nil {
			return nil, err
		}
		for i := range out.List {
			out.List[i].SetSelection(sel)
		}
		return out, nil
	})
	Register(m, jmap.CapabilityCore, "PushSubscription/set", func(ctx context.Context, c *Call, r *jmap.PushSetRequest) (*jmap.PushSetResponse, error) {
		if n := len(r.Create) + len(r.Update) + len(r.Destroy); n > c.Limits.MaxObjectsInSet {
			return nil, jmap.Errorf(jmap.RequestTooLarge, "more than %d objects", c.Limits.MaxObjectsInSet)
		}
		updates := make(map[jmap.ID]jmap.Patch, len(r.Update))
		for id, patch := range r.Update {
			updates[known(c, id)] = patch
		}
		r.Update = updates
		for i, id := range r.Destroy {
			r.Destroy[i] = known(c, id)
		}
		out, err := p.Set(ctx, c.User, c.Credential, r)
		if err != nil {
			return nil, err
		}
		for creation, x := range out.Created {
			c.Created(creation, x.ID)
		}
		return out, nil
	})
}

// known returns the id that a creation id stands for, and any other as it is.
func known(c *Call, id jmap.ID) jmap.ID {
	if found, ok := c.Resolve(id); ok {
		return found
	}
	return id
}

// Credential names what a request logged in with, without showing it, for Server.Credential: PasswordCredential for Basic,
// and TokenCredential for Bearer.
func (a *Auth) Credential(r *http.Request) string {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return TokenCredential(strings.TrimSpace(value))
	}
	_, password, _ := r.BasicAuth()
	return PasswordCredential(a.CredentialKey, password)
}

// PasswordCredential returns the credential of who logs in with a password: a digest under a secret key, without which it says
// nothing about a password that can be guessed. A user who has another password now has another credential, and what was made
// with the old one ends (RFC 8620 §7.2). Without a key it is the same for all passwords.
func PasswordCredential(key []byte, password string) string {
	if key == nil {
		return "password"
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(password))
	return "password-" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// TokenCredential returns the credential of who logs in with a token: a digest, so that a token must not be guessable.
func TokenCredential(token string) string {
	sum := sha256.Sum256([]byte("mailbricks push subscription\x00" + token))
	return "token-" + hex.EncodeToString(sum[:16])
}

// credentialKey is the key of the credential in a request's context.
type credentialKey struct{}

func credentialOf(ctx context.Context) string {
	s, _ := ctx.Value(credentialKey{}).(string)
	return s
}
