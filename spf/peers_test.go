package spf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/spf"
)

// A question is one check, and what the peer makes of it.
type question struct{ I, S, H, Result string }

// A world is a zone made up by chance, and questions about it.
type world struct {
	Zone      map[string][]any // as in the public suite
	Questions []question
}

// makeWorld makes up records that refer to each other, most of them valid.
func makeWorld(r *rand.Rand) world {
	w := world{Zone: map[string][]any{}}
	unknown := 0
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	domain := func() string { return fmt.Sprintf("d%d.example", r.IntN(7)) }
	ip4 := func() string { return fmt.Sprintf("192.0.2.%d", r.IntN(8)) }
	ip6 := func() string { return fmt.Sprintf("2001:db8::%d", r.IntN(4)) }
	spec := func() string {
		return pick(domain(), domain(), domain(), "%{d}", "%{i}.x.example", "%{ir}.%{v}.x.example", "%{l}.x.example", "%{d2}", "h.%{o}", "absent.example", "%{l1r-}.x.example")
	}
	// other is a domain-spec that does not lead straight back: pyspf refuses that before it evaluates.
	other := func(own string) string {
		for {
			if s := spec(); s != own && s != "%{d}" && s != "%{d2}" {
				return s
			}
		}
	}
	term := func(own string) string {
		q := pick("", "", "", "+", "-", "~", "?")
		switch r.IntN(12) {
		case 0, 1:
			return q + "ip4:" + ip4() + pick("", "", "/30", "/32", "/0")
		case 2:
			return q + "ip6:" + ip6() + pick("", "/126", "/128")
		case 3:
			return q + "a" + pick("", "/30", ":"+spec(), ":"+spec()+"/29//126")
		case 4:
			return q + "mx" + pick("", "//127", ":"+spec())
		case 5, 6, 7:
			return q + "include:" + other(own)
		case 8:
			return q + "exists:" + spec()
		case 9:
			unknown++ // one that nobody knows may be there any number of times (RFC 7208 §6), which pyspf does not take
			return pick("exp=", fmt.Sprintf("x-%d=", unknown)) + spec()
		case 10:
			return "redirect=" + other(own)
		}
		return q + pick("all", "all", "all", "ptr", "ptr:example", "ip4:300.1.1.1", "a:", "foo", "all:x", "ip4:192.0.2.1/33", "include")
	}
	for d := range 7 {
		name := fmt.Sprintf("d%d.example", d)
		terms := []string{"v=spf1"}
		for range r.IntN(5) {
			terms = append(terms, term(name))
		}
		terms = append(terms, pick("-all", "~all", "", "?all", "redirect="+other(name)))
		w.Zone[name] = append(w.Zone[name], map[string]any{"TXT": strings.TrimSpace(strings.Join(terms, " "))})
		if r.IntN(12) == 0 {
			w.Zone[name] = append(w.Zone[name], map[string]any{"TXT": "v=spf1 -all"})
		}
		// Every host has both kinds of address: whether a host without one is a void answer is read in two ways.
		w.Zone[name] = append(w.Zone[name], map[string]any{"A": ip4()}, map[string]any{"AAAA": ip6()})
		for range r.IntN(3) {
			w.Zone[name] = append(w.Zone[name], map[string]any{"MX": []any{10, domain()}})
		}
	}
	for i := range 8 {
		if r.IntN(2) == 0 {
			w.Zone[fmt.Sprintf("192.0.2.%d.x.example", i)] = []any{map[string]any{"A": "127.0.0.2"}}
			w.Zone[fmt.Sprintf("%d.2.0.192.in-addr.arpa", i)] = []any{map[string]any{"PTR": domain()}}
		}
	}
	for range 4 {
		w.Questions = append(w.Questions, question{I: pick(ip4(), ip4(), ip6()), S: pick("ann", "bob-x", "") + "@" + domain(), H: domain()})
	}
	return w
}

// TestPyspf has pyspf answer the same questions about the same zones as we do.
func TestPyspf(t *testing.T) {
	python := suites.Program(t, "/usr/bin/python3", "python3-spf")
	if exec.CommandContext(t.Context(), python, "-c", "import spf").Run() != nil {
		suites.Program(t, "the Python module spf", "python3-spf")
	}
	r := rand.New(rand.NewPCG(7208, 4408))
	worlds := make([]world, 400)
	for i := range worlds {
		worlds[i] = makeWorld(r)
	}
	in, err := json.Marshal(worlds)
	if err != nil {
		t.Fatal(err)
	}
	const program = `
import json, socket, sys, spf
worlds = json.load(sys.stdin)
for w in worlds:
    zone = w["Zone"]
    def lookup(name, qtype, strict=True, timeout=None, level=0):
        for entry in zone.get(name.rstrip(".").lower(), []):
            for t, v in entry.items():
                if t != qtype: continue
                if t == "TXT": v = (v.encode(),)
                if t == "AAAA": v = bytes(socket.inet_pton(socket.AF_INET6, v))
                if t == "MX": v = tuple(v)
                yield ((name, t), v)
    spf.DNSLookup = lookup
    for q in w["Questions"]:
        query = spf.query(q["I"], q["S"], q["H"], receiver="receiver.example", strict=True, querytime=0)
        q["Result"] = query.check()[0]
json.dump(worlds, sys.stdout)
`
	cmd := exec.CommandContext(t.Context(), python, "-c", program)
	cmd.Stdin = bytes.NewReader(in)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	var theirs []world
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, w := range theirs {
		for _, q := range w.Questions {
			c := spf.Verify(t.Context(), suiteZone(w.Zone), spf.Request{IP: netip.MustParseAddr(q.I), HELO: q.H, MailFrom: q.S}, spf.Options{Receiver: "receiver.example"})
			seen[q.Result]++
			if string(c.Result) != q.Result {
				t.Errorf("%+v: %s, %s", q, c.Result, c.Reason())
				for _, s := range c.Steps {
					t.Logf("  %s = %s: %s", s.Question, s.Answer, s.Rule)
				}
			}
		}
	}
	t.Logf("%v", seen)
	for _, result := range []string{"pass", "fail", "softfail", "neutral", "permerror"} {
		if seen[result] < 20 {
			t.Errorf("%d times %s alone", seen[result], result)
		}
	}
}
