package imap

import (
	"context"
	"maps"
	"slices"
	"strconv"
)

// Quoter tells what an account holds and may hold (RFC 9208).
type Quoter interface {
	// QuotaRoots returns the quota roots of the account. Every mailbox counts for each of them.
	QuotaRoots(ctx context.Context) ([]QuotaRoot, error)
}

// QuotaSetter changes limits. An account has one where its user may do that.
type QuotaSetter interface {
	// SetQuota gives a root these limits, by the names of resources in upper case, and no others, and returns it as it is
	// now: limits may be rounded. ErrNonexistent: no such root; ErrCannot: it cannot have such limits.
	SetQuota(ctx context.Context, root string, limits map[string]int64) (QuotaRoot, error)
}

// A QuotaRoot is a set of limits with a name.
type QuotaRoot struct {
	Name      string
	Resources []QuotaResource // at least one
}

// A QuotaResource is how much of something is used, and how much may be.
type QuotaResource struct {
	Name         string // in upper case
	Usage, Limit int64
}

// Resources of a quota root (RFC 9208 §5).
const (
	QuotaStorage = "STORAGE" // in units of 1024 octets, rounded up
	QuotaMessage = "MESSAGE" // messages
)

// maxQuotaResources is how many resources a root has, for a client.
const maxQuotaResources = 100

// QuotaRoot reads a QUOTA response behind its keyword.
func (d *Decoder) QuotaRoot() QuotaRoot {
	d.SP()
	q := QuotaRoot{Name: d.Astring()}
	d.SP()
	d.List(func() {
		if len(q.Resources) == maxQuotaResources {
			d.Fail(&LimitError{What: "resources", Limit: maxQuotaResources})
		}
		r := QuotaResource{Name: d.Keyword()}
		d.SP()
		r.Usage = d.Number64()
		d.SP()
		r.Limit = d.Number64()
		q.Resources = append(q.Resources, r)
	})
	d.EOL()
	return q
}

// AppendQuotaRoot appends a QUOTA response without its "*" (RFC 9208 §4.2.1).
func AppendQuotaRoot(dst []byte, q *QuotaRoot) []byte {
	dst = AppendAString(append(dst, "QUOTA "...), q.Name)
	dst = append(dst, " ("...)
	for i, r := range q.Resources {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(append(dst, r.Name...), ' ')
		dst = append(strconv.AppendInt(dst, r.Usage, 10), ' ')
		dst = strconv.AppendInt(dst, r.Limit, 10)
	}
	return append(dst, ')')
}

// QuotaLimits reads the limits that SETQUOTA sets (RFC 9208 §7, setquota-list), each resource once.
func (d *Decoder) QuotaLimits() map[string]int64 {
	limits := map[string]int64{}
	d.List(func() {
		name := d.Keyword()
		d.SP()
		n := d.Number64()
		if _, twice := limits[name]; twice {
			d.Want("each resource once")
		}
		if len(limits) == maxQuotaResources {
			d.Fail(&LimitError{What: "resources", Limit: maxQuotaResources})
		}
		limits[name] = n
	})
	return limits
}

// AppendQuotaLimits appends limits as SETQUOTA has them, by the names of their resources.
func AppendQuotaLimits(dst []byte, limits map[string]int64) []byte {
	dst = append(dst, '(')
	for i, name := range slices.Sorted(maps.Keys(limits)) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(append(append(dst, name...), ' '), limits[name], 10)
	}
	return append(dst, ')')
}
