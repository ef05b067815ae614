package grantdns

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/capability"
)

// A Lookup is what is asked of DNS; auth/resolver and auth/dnstest are one. An absence is a *net.DNSError that IsNotFound,
// and secure holds for it too.
type Lookup interface {
	LookupTXTSecure(ctx context.Context, name string) (txt []string, secure bool, err error)
}

// ErrInsecure says that DNSSEC does not vouch for an answer.
var ErrInsecure = errors.New("grantdns: answer is not secure")

// A Resolver finds keys and revocations in DNS. It is capability.Keys, and capability.Status.
//
// Errors: capability.ErrIssuer where there is no key, more than one, one that cannot be read, or none that DNSSEC vouches for
// (ErrInsecure too); capability.ErrRevoked for what was taken back. Any other is temporary: DNS did not answer, or the
// resolver says that its answer is forged (SERVFAIL, RFC 4035 §5.5).
type Resolver struct {
	Lookup Lookup
	// AllowInsecure takes answers that DNSSEC does not vouch for. Whoever can forge them can then sign for any issuer.
	AllowInsecure bool
}

// PublicKey implements capability.Keys.
func (r Resolver) PublicKey(ctx context.Context, issuer string, number uint8) (ed25519.PublicKey, error) {
	k, err := r.key(ctx, issuer, number)
	if err != nil {
		return nil, err
	}
	if k.Public == nil {
		return nil, fmt.Errorf("%w: key %d of %s was taken back", capability.ErrIssuer, number, issuer)
	}
	return k.Public, nil
}

// Status implements capability.Status: nil, ErrRevoked, or an error as above.
func (r Resolver) Status(ctx context.Context, g capability.Grant) error {
	k, err := r.key(ctx, g.Issuer, g.Key)
	if err != nil {
		return err
	}
	if k.Public == nil || g.Epoch < k.Epoch {
		return fmt.Errorf("%w: by epoch %d", capability.ErrRevoked, k.Epoch)
	}
	name, err := GrantName(g)
	if err != nil {
		return fmt.Errorf("%w: %w", capability.ErrIssuer, err)
	}
	s, found, err := ask(ctx, r, name, ParseStatus)
	switch {
	case err != nil:
		return err
	case found && s == Revoked, !found && k.Listed:
		return capability.ErrRevoked
	}
	return nil
}

// key finds the key of a mailbox, else that of its domain.
func (r Resolver) key(ctx context.Context, issuer string, number uint8) (Key, error) {
	candidates := []string{issuer}
	if at := strings.LastIndexByte(issuer, '@'); at >= 0 {
		candidates = append(candidates, issuer[at+1:])
	}
	for _, who := range candidates {
		name, err := KeyName(who, number)
		if err != nil {
			return Key{}, fmt.Errorf("%w: %w", capability.ErrIssuer, err)
		}
		k, found, err := ask(ctx, r, name, ParseKey)
		if err != nil || found {
			return k, err
		}
	}
	return Key{}, fmt.Errorf("%w: no key %d of %s in DNS", capability.ErrIssuer, number, issuer)
}

// ask looks for the one record of ours at a name.
func ask[T any](ctx context.Context, r Resolver, name string, parse func(string) (T, error)) (out T, found bool, err error) {
	txt, secure, err := r.Lookup.LookupTXTSecure(ctx, name)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		txt, err = nil, nil
	}
	if err != nil {
		return out, false, fmt.Errorf("grantdns: %w", err)
	}
	if !secure && !r.AllowInsecure {
		return out, false, fmt.Errorf("%w: %w: %s", capability.ErrIssuer, ErrInsecure, name)
	}
	for _, s := range txt {
		v, err := parse(s)
		switch {
		case errors.Is(err, ErrOther):
			continue
		case err != nil:
			return out, false, fmt.Errorf("%w: %s: %w", capability.ErrIssuer, name, err)
		case found:
			return out, false, fmt.Errorf("%w: %s has two records", capability.ErrIssuer, name)
		}
		out, found = v, true
	}
	return out, found, nil
}
