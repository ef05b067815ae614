package mail

import (
	"context"

	"github.com/mailbricks/mailbricks/jmap"
)

// A Quoter tells what an account holds and may hold (RFC 9425).
type Quoter interface {
	// Quotas returns all that apply to the account and that its user may know of, in an order that stays. There are few.
	Quotas(ctx context.Context) ([]Quota, error)
}

// A Quota is a limit and how much of it is used (RFC 9425 §4).
type Quota struct {
	jmap.Selection `json:"-"`

	ID           jmap.ID       `json:"id,omitzero"`
	ResourceType QuotaResource `json:"resourceType,omitzero"`
	Used         uint          `json:"used,omitzero"`
	HardLimit    uint          `json:"hardLimit,omitzero"`
	Scope        QuotaScope    `json:"scope,omitzero"`
	Name         string        `json:"name,omitzero"`
	Types        []string      `json:"types,omitzero"` // data types: "Email"
	// WarnLimit and SoftLimit are below HardLimit; nil where there is none.
	WarnLimit   *uint   `json:"warnLimit,omitzero"`
	SoftLimit   *uint   `json:"softLimit,omitzero"`
	Description *string `json:"description,omitzero"` // for people
}

// A QuotaResource is the unit of a Quota.
type QuotaResource string

// The values of a QuotaResource.
const (
	QuotaCount  QuotaResource = "count" // records of the Types
	QuotaOctets QuotaResource = "octets"
)

// A QuotaScope is who shares a Quota.
type QuotaScope string

// The values of a QuotaScope. RFC 9425 §8: all but QuotaAccount are for administrators to see.
const (
	QuotaAccount QuotaScope = "account"
	QuotaDomain  QuotaScope = "domain"
	QuotaGlobal  QuotaScope = "global"
)

// A QuotaCondition is the FilterCondition of Quota/query (RFC 9425 §4.4); what is nil matches everything.
type QuotaCondition struct {
	Name         *string        `json:"name,omitzero"` // is part of the name
	Scope        *QuotaScope    `json:"scope,omitzero"`
	ResourceType *QuotaResource `json:"resourceType,omitzero"`
	Type         *string        `json:"type,omitzero"` // one of the Types
}

// A QuotaChangesResponse is the result of Quota/changes (RFC 9425 §4.3).
type QuotaChangesResponse struct {
	jmap.ChangesResponse
	// UpdatedProperties are the only ones that changed of the updated quotas, "used" alone; nil (null): any.
	UpdatedProperties jmap.NullList[string] `json:"updatedProperties"`
}
