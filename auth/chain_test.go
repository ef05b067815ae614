package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
)

// TestChain: a list that seals a message after it has broken its signature; the chain is told and decides nothing.
func TestChain(t *testing.T) {
	z, key := world(t)
	rec, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	z.AddTXT("a._domainkey.lists.example", string(rec))
	z.Sign("lists.example")
	sealer := arc.Sealer{Domain: "lists.example", Selector: "a", Key: key, ID: "lists.example"}
	changed := signed(t, key, "example.com", letter) + "-- \r\nthe list\r\n"
	set, err := sealer.Seal(strings.NewReader(changed), arc.None, dkim.Result{Value: dkim.Pass})
	if err != nil {
		t.Fatal(err)
	}
	conn := auth.Connection{IP: from.IP, HELO: "lists.example", MailFrom: "list@lists.example"}
	v := check(t, auth.Checker{ID: "mx.example.org", SecureResolver: z}, conn, string(set)+changed)
	if got := keywords(v); got != "none fail fail" || v.ARC.Value != arc.Pass || !v.Secure("arc") {
		t.Errorf("%s, arc %s, %v", got, v.ARC.Value, v.ARC.Err)
	}
	if !strings.Contains(string(v.Field), "\r\n arc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.7;\r\n dmarc=fail") {
		t.Errorf("%s", v.Field)
	}
	var got []string
	for _, s := range v.Trace() {
		if s.Check == "arc" {
			got = append(got, s.Question+s.DNSSEC.String()+s.Rule)
		}
	}
	if want := "TXT a._domainkey.lists.examplesecure,message signature i=1 of lists.example verifies,seal i=1 of lists.example verifies,pass"; strings.Join(got, ",") != want {
		t.Error(got)
	}
	v = check(t, auth.Checker{ID: "mx.example.org", Resolver: z}, conn, changed)
	if v.ARC.Value != arc.None || strings.Contains(string(v.Field), "\r\n arc=") {
		t.Errorf("%s", v.Field)
	}
}

// TestChainBudget: a chain of many keys cannot use up the questions about the author.
func TestChainBudget(t *testing.T) {
	z, key := world(t)
	m := signed(t, key, "example.com", letter)
	for i, cv := range []arc.Value{arc.None, arc.Pass, arc.Pass, arc.Pass, arc.Pass, arc.Pass} {
		set, err := arc.Sealer{Domain: fmt.Sprintf("h%d.example", i), Selector: "a", Key: key, ID: "x"}.Seal(strings.NewReader(m), cv)
		if err != nil {
			t.Fatal(err)
		}
		m = string(set) + m
	}
	v := check(t, auth.Checker{ID: "x", Resolver: z, Budget: auth.Budget{Queries: 40}}, auth.Connection{}, m)
	arcQueries := 0
	for _, q := range v.Questions {
		if q.Checks[0] == "arc" {
			arcQueries++
		}
	}
	if v.ARC.Value != arc.Fail || arcQueries != 4 || v.DMARC.Value != dmarc.Pass {
		t.Errorf("arc %s, %v, %d questions; dmarc %s", v.ARC.Value, v.ARC.Err, arcQueries, v.DMARC.Value)
	}
	if _, ok := errors.AsType[*auth.BudgetError](v.ARC.Err); !ok && !errors.Is(v.ARC.Err, dkim.ErrNoKey) {
		t.Errorf("%v", v.ARC.Err)
	}
}
