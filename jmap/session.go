package jmap

import (
	"net/url"
	"strings"
)

// Capabilities of RFC 8620, RFC 8621, RFC 8887, RFC 9007, RFC 9404 and RFC 9425.
const (
	CapabilityCore             = "urn:ietf:params:jmap:core"
	CapabilityMail             = "urn:ietf:params:jmap:mail"
	CapabilitySubmission       = "urn:ietf:params:jmap:submission"
	CapabilityWebSocket        = "urn:ietf:params:jmap:websocket"
	CapabilityBlob             = "urn:ietf:params:jmap:blob"
	CapabilityMDN              = "urn:ietf:params:jmap:mdn"
	CapabilityQuota            = "urn:ietf:params:jmap:quota"
	CapabilityVacationResponse = "urn:ietf:params:jmap:vacationresponse"
)

// WellKnown is the path of the Session (RFC 8620 §2.2).
const WellKnown = "/.well-known/jmap"

// A Session is what a server tells a user who has logged in (RFC 8620 §2).
type Session struct {
	Capabilities    map[string]Raw        `json:"capabilities"`
	Accounts        map[ID]SessionAccount `json:"accounts"`
	PrimaryAccounts map[string]ID         `json:"primaryAccounts"` // by capability
	Username        string                `json:"username"`
	// URLs; all but APIURL are templates for ExpandURL. They may be relative to the Session's own URL.
	APIURL         string `json:"apiUrl"`
	DownloadURL    string `json:"downloadUrl"`    // accountId, blobId, type, name
	UploadURL      string `json:"uploadUrl"`      // accountId
	EventSourceURL string `json:"eventSourceUrl"` // types, closeafter, ping
	State          State  `json:"state"`
}

// A SessionAccount is one account of a Session.
type SessionAccount struct {
	Name                string         `json:"name"`
	IsPersonal          bool           `json:"isPersonal"`
	IsReadOnly          bool           `json:"isReadOnly"`
	AccountCapabilities map[string]Raw `json:"accountCapabilities"`
}

// Limits are what a server allows: the value of CapabilityCore (RFC 8620 §2).
type Limits struct {
	MaxSizeUpload         int64    `json:"maxSizeUpload"` // octets
	MaxConcurrentUpload   int      `json:"maxConcurrentUpload"`
	MaxSizeRequest        int64    `json:"maxSizeRequest"` // octets
	MaxConcurrentRequests int      `json:"maxConcurrentRequests"`
	MaxCallsInRequest     int      `json:"maxCallsInRequest"`
	MaxObjectsInGet       int      `json:"maxObjectsInGet"`
	MaxObjectsInSet       int      `json:"maxObjectsInSet"`
	CollationAlgorithms   []string `json:"collationAlgorithms"`
}

// DefaultLimits are at least what RFC 8620 §2 suggests.
func DefaultLimits() Limits {
	return Limits{
		MaxSizeUpload:         50_000_000,
		MaxConcurrentUpload:   4,
		MaxSizeRequest:        10_000_000,
		MaxConcurrentRequests: 8,
		MaxCallsInRequest:     32,
		MaxObjectsInGet:       1000,
		MaxObjectsInSet:       1000,
		CollationAlgorithms:   []string{"i;ascii-casemap", "i;octet", "i;unicode-casemap"},
	}
}

// ExpandURL expands the variables of a level 1 URI template (RFC 6570 §1.2); pairs are names and values. Names that
// are not given expand to nothing.
func ExpandURL(template string, pairs ...string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(template)
			return b.String()
		}
		b.WriteString(before)
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				b.WriteString(strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
			}
		}
		template = after
	}
}

// A StateChange is what is pushed: new states by account and type (RFC 8620 §7.1).
type StateChange struct {
	Type    string                  `json:"@type"` // "StateChange"
	Changed map[ID]map[string]State `json:"changed"`
}
