package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/spf"
)

// A finding is what was found out about one kind of record.
type finding struct {
	Name     string    `json:"name"`   // "SPF"
	Status   string    `json:"status"` // "ok", "missing", "wrong", "undecided", "absent" (which is no fault) or "not checked"
	Record   string    `json:"record,omitempty"`
	Problems []problem `json:"problems,omitempty"`
}

type problem struct {
	Problem string `json:"problem"`
	Mend    string `json:"mend"`
}

func (f *finding) wrong(what, mend string) {
	if f.Status == "ok" || f.Status == "" {
		f.Status = "wrong"
	}
	f.Problems = append(f.Problems, problem{what, mend})
}

// failed notes an error of DNS, and reports whether there was one.
func (f *finding) failed(err error) bool {
	if d, ok := errors.AsType[*net.DNSError](err); err == nil || ok && d.IsNotFound {
		return false
	}
	f.Status, f.Problems = "undecided", append(f.Problems, problem{err.Error(), "try again; see that the name servers of the domain answer"})
	return true
}

// checkDomain looks at what a domain publishes.
func checkDomain(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	dns, asJSON := dnsFlags(fs), jsonFlag(fs)
	var selectors cli.List
	fs.Var(&selectors, "selector", "DKIM selector to look at, repeatable: DNS has no list of them")
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return cli.Usagef("domain takes one domain")
	}
	r, err := dns()
	if err != nil {
		return err
	}
	domain := strings.ToLower(strings.TrimSuffix(fs.Arg(0), "."))
	findings := []finding{domainMX(ctx, r, domain), domainSPF(ctx, r, domain)}
	for _, s := range selectors {
		findings = append(findings, domainKey(ctx, r, s, domain))
	}
	if len(selectors) == 0 {
		findings = append(findings, finding{Name: "DKIM", Status: "not checked", Problems: []problem{{"no selector is known", "give -selector S as in s= of a signature of the domain"}}})
	}
	fetch := mtasts.Fetcher{Resolver: plainTXT{r}}.Fetch
	if fs.Lookup("zone").Value.String() != "" { // its hosts are not to be found out there
		fetch = nil
	}
	findings = append(findings, domainDMARC(ctx, r, domain), domainMTASTS(ctx, r, domain, fetch), domainTLSRPT(ctx, r, domain), domainDANE(ctx, r, domain))
	if *asJSON {
		err = writeJSON(stdout, map[string]any{"domain": domain, "checks": findings})
	} else {
		err = writeFindings(stdout, findings)
	}
	if err != nil {
		return err
	}
	has := func(status string) bool {
		return slices.ContainsFunc(findings, func(f finding) bool { return f.Status == status })
	}
	return status(!has("wrong") && !has("missing") && !has("undecided"), has("undecided"))
}

