package main

import (
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/examples/cli"
)

// keyFlags adds -domain, -selector and -key.
func keyFlags(fs *flag.FlagSet) func() (dkim.Signer, error) {
	domain := fs.String("domain", "", "domain that signs")
	selector := fs.String("selector", "", "name of the key in the domain")
	file := fs.String("key", "", "private key in PEM, PKCS #8 or PKCS #1")
	return func() (dkim.Signer, error) {
		if *domain == "" || *selector == "" || *file == "" {
			return dkim.Signer{}, cli.Usagef("%s takes -domain D, -selector S and -key FILE.pem", fs.Name())
		}
		text, err := os.ReadFile(*file)
		if err != nil {
			return dkim.Signer{}, err
		}
		key, err := dkim.ParsePrivateKey(text)
		if err != nil {
			return dkim.Signer{}, fmt.Errorf("%s: %w", *file, err)
		}
		return dkim.Signer{Domain: *domain, Selector: *selector, Key: key}, nil
	}
}

// sign prints a message with a signature on top.
func sign(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	signer := keyFlags(fs)
	headers := fs.String("headers", "", "fields to sign, a:b:c; a name given once more than it occurs keeps others out. Without it a good choice is made")
	canon := fs.String("canon", "relaxed/relaxed", "canonicalisation of header and body: simple or relaxed each")
	if err := parseFile(fs, args); err != nil {
		return err
	}
	s, err := signer()
	if err != nil {
		return err
	}
	if *headers != "" {
		s.Headers = strings.Split(*headers, ":")
	}
	h, b, _ := strings.Cut(*canon, "/")
	s.HeaderCanon, s.BodyCanon = dkim.Canonicalization(h), dkim.Canonicalization(b)
	for _, c := range []dkim.Canonicalization{s.HeaderCanon, s.BodyCanon} {
		if c != dkim.Simple && c != dkim.Relaxed {
			return cli.Usagef("-canon %q: it takes relaxed/relaxed, relaxed/simple, simple/relaxed or simple/simple", *canon)
		}
	}
	file, err := openMessage(fs.Arg(0))
	if err != nil {
		return err
	}
	field, err := dkim.Sign(file, s)
	_ = file.Close()
	if err != nil {
		return err
	}
	if file, err = openMessage(fs.Arg(0)); err != nil {
		return err
	}
	defer file.Close()
	if _, err := stdout.Write(field); err != nil {
		return err
	}
	_, err = io.Copy(stdout, file)
	return err
}

// keygen writes a new private key into a new file.
func keygen(_ context.Context, flags *flag.FlagSet, args []string, _ io.Writer) error {
	kind := flags.String("type", "ed25519", "ed25519 or rsa2048; publish both for receivers that know RSA alone")
	out := flags.String("out", "", "file to write; it must not exist")
	if err := cli.Parse(flags, args, 0); err != nil {
		return err
	}
	algorithm, ok := map[string]dkim.Algorithm{"ed25519": dkim.Ed25519SHA256, "rsa2048": dkim.RSASHA256}[*kind]
	if !ok || *out == "" {
		return cli.Usagef("keygen takes -type ed25519 or rsa2048, and -out FILE.pem")
	}
	key, err := dkim.GenerateKey(algorithm)
	if err != nil {
		return err
	}
	text, err := dkim.AppendPrivateKey(nil, key)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and a key is not overwritten: remove it or name another file", *out)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// records prints what a domain has to publish, as a master file that -zone reads.
func records(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	signer := keyFlags(fs)
	mx := fs.String("mx", "", "host that takes the domain's mail")
	policy := fs.String("policy", "reject", "what DMARC asks others to do with mail that is not yours: none, quarantine or reject")
	var ips cli.List
	fs.Var(&ips, "ip", "address that sends the domain's mail, repeatable")
	if err := cli.Parse(fs, args, 0); err != nil {
		return err
	}
	s, err := signer()
	if err != nil {
		return err
	}
	rec := dmarc.Record{P: dmarc.Policy(*policy)}
	if !slices.Contains([]dmarc.Policy{dmarc.PolicyNone, dmarc.PolicyQuarantine, dmarc.PolicyReject}, rec.P) {
		return cli.Usagef("-policy %q: it takes none, quarantine or reject", *policy)
	}
	var addrs []netip.Addr
	for _, ip := range ips {
		a, err := netip.ParseAddr(ip)
		if err != nil || a.Zone() != "" {
			return cli.Usagef("-ip %q is not an IP address", ip)
		}
		addrs = append(addrs, a.Unmap())
	}
	text, err := zoneOf(s, strings.TrimSuffix(*mx, "."), addrs, rec)
	if err != nil {
		return err
	}
	if _, err := dnstest.Parse(strings.NewReader(text), ""); err != nil {
		return cli.Usagef("-domain, -selector or -mx is no name for DNS: %w", err)
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// zoneOf writes the records of a domain.
func zoneOf(s dkim.Signer, mx string, addrs []netip.Addr, policy dmarc.Record) (string, error) {
	key, err := keyRecord(s.Key)
	if err != nil {
		return "", err
	}
	domain := strings.TrimSuffix(s.Domain, ".")
	var b strings.Builder
	record := func(name, data string) { fmt.Fprintf(&b, "%s. 3600 IN %s\n", name, data) }
	terms := []string{"v=spf1"}
	if mx != "" {
		record(domain, "MX 10 "+mx+".")
		terms = append(terms, "mx")
	}
	for _, a := range addrs {
		kind, term := "AAAA", "ip6:"
		if a.Is4() {
			kind, term = "A", "ip4:"
		}
		if mx == domain || strings.HasSuffix(mx, "."+domain) { // a host of somebody else is not ours to publish
			record(mx, kind+" "+a.String())
		}
		terms = append(terms, term+a.String())
	}
	if len(terms) == 1 {
		fmt.Fprintln(&b, "; without -mx and -ip nobody may send for the domain")
	}
	record(domain, "TXT "+quoted(strings.Join(append(terms, "-all"), " ")))
	record(s.Selector+"._domainkey."+domain, "TXT "+quoted(key))
	record("_dmarc."+domain, "TXT "+quoted(string(policy.Append(nil))))
	return b.String(), nil
}

func keyRecord(key crypto.Signer) (string, error) {
	rec, err := dkim.AppendRecord(nil, key.Public())
	return string(rec), err
}

// quoted writes a text as strings of at most 255 octets (RFC 1035 §3.3.14). None of ours has quotes or backslashes.
func quoted(s string) string {
	var out []string
	for len(s) > 255 {
		out, s = append(out, `"`+s[:255]+`"`), s[255:]
	}
	return strings.Join(append(out, `"`+s+`"`), " ")
}
