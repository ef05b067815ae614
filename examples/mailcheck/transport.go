package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/mtasts/tlsrpt"
)

func domainTLSRPT(ctx context.Context, r auth.SecureResolver, domain string) finding {
	f := finding{Name: "TLSRPT", Status: "ok"}
	publish := `publish _smtp._tls.` + domain + `. TXT "v=TLSRPTv1; rua=mailto:ADDRESS"`
	rec, err := tlsrpt.Lookup(ctx, plainTXT{r}, domain)
	switch {
	case errors.Is(err, tlsrpt.ErrRecord):
		f.wrong(err.Error(), publish)
	case errors.Is(err, tlsrpt.ErrNone):
		f.Status = "missing"
		f.wrong("there is no record, or not one alone: nobody tells when TLS to the domain's hosts fails", publish)
	case err != nil:
		f.failed(err)
	default:
		f.Record = strings.Join(rec.RUA, ", ")
	}
	return f
}

// domainDANE looks at the TLSA records of the MX hosts. To have none is no fault.
func domainDANE(ctx context.Context, r auth.SecureResolver, domain string) finding {
	f := finding{Name: "DANE", Status: "absent"}
	tlsa, ok := r.(dane.Resolver)
	if !ok {
		f.Status = "not checked"
		return f
	}
	mx, secure, err := r.LookupMXSecure(ctx, domain)
	if f.failed(err) {
		return f
	}
	var names []string
	for _, m := range mx {
		host := strings.TrimSuffix(m.Host, ".")
		if host == "" {
			continue
		}
		rdata, safe, err := tlsa.LookupTLSASecure(ctx, "_25._tcp."+host+".")
		if f.failed(err) || len(rdata) == 0 {
			continue
		}
		if f.Status == "absent" {
			f.Status = "ok"
		}
		if !safe {
			f.wrong("the TLSA records of "+host+" are not secured by DNSSEC, so they count for nothing", "sign the zone of "+host)
		}
		usable := 0
		for _, d := range rdata {
			rec, err := dane.ParseRecord(d)
			if err == nil {
				names = append(names, host+" "+rec.String())
				err = rec.Usable()
			}
			if err != nil {
				f.wrong(fmt.Sprintf("%s: %v", host, err), "publish 3 1 1 and the SHA-256 of the host's public key (RFC 7672 §3.1)")
				continue
			}
			usable++
		}
		if safe && usable > 0 && !secure {
			f.wrong("the MX records of "+domain+" are not secured by DNSSEC: somebody can name other hosts", "sign the zone of "+domain)
		}
	}
	slices.Sort(names)
	f.Record = strings.Join(names, ", ")
	return f
}
