package reputation

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
)

// MaxNames is how many names of an address are looked up (RFC 8601 §3).
const MaxNames = 10

// Result is a keyword of RFC 8601 §2.7.3.
type Result string

// Results of IPRev.
const (
	Pass      Result = "pass"      // one of the address's names leads back to it
	Fail      Result = "fail"      // none does
	TempError Result = "temperror" // DNS did not answer
	PermError Result = "permerror" // the address has no name
)

// A Reverse is what the names of an address say.
type Reverse struct {
	Result Result
	IP     netip.Addr
	// Names are those that lead back to the address, without final dot and in lower case; for people and for policies that
	// look for words in them.
	Names []string
	Err   error // of DNS
}

// IPRev looks up the names of an address and their addresses (RFC 8601 §3).
func IPRev(ctx context.Context, r Resolver, ip netip.Addr) Reverse {
	out := Reverse{IP: ip.Unmap()}
	names, err := r.LookupAddr(ctx, out.IP.WithZone("").String())
	switch {
	case notFound(err) || err == nil && len(names) == 0:
		out.Result = PermError
		return out
	case err != nil:
		out.Result, out.Err = TempError, fmt.Errorf("reputation: names of %s: %w", out.IP, err)
		return out
	}
	network := "ip4"
	if out.IP.Is6() {
		network = "ip6"
	}
	out.Result = Fail
	for _, name := range names[:min(len(names), MaxNames)] {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		addrs, err := r.LookupNetIP(ctx, network, name+".")
		if err != nil && !notFound(err) && out.Err == nil {
			out.Err = fmt.Errorf("reputation: address of %s: %w", name, err)
		}
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == out.IP.WithZone("") }) {
			out.Names = append(out.Names, name)
		}
	}
	switch {
	case len(out.Names) > 0:
		out.Result, out.Err = Pass, nil
	case out.Err != nil:
		out.Result = TempError
	}
	return out
}

// AppendResult appends the verdict as a resinfo of Authentication-Results (RFC 8601 §2.7.3), without separator and
// without folding.
func (v Reverse) AppendResult(dst []byte) []byte {
	dst = append(append(dst, "iprev="...), v.Result...)
	return header.AppendProperty(append(dst, " policy.iprev="...), v.IP.String())
}
