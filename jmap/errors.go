package jmap

import (
	"errors"
	"fmt"
	"strings"
)

// A RequestError refuses a whole request: the problem details (RFC 7807) of RFC 8620 §3.6.1.
type RequestError struct {
	// Type is one of the Problem constants, or another URI; "" is "about:blank".
	Type string `json:"type,omitzero"`
	// Status is the HTTP status, 400 for the types of RFC 8620.
	Status int `json:"status,omitzero"`
	// Detail is for a developer, not for a user.
	Detail string `json:"detail,omitzero"`
	// Limit names the limit that was exceeded, with ProblemLimit.
	Limit string `json:"limit,omitzero"`
}

// Types of a RequestError.
const (
	ProblemUnknownCapability = "urn:ietf:params:jmap:error:unknownCapability"
	ProblemNotJSON           = "urn:ietf:params:jmap:error:notJSON"
	ProblemNotRequest        = "urn:ietf:params:jmap:error:notRequest"
	ProblemLimit             = "urn:ietf:params:jmap:error:limit"
)

func (e *RequestError) Error() string {
	s := "jmap: request refused: " + e.Type
	if e.Limit != "" {
		s += " " + e.Limit
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// A MethodError is the failure of one method call (RFC 8620 §3.6.2). Nothing changed, but for ServerPartialFail.
type MethodError struct {
	Type MethodErrorType `json:"type"`
	// Description is for a developer, not for a user.
	Description string `json:"description,omitzero"`
}

// A MethodErrorType says why a method call failed.
type MethodErrorType string

// The types of RFC 8620: those of every method, then those of /get, /changes, /set, /copy and /query.
const (
	ServerUnavailable           MethodErrorType = "serverUnavailable"
	ServerFail                  MethodErrorType = "serverFail"
	ServerPartialFail           MethodErrorType = "serverPartialFail"
	UnknownMethod               MethodErrorType = "unknownMethod"
	InvalidArguments            MethodErrorType = "invalidArguments"
	InvalidResultReference      MethodErrorType = "invalidResultReference"
	Forbidden                   MethodErrorType = "forbidden"
	AccountNotFound             MethodErrorType = "accountNotFound"
	AccountNotSupportedByMethod MethodErrorType = "accountNotSupportedByMethod"
	AccountReadOnly             MethodErrorType = "accountReadOnly"

	RequestTooLarge        MethodErrorType = "requestTooLarge"
	CannotCalculateChanges MethodErrorType = "cannotCalculateChanges"
	StateMismatch          MethodErrorType = "stateMismatch"
	FromAccountNotFound    MethodErrorType = "fromAccountNotFound"
	AnchorNotFound         MethodErrorType = "anchorNotFound"
	UnsupportedSort        MethodErrorType = "unsupportedSort"
	UnsupportedFilter      MethodErrorType = "unsupportedFilter"
	TooManyChanges         MethodErrorType = "tooManyChanges"

	UnknownDataType MethodErrorType = "unknownDataType" // RFC 9404 §4.3
)

func (e *MethodError) Error() string {
	if e.Description == "" {
		return "jmap: " + string(e.Type)
	}
	return "jmap: " + string(e.Type) + ": " + e.Description
}

// Errorf returns a *MethodError.
func Errorf(t MethodErrorType, format string, args ...any) *MethodError {
	return &MethodError{Type: t, Description: fmt.Sprintf(format, args...)}
}

// IsMethodError reports whether err is, or wraps, a *MethodError of type t.
func IsMethodError(err error, t MethodErrorType) bool {
	e, ok := errors.AsType[*MethodError](err)
	return ok && e.Type == t
}

// A SetError says why one record was not created, updated or destroyed (RFC 8620 §5.3).
type SetError struct {
	Type        SetErrorType `json:"type"`
	Description string       `json:"description,omitzero"`
	// Properties are the invalid ones, with InvalidProperties.
	Properties []string `json:"properties,omitzero"`
	// ExistingID is the record that is there already, with AlreadyExists.
	ExistingID ID `json:"existingId,omitzero"`
	// NotFound are the blobs that are not, with BlobNotFound (RFC 8621 §4.6).
	NotFound []ID `json:"notFound,omitzero"`
	// MaxSize is the largest size in octets, with TooLarge of an EmailSubmission (RFC 8621 §7.5).
	MaxSize int64 `json:"maxSize,omitzero"`
	// MaxRecipients comes with TooManyRecipients, InvalidRecipients with the type of that name (RFC 8621 §7.5).
	MaxRecipients     int      `json:"maxRecipients,omitzero"`
	InvalidRecipients []string `json:"invalidRecipients,omitzero"`
}

// A SetErrorType says why a record was not changed.
type SetErrorType string

// The types of RFC 8620 §5.3 and §5.4, then those of RFC 8621 §2.5, §4.6 and §7.5.
const (
	SetForbidden         SetErrorType = "forbidden"
	SetOverQuota         SetErrorType = "overQuota"
	SetTooLarge          SetErrorType = "tooLarge"
	SetRateLimit         SetErrorType = "rateLimit"
	SetNotFound          SetErrorType = "notFound"
	SetInvalidPatch      SetErrorType = "invalidPatch"
	SetWillDestroy       SetErrorType = "willDestroy"
	SetInvalidProperties SetErrorType = "invalidProperties"
	SetSingleton         SetErrorType = "singleton"
	SetAlreadyExists     SetErrorType = "alreadyExists"

	SetMailboxHasChild  SetErrorType = "mailboxHasChild"
	SetMailboxHasEmail  SetErrorType = "mailboxHasEmail"
	SetBlobNotFound     SetErrorType = "blobNotFound"
	SetTooManyKeywords  SetErrorType = "tooManyKeywords"
	SetTooManyMailboxes SetErrorType = "tooManyMailboxes"

	SetInvalidEmail      SetErrorType = "invalidEmail"
	SetTooManyRecipients SetErrorType = "tooManyRecipients"
	SetNoRecipients      SetErrorType = "noRecipients"
	SetInvalidRecipients SetErrorType = "invalidRecipients"
	SetForbiddenMailFrom SetErrorType = "forbiddenMailFrom"
	SetForbiddenFrom     SetErrorType = "forbiddenFrom"
	SetForbiddenToSend   SetErrorType = "forbiddenToSend"
	SetCannotUnsend      SetErrorType = "cannotUnsend"

	SetMDNAlreadySent SetErrorType = "mdnAlreadySent" // RFC 9007 §2.1
)

func (e *SetError) Error() string {
	s := "jmap: " + string(e.Type)
	if len(e.Properties) > 0 {
		s += " " + strings.Join(e.Properties, ", ")
	}
	if e.Description != "" {
		s += ": " + e.Description
	}
	return s
}
