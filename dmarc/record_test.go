package dmarc

import (
	"errors"
	"reflect"
	"testing"
)

func TestParseRecord(t *testing.T) {
	for _, tt := range []struct {
		txt      string
		want     Record
		problems int
	}{
		{"v=DMARC1; p=none", Record{P: PolicyNone}, 0},
		{"v=DMARC1;p=reject;", Record{P: PolicyReject}, 0},
		{"V = DMARC1 ; p = Quarantine ; sp=none; np=reject", Record{P: PolicyQuarantine, SP: PolicyNone, NP: PolicyReject}, 0},
		{"v=DMARC1; p=reject; adkim=s; aspf=s; t=y; psd=n", Record{P: PolicyReject, StrictDKIM: true, StrictSPF: true, Testing: true, PSD: PSDNo}, 0},
		{"v=DMARC1; p=none; psd=u; adkim=r; aspf=r; t=n", Record{P: PolicyNone}, 0},
		{"v=DMARC1; p=none; rua=mailto:a@example.com!10m, mailto:b@example.com?subject=x,https://r.example/", // §4.8, obsolete size
			Record{P: PolicyNone, RUA: []string{"mailto:a@example.com", "mailto:b@example.com?subject=x", "https://r.example/"}}, 0},
		{"v=DMARC1; p=none; ruf=mailto:a@example.com; fo=1:d:s", Record{P: PolicyNone, RUF: []string{"mailto:a@example.com"}, FO: "1:d:s"}, 0},
		{"v=DMARC1; p=none; pct=50; rf=afrf; ri=3600; x-new=1", Record{P: PolicyNone}, 0}, // §4.7, unknown tags are ignored
		{"v=DMARC1", Record{}, 1},
		{"v=DMARC1; p=junk", Record{}, 1},
		{"v=DMARC1; p=reject; p=none", Record{P: PolicyReject}, 1},
		{"v=DMARC1; p=reject; sp=junk", Record{P: PolicyReject, invalidPolicy: true}, 1},
		{"v=DMARC1; p=none; adkim=x; aspf=; t=maybe; psd=z", Record{P: PolicyNone}, 4},
		{"v=DMARC1; p=none; rua=nobody; ruf=mailto:@x, mailto:a@", Record{P: PolicyNone}, 3},
		{"v=DMARC1; p=none; fo=0:1", Record{P: PolicyNone}, 1},
		{"v=DMARC1; p=none; fo=d:d", Record{P: PolicyNone}, 1},
		{"v=DMARC1; p=none; junk", Record{P: PolicyNone}, 1},
	} {
		got, err := ParseRecord(tt.txt)
		if err != nil {
			t.Errorf("%q: %v", tt.txt, err)
			continue
		}
		if len(got.Problems) != tt.problems {
			t.Errorf("%q: problems %q, want %d", tt.txt, got.Problems, tt.problems)
		}
		got.Problems = nil
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %+v, want %+v", tt.txt, got, tt.want)
		}
	}
	for _, txt := range []string{"", "p=none", "v=DMARC1x; p=none", "v=dmarc1; p=none", "v=DMARC2; p=none", "p=none; v=DMARC1", "v=spf1 -all", "DMARC1; p=none", "vv=DMARC1"} {
		if _, err := ParseRecord(txt); !errors.Is(err, ErrNotRecord) {
			t.Errorf("%q: %v", txt, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; np=quarantine; rua=mailto:a@example.com; fo=1:d; psd=y; t=y")
	f.Add("v=DMARC1;p=;rua=,,mailto:x@y!1k")
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := ParseRecord(txt)
		if err != nil {
			return
		}
		again, err := ParseRecord(string(r.Append(nil)))
		if err != nil {
			t.Fatalf("%q became %q: %v", txt, r.Append(nil), err)
		}
		r.Problems, again.Problems, r.invalidPolicy = nil, nil, false
		if !reflect.DeepEqual(r, again) && len(r.RUA)+len(r.RUF) == len(again.RUA)+len(again.RUF) {
			t.Fatalf("%q: %+v became %+v", txt, r, again)
		}
	})
}
