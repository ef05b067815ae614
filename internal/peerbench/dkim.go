package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strings"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/mailbricks/mailbricks/dkim"
)

const (
	dkimDomain   = "example.com"
	dkimSelector = "s"
)

// txtZone is DNS in memory, so that look-ups cost nobody anything.
type txtZone map[string]string

func (z txtZone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if txt, ok := z[name]; ok {
		return []string{txt}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// dkimRows verifies and signs relaxed/relaxed, as almost all mail is.
func dkimRows() ([]row, error) {
	var rows []row
	for _, algorithm := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} {
		key, err := dkim.GenerateKey(algorithm)
		if err != nil {
			return nil, err
		}
		record, err := dkim.AppendRecord(nil, key.Public())
		if err != nil {
			return nil, err
		}
		zone := txtZone{dkimSelector + "._domainkey." + dkimDomain: string(record)}
		name := map[dkim.Algorithm]string{dkim.RSASHA256: "rsa2048", dkim.Ed25519SHA256: "ed25519"}[algorithm]
		for _, size := range []int{4 << 10, 1 << 20} {
			letter := dkimLetter(size, plainLine)
			for _, n := range []int{1, 3} {
				r, err := dkimVerifyRow(fmt.Sprintf("dkim verify %s %s", name, dkimSize(size, n)), key, zone, letter, n)
				if err != nil {
					return nil, err
				}
				rows = append(rows, r)
			}
			rows = append(rows, dkimSignRow(fmt.Sprintf("dkim sign %s %s", name, dkimSize(size, 1)), key, letter))
		}
	}
	key, err := dkim.GenerateKey(dkim.RSASHA256)
	if err != nil {
		return nil, err
	}
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		return nil, err
	}
	zone := txtZone{dkimSelector + "._domainkey." + dkimDomain: string(record)}
	r, err := dkimVerifyRow("dkim verify rsa2048 1 MiB, indented HTML", key, zone, dkimLetter(1<<20, htmlLine), 1)
	return append(rows, r), err
}

func dkimSize(size, signatures int) string {
	s := fmt.Sprintf("%d KiB", size>>10)
	if size >= 1<<20 {
		s = fmt.Sprintf("%d MiB", size>>20)
	}
	if signatures > 1 {
		s += fmt.Sprintf(", %d signatures", signatures)
	}
	return s
}

// Lines of bodies: text that is canonical as it stands, and text whose white space has to be changed everywhere.
const (
	plainLine = "The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n"
	htmlLine  = "\t\t<td>The quick  brown fox</td> \r\n        <td class=\"b\">jumps over the lazy dog.</td>\r\n"
)

// dkimLetter returns a message with a body of about size octets.
func dkimLetter(size int, line string) []byte {
	const head = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: minutes of the meeting\r\n" +
		"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\n"
	return []byte(head + strings.Repeat(line, size/len(line)))
}

func dkimVerifyRow(name string, key crypto.Signer, zone txtZone, letter []byte, n int) (row, error) {
	signed := letter
	for range n {
		field, err := dkim.Sign(bytes.NewReader(signed), dkim.Signer{Domain: dkimDomain, Selector: dkimSelector, Key: key})
		if err != nil {
			return row{}, err
		}
		signed = append(field, signed...)
	}
	ours := func() (func() error, error) {
		v := dkim.Verifier{Resolver: zone}
		return func() error {
			res, err := v.Verify(context.Background(), bytes.NewReader(signed))
			if err != nil {
				return err
			}
			for _, r := range res {
				if r.Value != dkim.Pass {
					return r.Err
				}
			}
			return count(len(res), n)
		}, nil
	}
	peer := func() (func() error, error) {
		opt := &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return zone.LookupTXT(context.Background(), name) }}
		return func() error {
			res, err := msgauth.VerifyWithOptions(bytes.NewReader(signed), opt)
			if err != nil {
				return err
			}
			for _, r := range res {
				if r.Err != nil {
					return r.Err
				}
			}
			return count(len(res), n)
		}, nil
	}
	return row{name, []impl{
		{name: "mailbricks", start: ours},
		{name: version("go-msgauth", "github.com/emersion/go-msgauth"), start: peer},
		{name: "crypto alone", floor: true, start: func() (func() error, error) { return verifyFloor(key, letter, n) }},
	}}, nil
}

func count(got, want int) error {
	if got != want {
		return fmt.Errorf("%d verdicts, want %d", got, want)
	}
	return nil
}

// verifyFloor hashes the message once and verifies n signatures of a hash: what no verifier can leave out.
func verifyFloor(key crypto.Signer, letter []byte, n int) (func() error, error) {
	sum := sha256.Sum256(letter)
	hash := crypto.Hash(crypto.SHA256)
	if _, ok := key.(ed25519.PrivateKey); ok {
		hash = 0
	}
	sig, err := key.Sign(rand.Reader, sum[:], hash)
	if err != nil {
		return nil, err
	}
	return func() error {
		sum := sha256.Sum256(letter)
		for range n {
			switch pub := key.Public().(type) {
			case *rsa.PublicKey:
				if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig); err != nil {
					return err
				}
			case ed25519.PublicKey:
				if !ed25519.Verify(pub, sum[:], sig) {
					return fmt.Errorf("signature does not verify")
				}
			}
		}
		return nil
	}, nil
}

func dkimSignRow(name string, key crypto.Signer, letter []byte) row {
	ours := func() (func() error, error) {
		return func() error {
			field, err := dkim.Sign(bytes.NewReader(letter), dkim.Signer{Domain: dkimDomain, Selector: dkimSelector, Key: key})
			return wrote(field, err)
		}, nil
	}
	peer := func() (func() error, error) {
		opt := &msgauth.SignOptions{Domain: dkimDomain, Selector: dkimSelector, Signer: key, HeaderCanonicalization: msgauth.CanonicalizationRelaxed,
			BodyCanonicalization: msgauth.CanonicalizationRelaxed}
		return func() error {
			s, err := msgauth.NewSigner(opt)
			if err != nil {
				return err
			}
			if _, err := io.Copy(s, bytes.NewReader(letter)); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
			return wrote([]byte(s.Signature()), nil)
		}, nil
	}
	floor := func() (func() error, error) {
		hash := crypto.Hash(crypto.SHA256)
		if _, ok := key.(ed25519.PrivateKey); ok {
			hash = 0
		}
		return func() error {
			sum := sha256.Sum256(letter)
			_, err := key.Sign(rand.Reader, sum[:], hash)
			return err
		}, nil
	}
	return row{name, []impl{
		{name: "mailbricks", start: ours},
		{name: version("go-msgauth", "github.com/emersion/go-msgauth"), start: peer},
		{name: "crypto alone", floor: true, start: floor},
	}}
}

// wrote checks that a signer wrote a field.
func wrote(field []byte, err error) error {
	if err == nil && !bytes.HasPrefix(field, []byte("DKIM-Signature:")) {
		err = fmt.Errorf("no DKIM-Signature but %.40q", field)
	}
	return err
}
