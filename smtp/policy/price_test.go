package policy

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp"
)

func TestPrice(t *testing.T) {
	p := Price{Scheme: SchemeHashcash, Amount: 20, Resource: "bob@example.com"}
	if s := p.String(); s != "Postage: scheme=hashcash; bits=20; resource=bob@example.com" {
		t.Error(s)
	}
	refusal := func(lines ...string) smtp.Reply {
		return smtp.Reply{Code: 550, Enhanced: smtp.EnhancedCode{5, 7, 1}, Lines: lines}
	}
	other := Price{Scheme: "equihash", Amount: 0, Params: "n=120"}
	if s := other.String(); s != "Postage: scheme=equihash; price=0; params=n%3D120" {
		t.Error(s)
	}
	big := Price{Scheme: "l402", Amount: 3, Resource: "bob@example.com", Params: `macaroon="` + strings.Repeat("A=", 500) + `", invoice="ln%;"`}
	for _, line := range big.lines() {
		if len(line) > maxText {
			t.Errorf("line of %d octets", len(line))
		}
	}
	for name, tt := range map[string]struct {
		r    smtp.Reply
		want []Price
	}{
		"its own line":      {refusal(unknownSender, p.String()), []Price{p}},
		"one line":          {refusal(unknownSender + " " + p.String()), []Price{p}},
		"text behind":       {refusal(p.String() + " (see example.com)"), []Price{p}},
		"split":             {refusal("Postage: scheme=hashcash;", " bits=20; ", "resource=bob@example.com"), []Price{p}},
		"parameters":        {refusal(append([]string{unknownSender}, big.lines()...)...), []Price{big}},
		"of another unit":   {refusal("Postage: scheme=hashcash; price=20", "Postage: scheme=ticket; bits=20", "Postage: scheme=Ticket; price=1"), nil},
		"too many params":   {refusal("Postage: scheme=ticket; price=1; params=" + strings.Repeat("x", maxParams+1)), nil},
		"broken params":     {refusal("Postage: scheme=ticket; price=1; params=%zz"), nil},
		"a menu":            {refusal(unknownSender, p.String(), other.String()), []Price{p, other}},
		"unknown tag":       {refusal("Postage: scheme=hashcash; colour=red; bits=20; resource=bob@example.com"), []Price{p}},
		"bad one first":     {refusal("Postage: bits=20", p.String()), []Price{p}},
		"none":              {refusal(unknownSender), nil},
		"no scheme":         {refusal("Postage: bits=20"), nil},
		"no bits":           {refusal("Postage: scheme=hashcash"), nil},
		"nothing":           {refusal("Postage:"), nil},
		"bits twice":        {refusal("Postage: scheme=hashcash; bits=20; bits=2"), nil},
		"zero bits":         {refusal("Postage: scheme=hashcash; bits=0"), nil},
		"signed bits":       {refusal("Postage: scheme=hashcash; bits=+20"), nil},
		"leading zero":      {refusal("Postage: scheme=hashcash; bits=020"), nil},
		"too many bits":     {refusal("Postage: scheme=hashcash; bits=161"), nil},
		"overflow":          {refusal("Postage: scheme=hashcash; bits=99999999999999999999"), nil},
		"empty value":       {refusal("Postage: scheme=; bits=20"), nil},
		"no value":          {refusal("Postage: scheme; bits=20"), nil},
		"temporary":         {smtp.Reply{Code: 450, Enhanced: smtp.EnhancedCode{5, 7, 1}, Lines: []string{p.String()}}, nil},
		"positive":          {smtp.Reply{Code: 250, Lines: []string{p.String()}}, nil},
		"another code":      {smtp.Reply{Code: 550, Enhanced: smtp.EnhancedCode{5, 1, 1}, Lines: []string{p.String()}}, nil},
		"as part of a word": {refusal("NoPostage: scheme=hashcash; bits=20"), nil},
	} {
		if got := ParsePrices(tt.r); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	if got := ParsePrices(refusal(strings.Repeat(p.String()+"\n", 100))); len(got) != maxPrices {
		t.Errorf("%d prices of a reply", len(got))
	}
	// Through the wire, lines split by their length.
	long := Price{Scheme: SchemeHashcash, Amount: 20, Resource: strings.Repeat("x", 440) + "@example.com"}
	r, err := smtp.ParseReply(smtp.AppendReply(nil, refusal(unknownSender, long.String())))
	if got := ParsePrices(r); err != nil || len(got) != 1 || got[0] != long {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestResource: every recipient's address can stand in a stamp and in a price.
func TestResource(t *testing.T) {
	for want, to := range map[string]smtp.Path{
		"bob@example.com":                 {Local: "Bob", Domain: "Example.COM"},
		`"a%20b"@example.com`:             {Local: "a b", Domain: "example.com"},
		`"a%3ab%3b"@example.com`:          {Local: "a:b;", Domain: "example.com"},
		"u@[ipv6%3a2001%3adb8%3a%3a1]":    {Local: "u", Domain: "[IPv6:2001:db8::1]"},
		"b%c3%bccher@xn--bcher-kva.de":    {Local: "bücher", Domain: "xn--bcher-kva.de"},
		"*@example.com":                   {Local: "*", Domain: "example.com"},
		"postmaster":                      {Local: "Postmaster"},
		strings.Repeat("x", 64) + "@x.yz": {Local: strings.Repeat("x", 64), Domain: "x.yz"},
	} {
		if got := resource(to); got != want {
			t.Errorf("%v: %q, want %q", to, got, want)
			continue
		}
		if _, err := (hashcash.Minter{Bits: 1}).Mint(t.Context(), want, ""); err != nil {
			t.Error(err)
		}
		p := Price{Scheme: SchemeHashcash, Amount: 1, Resource: want}
		if got := ParsePrices(smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, p.String())); len(got) != 1 || got[0] != p {
			t.Errorf("%q came back as %+v", want, got)
		}
	}
}

func TestCredentials(t *testing.T) {
	stamp, err := hashcash.Minter{Bits: 1}.Mint(t.Context(), "bob@example.com", "a=b")
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{stamp.String(), "ticket=AAIx/=+x", "l402=AgE=:00ff"} {
		scheme, bare := cutStamp(shown)
		var found []string
		for s := range stamps(append(credentials{stamp: shown}.fields(), "X-Postage: \r\n"...)) {
			found = append(found, s)
		}
		if len(found) == 0 || found[0] != shown || stampText(scheme, bare) != shown {
			t.Errorf("%s: %s, %s; %q", shown, scheme, bare, found)
		}
	}
	c := credentials{token: "AQIDBA", stamp: stamp.String()}
	dsn := smtp.Param{Keyword: "FOO", Value: "1"}
	written, err := smtp.AppendRcptParams(nil, smtp.RcptParams{Other: append(c.params(), dsn)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := smtp.ParseRcptParams(string(written))
	if err != nil {
		t.Fatal(err)
	}
	got, rest, err := takeCredentials(p)
	if err != nil || got != c || len(rest.Other) != 1 || rest.Other[0] != dsn {
		t.Errorf("%s: %+v, %+v, %v", written, got, rest, err)
	}
	for _, q := range []smtp.Param{{Keyword: "CAP"}, {Keyword: "POSTAGE"}, {Keyword: "POSTAGE", Value: "a+ZZ"}, {Keyword: "POSTAGE", Value: "a+"},
		{Keyword: "POSTAGE", Value: strings.Repeat("x", hashcash.MaxLength+1)}, {Keyword: "POSTAGE", Value: "ticket+3D" + strings.Repeat("x", hashcash.MaxLength+1)},
		{Keyword: "POSTAGE", Value: "ticket+3D"}} {
		if _, _, err := takeCredentials(smtp.RcptParams{Other: []smtp.Param{q}}); err == nil || smtp.ReplyOf(err).String() != "501 5.5.4 Bad value of parameter "+q.Keyword {
			t.Errorf("%v: %v", q, err)
		}
	}
	for _, keyword := range []string{"CAP", "POSTAGE"} {
		twice := smtp.Param{Keyword: keyword, Value: "x"}
		if _, _, err := takeCredentials(smtp.RcptParams{Other: []smtp.Param{twice, twice}}); err == nil {
			t.Errorf("%s twice: no error", keyword)
		}
	}
}

func TestNote(t *testing.T) {
	id := capability.NewID()
	for text, want := range map[string]Note{
		"class=trusted; channel=" + id.String(): {Class: ClassTrusted, Channel: id},
		"class=request; postage=20":             {Class: ClassRequest, Postage: 20},
		"class=open":                            {Class: ClassOpen},
	} {
		if got := string(want.appendField(nil)); got != DecisionField+": "+text+"\r\n" {
			t.Errorf("%q, want %q", got, text)
		}
		if got, err := ParseNote(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if got, err := ParseNote("\r\n class=quarantine ;\r\n later=x"); err != nil || got != (Note{Class: ClassQuarantine}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "class", "class=", "class=best", "class=TRUSTED", "class=open; class=trusted", "class=open; channel=x", "class=request; postage=0",
		"class=request; postage=+1", "class=request; postage=49", "class=request; postage=99999999999999999999", "channel=" + id.String()} {
		if n, err := ParseNote(text); err == nil {
			t.Errorf("%q: %+v", text, n)
		}
	}
}

func FuzzParseNote(f *testing.F) {
	for _, s := range []string{"class=trusted; channel=" + capability.ID{1}.String(), "class=request; postage=20", " class = open ; x=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNote(s)
		if err != nil {
			return
		}
		field := string(n.appendField(nil))
		if again, err := ParseNote(strings.TrimPrefix(field, DecisionField+":")); err != nil || again != n {
			t.Fatalf("%q: %+v came back as %+v, %v", s, n, again, err)
		}
	})
}

func FuzzParsePrices(f *testing.F) {
	for _, s := range []string{"Postage: scheme=hashcash; bits=20; resource=bob@example.com", "x Postage: scheme=hashcash; bits=1 Postage: scheme=b; bits=160",
		"Postage: ; =; bits=;", "Postage: scheme=ticket; price=1; resource=bob@example.com; params=issuer%3Dissuer.example; params=%20x", "Postage:Postage: scheme=hashcash;bits=20"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range ParsePrices(smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, s)) {
			if p.Scheme == "" || p.Amount < 0 || p.Scheme == SchemeHashcash && (p.Amount < 1 || p.Amount > hashcash.MaxBits) {
				t.Fatalf("%q: %+v", s, p)
			}
			again := ParsePrices(smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, p.String()))
			if len(again) != 1 || again[0] != p {
				t.Fatalf("%q: %+v came back as %+v", s, p, again)
			}
		}
	})
}

func FuzzCredentials(f *testing.F) {
	for _, s := range []string{"CAP=AQID", "POSTAGE=1:20:261124:a@x::AAAA:A+3D", "CAP=a POSTAGE=b NOTIFY=NEVER X=y", "POSTAGE=+3D+2B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := smtp.ParseRcptParams(s)
		if err != nil {
			return
		}
		c, rest, err := takeCredentials(p)
		if err != nil {
			if smtp.ReplyOf(err).Code != 501 {
				t.Fatal(err)
			}
			return
		}
		again, none, err := takeCredentials(smtp.RcptParams{Other: c.params()})
		if err != nil || again != c || len(none.Other) != 0 || len(rest.Other)+len(c.params()) != len(p.Other) {
			t.Fatalf("%q: %+v, %+v, %v", s, c, again, err)
		}
	})
}
