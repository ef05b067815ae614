package main

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"net"
	"net/netip"
	"strings"

	blitiri "blitiri.com.ar/go/spf"
	msgdmarc "github.com/emersion/go-msgauth/dmarc"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/spf"
)

// spfZone is DNS in memory for both sides.
type spfZone struct{ txtZone }

func (spfZone) none(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// LookupTXT takes names with and without their final dot.
func (z spfZone) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return z.txtZone.LookupTXT(ctx, strings.TrimSuffix(name, "."))
}

func (z spfZone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, z.none(name)
}

func (z spfZone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, z.none(host)
}

func (z spfZone) LookupIPAddr(_ context.Context, host string) ([]net.IPAddr, error) {
	return nil, z.none(host)
}

func (z spfZone) LookupAddr(_ context.Context, addr string) ([]string, error) {
	return nil, z.none(addr)
}

// spfChain is a record that includes others, seven deep, with 84 ip4 terms in all.
func spfChain() spfZone {
	z := txtZone{}
	for depth := range 8 {
		var b strings.Builder
		b.WriteString("v=spf1")
		for i := range 84 / 8 {
			fmt.Fprintf(&b, " ip4:198.51.%d.%d/28", 100+depth, 16*i)
		}
		if depth < 7 {
			fmt.Fprintf(&b, " include:d%d.example.com -all", depth+1)
		} else {
			b.WriteString(" ip4:203.0.113.0/30 ip4:203.0.113.4/30 ip4:203.0.113.8/30 ip4:203.0.113.12/30 -all")
		}
		z[fmt.Sprintf("d%d.example.com", depth)] = b.String()
	}
	return spfZone{z}
}

// spfRows checks a sender whose domain includes others.
func spfRows() ([]row, error) {
	z := spfChain()
	var rows []row
	for ip, want := range map[string]spf.Result{"203.0.113.13": spf.Pass, "192.0.2.1": spf.Fail} {
		req := spf.Request{IP: netip.MustParseAddr(ip), HELO: "mail.example.com", MailFrom: "ann@d0.example.com"}
		rows = append(rows, row{fmt.Sprintf("spf %s, includes 7 deep", want), []impl{
			{name: "mailbricks", start: func() (func() error, error) {
				return func() error {
					return same(string(spf.Verify(context.Background(), z, req, spf.Options{}).Result), string(want))
				}, nil
			}},
			{name: version("blitiri spf", "blitiri.com.ar/go/spf"), start: func() (func() error, error) {
				addr := net.ParseIP(ip)
				return func() error {
					got, _ := blitiri.CheckHostWithSender(addr, req.HELO, req.MailFrom, blitiri.WithResolver(z))
					return same(string(got), string(want))
				}, nil
			}},
		}})
	}
	if strings.Contains(rows[0].name, string(spf.Fail)) { // the order of a map is not one
		rows[0], rows[1] = rows[1], rows[0]
	}
	return rows, nil
}

func same(got, want string) error {
	if got != want {
		return fmt.Errorf("%s, want %s", got, want)
	}
	return nil
}

// dmarcRows parses a record.
func dmarcRows() ([]row, error) {
	const txt = "v=DMARC1; p=reject; sp=quarantine; adkim=s; aspf=r; rua=mailto:dmarc@example.com,mailto:d@example.net; ruf=mailto:fail@example.com; fo=1"
	return []row{{"dmarc record parse", []impl{
		{name: "mailbricks", start: func() (func() error, error) {
			return func() error {
				r, err := dmarc.ParseRecord(txt)
				if err != nil {
					return err
				}
				return count(len(r.RUA), 2)
			}, nil
		}},
		{name: version("go-msgauth", "github.com/emersion/go-msgauth"), start: func() (func() error, error) {
			return func() error {
				r, err := msgdmarc.Parse(txt)
				if err != nil {
					return err
				}
				return count(len(r.ReportURIAggregate), 2)
			}, nil
		}},
	}}}, nil
}

// arcRows validates a chain of three sets: six signatures, one hash of the body. There is no peer in Go; the bound is what the
// cryptography takes.
func arcRows() ([]row, error) {
	key, err := dkim.GenerateKey(dkim.RSASHA256)
	if err != nil {
		return nil, err
	}
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		return nil, err
	}
	zone := txtZone{dkimSelector + "._domainkey." + dkimDomain: string(record)}
	letter := dkimLetter(1<<20, plainLine)
	sealed, err := seal(key, letter, 3)
	if err != nil {
		return nil, err
	}
	return []row{{"arc verify rsa2048 1 MiB, 3 sets", []impl{
		{name: "mailbricks", start: func() (func() error, error) {
			return func() error {
				r, err := arc.Verifier{Resolver: zone}.Verify(context.Background(), bytes.NewReader(sealed))
				if err != nil {
					return err
				}
				return same(string(r.Value), string(arc.Pass))
			}, nil
		}},
		{name: "crypto alone", floor: true, start: func() (func() error, error) { return verifyFloor(key, letter, 6) }},
	}}}, nil
}

func seal(key crypto.Signer, letter []byte, sets int) ([]byte, error) {
	s := arc.Sealer{Domain: dkimDomain, Selector: dkimSelector, Key: key, ID: dkimDomain}
	for i := range sets {
		cv := arc.Pass
		if i == 0 {
			cv = arc.None
		}
		fields, err := s.Seal(bytes.NewReader(letter), cv)
		if err != nil {
			return nil, err
		}
		letter = append(fields, letter...)
	}
	return letter, nil
}
