package jmapclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// CreatePush asks the server to send changes to a URL (RFC 8620 §7.2). What comes there first is a PushVerification, maybe
// before CreatePush returns: see ReadPush and VerifyPush. The error is a *jmap.SetError where the server refuses.
func (c *Client) CreatePush(ctx context.Context, p jmap.PushCreate) (jmap.PushCreated, error) {
	const creation = "push"
	args, err := jmap.Marshal(struct {
		DeviceClientID string                `json:"deviceClientId"`
		URL            string                `json:"url"`
		Keys           *jmap.PushKeys        `json:"keys,omitzero"`
		Expires        jmap.UTCDate          `json:"expires,omitzero"`
		Types          jmap.NullList[string] `json:"types"`
	}{p.DeviceClientID, p.URL, p.Keys, p.Expires, p.Types})
	if err != nil {
		return jmap.PushCreated{}, err
	}
	out, err := c.setPush(ctx, jmap.PushSetRequest{Create: map[jmap.ID]jmap.Raw{creation: args}})
	if err != nil {
		return jmap.PushCreated{}, err
	}
	if e := out.NotCreated[creation]; e != nil {
		return jmap.PushCreated{}, e
	}
	made, ok := out.Created[creation]
	if !ok {
		return jmap.PushCreated{}, errors.New("jmapclient: PushSubscription/set answers nothing about the subscription")
	}
	return made, nil
}

// VerifyPush tells the server the code that came to the URL: from then on changes follow.
func (c *Client) VerifyPush(ctx context.Context, v *jmap.PushVerification) error {
	code, err := jmap.Marshal(v.VerificationCode)
	if err != nil {
		return err
	}
	out, err := c.setPush(ctx, jmap.PushSetRequest{Update: map[jmap.ID]jmap.Patch{v.PushSubscriptionID: {"verificationCode": code}}})
	if err != nil {
		return err
	}
	if e := out.NotUpdated[v.PushSubscriptionID]; e != nil {
		return e
	}
	return nil
}

func (c *Client) setPush(ctx context.Context, r jmap.PushSetRequest) (*jmap.PushSetResponse, error) {
	b := c.Batch()
	call := Add[jmap.PushSetResponse](b, "PushSubscription/set", r)
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	return call.Result()
}

// A WebPush is what came to the URL of a PushSubscription: one of the two.
type WebPush struct {
	Change       *jmap.StateChange
	Verification *jmap.PushVerification
}

// ReadPush reads the body of a request to the URL of a PushSubscription: of one with keys, r is their Receiver, and what
// others send is webpush.ErrDecrypt; of one without, r is nil.
func ReadPush(r *webpush.Receiver, body []byte) (*WebPush, error) {
	if r != nil {
		var err error
		if body, err = r.Decrypt(body); err != nil {
			return nil, err
		}
	}
	var kind struct {
		Type string `json:"@type"`
	}
	if err := jmap.Unmarshal(body, &kind); err != nil {
		return nil, fmt.Errorf("jmapclient: push: %w", err)
	}
	p := new(WebPush)
	var into any
	switch kind.Type {
	case "StateChange":
		p.Change = new(jmap.StateChange)
		into = p.Change
	case "PushVerification":
		p.Verification = new(jmap.PushVerification)
		into = p.Verification
	default:
		return nil, fmt.Errorf("jmapclient: push of unknown type %.80q", kind.Type)
	}
	if err := jmap.Unmarshal(body, into); err != nil {
		return nil, fmt.Errorf("jmapclient: push: %w", err)
	}
	return p, nil
}