func writeFindings(w io.Writer, findings []finding) error {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%-8s %s\n", f.Name, f.Status)
		if f.Record != "" {
			fmt.Fprintf(&b, "         %s\n", printable(f.Record))
		}
		for _, p := range f.Problems {
			fmt.Fprintf(&b, "         ! %s\n           %s\n", printable(p.Problem), printable(p.Mend))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func domainMX(ctx context.Context, r auth.SecureResolver, domain string) finding {
	f := finding{Name: "MX", Status: "ok"}
	mx, _, err := r.LookupMXSecure(ctx, domain)
	if f.failed(err) {
		return f
	}
	if len(mx) == 0 {
		f.Status = "missing"
		f.wrong("mail goes to the address of the domain itself, if it has one (RFC 5321 §5.1)", "publish an MX record, or \"MX 0 .\" if the domain takes no mail (RFC 7505)")
		return f
	}
	var names []string
	for _, m := range mx {
		names = append(names, fmt.Sprintf("%d %s", m.Pref, m.Host))
		if m.Host == "." {
			continue
		}
		if addrs, _, err := r.LookupNetIPSecure(ctx, "ip", m.Host); !f.failed(err) && len(addrs) == 0 {
			f.wrong(m.Host+" has no address", "publish an A or AAAA record for it, or take it out of the MX records")
		}
	}
	f.Record = strings.Join(names, ", ")
	return f
}

// plainTXT is a SecureResolver as the checks' plain one.
type plainTXT struct{ auth.SecureResolver }

func (p plainTXT) LookupTXT(ctx context.Context, name string) ([]string, error) {
	txt, _, err := p.LookupTXTSecure(ctx, name)
	return txt, err
}

func domainSPF(ctx context.Context, r auth.SecureResolver, domain string) finding {
	f := finding{Name: "SPF", Status: "ok"}
	txts, _, err := r.LookupTXTSecure(ctx, domain)
	if f.failed(err) {
		return f
	}
	for _, txt := range txts {
		if spf.IsRecord(txt) {
			f.Record = txt
		}
	}
	// What a stranger's host gets, from addresses that nobody has (RFC 5737, RFC 3849), shows how the record ends, and
	// whether it can be evaluated at all.
	for _, ip := range []string{"203.0.113.254", "2001:db8::dead:beef"} {
		c := auth.Checker{SecureResolver: r}.Begin(ctx, auth.Connection{IP: netip.MustParseAddr(ip), MailFrom: "postmaster@" + domain})
		res := c.Verdict().SPF
		_ = c.Close()
		switch res.Result {
		case spf.None:
			f.Status = "missing"
			f.wrong("there is no record", `publish TXT "v=spf1 mx -all" with the hosts that send, or "v=spf1 -all" if none does`)
		case spf.PermError:
			f.wrong(res.Reason(), "others ignore the record until this is mended")
		case spf.TempError:
			f.failed(res.Err)
		case spf.Pass:
			f.wrong("anybody may send: "+res.Mechanism, "name the networks that send, and end with -all")
		case spf.Neutral:
			f.wrong("the record says nothing about hosts that it does not name: "+res.Mechanism, "end it with -all or ~all")
		default:
			continue
		}
		break
	}
	if rec, err := spf.ParseRecord(f.Record); err == nil {
		wide(&f, rec)
	}
	return f
}

// maxSenders is how many IPv4 addresses a record may name itself before somebody else is likely to have one of them.
const maxSenders = 1 << 16

// wide looks at how many addresses may send.
func wide(f *finding, rec *spf.Record) {
	n := 0
	for _, t := range rec.Terms {
		if t.Qualifier == spf.Pass && t.Name == "ip4" {
			n += 1 << (32 - t.Net.Bits())
		}
	}
	if n > maxSenders {
		f.wrong(fmt.Sprintf("%d IPv4 addresses may send for the domain: whoever rents one of them can", n), "name the hosts that send, not the whole network of a provider")
	}
}

func domainKey(ctx context.Context, r auth.SecureResolver, selector, domain string) finding {
	f := finding{Name: "DKIM", Status: "ok", Record: "selector " + selector}
	rec, _, err := dkim.LookupKey(ctx, nil, r, selector, domain)
	switch {
	case errors.Is(err, dkim.ErrNoKey):
		f.Status = "missing"
		f.wrong("there is no key "+selector+"._domainkey."+domain, "mailcheck records prints the record for a key")
		return f
	case errors.Is(err, dkim.ErrRevoked), errors.Is(err, dkim.ErrKey), errors.Is(err, dkim.ErrKeyTooSmall), errors.Is(err, dkim.ErrKeyTooBig):
		f.wrong(err.Error(), "publish a good key under a new selector: mailcheck keygen, mailcheck records")
		return f
	case f.failed(err):
		return f
	}
	if rec.Testing {
		f.wrong("the key is in testing mode (t=y): others may treat mail as unsigned", "take t=y out of the record")
	}
	if key, ok := rec.Key.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		f.wrong(fmt.Sprintf("RSA key of %d bits", key.N.BitLen()), "sign with 2048 bits (RFC 8301 §3.2)")
	}
	return f
}

func domainDMARC(ctx context.Context, r auth.SecureResolver, domain string) finding {
	f := finding{Name: "DMARC", Status: "ok"}
	w, err := dmarc.Discover(ctx, plainTXT{r}, domain)
	if f.failed(err) {
		return f
	}
	found, ok := w.Policy()
	if !ok {
		f.Status = "missing"
		f.wrong("there is no record", `publish _dmarc.`+domain+`. TXT "v=DMARC1; p=none; rua=mailto:ADDRESS", and p=reject when the reports are clean`)
		return f
	}
	f.Record = "_dmarc." + found.Domain + ": " + string(found.Record.Append(nil))
	for _, p := range found.Record.Problems {
		f.wrong(p, "others ignore the tag until it is mended (RFC 9989 §4.8)")
	}
	if !found.Record.Usable() {
		f.wrong("the record has no valid policy and no report address", "set p=none, p=quarantine or p=reject")
	}
	return f
}

// domainMTASTS looks at the record, and at the policy where fetch is not nil.
func domainMTASTS(ctx context.Context, r auth.SecureResolver, domain string, fetch func(context.Context, string) (mtasts.Policy, error)) finding {
	f := finding{Name: "MTA-STS", Status: "ok"}
	txts, _, err := r.LookupTXTSecure(ctx, "_mta-sts."+domain)
	if f.failed(err) {
		return f
	}
	txts = slices.DeleteFunc(txts, func(s string) bool { return !strings.HasPrefix(s, "v=STSv1") })
	switch len(txts) {
	case 0:
		f.Status = "missing"
		f.wrong("there is no record: who sends here does not know that TLS is to be had", `publish _mta-sts.`+domain+`. TXT "v=STSv1; id=1" and the policy at https://mta-sts.`+domain+`/.well-known/mta-sts.txt`)
		return f
	case 1:
	default:
		f.wrong(fmt.Sprintf("%d records count as none (RFC 8461 §3.1)", len(txts)), "leave one")
		return f
	}
	f.Record = txts[0]
	if _, err := mtasts.ParseRecord(txts[0]); err != nil {
		f.wrong(err.Error(), `write "v=STSv1; id=" and up to 32 letters and digits`)
		return f
	}
	if fetch == nil {
		return f
	}
	policy, err := fetch(ctx, domain)
	if err != nil {
		f.wrong(err.Error(), "serve the policy at https://mta-sts."+domain+"/.well-known/mta-sts.txt as text/plain, with a certificate for that name and without redirect")
		return f
	}
	f.Record += ", mode " + string(policy.Mode)
	mx, _, err := r.LookupMXSecure(ctx, domain)
	if f.failed(err) || policy.Mode == mtasts.ModeNone {
		return f
	}
	for _, m := range mx {
		if !policy.Match(m.Host) {
			f.wrong(m.Host+" is an MX and the policy does not have it", "add the line \"mx: "+strings.TrimSuffix(m.Host, ".")+"\" to the policy, and change id= of the record")
		}
	}
	return f
}
