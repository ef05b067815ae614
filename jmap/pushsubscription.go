package jmap

// CapabilityVAPID is that of RFC 9749; its value in a Session is a VAPID.
const CapabilityVAPID = "urn:ietf:params:jmap:webpush-vapid"

// A VAPID is the key by which push services know the server (RFC 9749 §3): uncompressed, in URL-safe base64.
type VAPID struct {
	ApplicationServerKey string `json:"applicationServerKey"`
}

// A PushSubscription asks for changes to be sent to a URL, also while the client is not connected (RFC 8620 §7.2).
type PushSubscription struct {
	Selection `json:"-"`

	ID             ID     `json:"id"`
	DeviceClientID string `json:"deviceClientId"`
	// VerificationCode is "" until the client has told the one that was sent to its URL.
	VerificationCode NullString `json:"verificationCode"`
	Expires          UTCDate    `json:"expires"`
	// Types are those whose changes are sent; nil is all.
	Types NullList[string] `json:"types"`
}

// A PushCreate is what a client creates a PushSubscription from.
type PushCreate struct {
	DeviceClientID string `json:"deviceClientId"`
	// URL begins with "https://". It is never told to anybody, nor are the Keys.
	URL string `json:"url"`
	// Keys encrypt all that is sent (RFC 8291); nil: it is sent as it is.
	Keys *PushKeys `json:"keys"`
	// Expires is as late as the server allows where it is zero.
	Expires UTCDate          `json:"expires"`
	Types   NullList[string] `json:"types"`
}

// PushKeys are those of the receiver of web push, in URL-safe base64.
type PushKeys struct {
	P256DH string `json:"p256dh"`
	Auth   string `json:"auth"`
}

// A PushVerification is what is sent to the URL of a new PushSubscription, and nothing else until the client has told
// its code by an update (RFC 8620 §7.2.2).
type PushVerification struct {
	Type               string `json:"@type"` // "PushVerification"
	PushSubscriptionID ID     `json:"pushSubscriptionId"`
	VerificationCode   string `json:"verificationCode"`
}

// A PushGetRequest is the arguments of PushSubscription/get: there is no account.
type PushGetRequest struct {
	IDs        []ID     `json:"ids"` // nil is all
	Properties []string `json:"properties,omitzero"`
}

// A PushGetResponse is its result: there is no state.
type PushGetResponse struct {
	List     []PushSubscription `json:"list"`
	NotFound []ID               `json:"notFound"`
}

// A PushSetRequest is the arguments of PushSubscription/set. A creation is a PushCreate.
type PushSetRequest struct {
	Create  map[ID]Raw   `json:"create,omitzero"`
	Update  map[ID]Patch `json:"update,omitzero"`
	Destroy []ID         `json:"destroy,omitzero"`
}

// A PushSetResponse is its result. Created and Updated hold what the server set that the client does not know.
type PushSetResponse struct {
	Created      map[ID]PushCreated  `json:"created"`
	Updated      map[ID]*PushUpdated `json:"updated"` // nil: nothing but what was asked for
	Destroyed    []ID                `json:"destroyed"`
	NotCreated   map[ID]*SetError    `json:"notCreated"`
	NotUpdated   map[ID]*SetError    `json:"notUpdated"`
	NotDestroyed map[ID]*SetError    `json:"notDestroyed"`
}

// A PushCreated is what a client does not know of the PushSubscription it created.
type PushCreated struct {
	ID      ID      `json:"id"`
	Expires UTCDate `json:"expires"`
}

// A PushUpdated is what the server made of an update.
type PushUpdated struct {
	Expires UTCDate `json:"expires"`
}
