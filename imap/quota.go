package imap

import (
	"context"
	"strconv"
)

// Quoter tells what an account holds and may hold (RFC 9208).
type Quoter interface {
	// QuotaRoots returns the quota roots of the account. Every mailbox counts for each of them.
	QuotaRoots(ctx context.Context) ([]QuotaRoot, error)
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
