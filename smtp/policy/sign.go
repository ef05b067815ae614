package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Signer signs the messages that pass through its Handler with the DKIM keys of their author's domain.
type Signer struct {
	// Keys returns the signers for an author domain, which is in lower-case A-labels; none: the message passes unsigned.
	// It is asked for "" where a message names no author at all; a signer for that has Headers with From among them.
	// An error is answered with 451 4.3.0. See KeyRing.
	Keys func(ctx context.Context, domain string) ([]dkim.Signer, error)
	// Limits are those of a message.
	Limits Limits
}

// signatureSize is how much the signatures of a message may add to it, for SIZE.
const signatureSize = 8 << 10

// KeyRing returns a function for Signer.Keys that knows these signers: an author domain gets all of its own, else all
// of the nearest domain above it that has some, whose signatures are aligned too (RFC 9989 §4.4.1).
func KeyRing(signers ...dkim.Signer) func(ctx context.Context, domain string) ([]dkim.Signer, error) {
	ring := make(map[string][]dkim.Signer)
	for _, s := range signers {
		d := strings.ToLower(s.Domain)
		ring[d] = append(ring[d], s)
	}
	return func(_ context.Context, domain string) ([]dkim.Signer, error) {
		for ok := true; ok; _, domain, ok = strings.Cut(domain, ".") {
			if s := ring[domain]; s != nil {
				return s, nil
			}
		}
		return nil, nil
	}
}

// Handler returns a Handler in front of next that signs: it reads the whole message, then hands it on with the
// signatures on top. MAIL and RCPT go straight through. A message without exactly one author domain passes unsigned,
// because there is nobody to sign for.
func (s Signer) Handler(next smtp.Handler) smtp.Handler { return signer{s, next} }

type signer struct {
	Signer
	next smtp.Handler
}

func (s signer) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	tx, err := s.next.Mail(ctx, peer, from, grown(p, signatureSize))
	if err != nil {
		return nil, err
	}
	return signing{tx, s.Signer}, nil
}

// A signing is a transaction whose message gets signed.
type signing struct {
	smtp.Transaction
	s Signer
}

func (t signing) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	var sign *dkim.Signing
	m, err := readMessage(body, t.s.Limits, func(section []byte) (_ io.Writer, err error) {
		if sign, err = t.begin(ctx, section); sign == nil {
			return io.Discard, err
		}
		return sign, err
	})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var fields []byte
	if sign != nil {
		if fields, err = sign.Fields(); err != nil {
			return nil, fmt.Errorf("policy: sign: %w", err)
		}
	}
	return t.Transaction.Data(ctx, m.reader(fields, m.header))
}

// begin finds the keys for a message; nil: none.
func (t signing) begin(ctx context.Context, section []byte) (*dkim.Signing, error) {
	domain, err := dmarc.AuthorDomain(fieldValues(section, "From"))
	if err != nil && !errors.Is(err, dmarc.ErrNoAuthor) || t.s.Keys == nil {
		return nil, nil // nobody to sign for
	}
	keys, err := t.s.Keys(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("policy: keys of %s: %w", domain, err)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	sign, err := dkim.NewSigning(section, keys...)
	if err != nil {
		return nil, fmt.Errorf("policy: sign: %w", err)
	}
	return sign, nil
}
