package spf_test

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/spf"
)

// A scenario of the public suite, as JSON.
type scenario struct {
	Description string
	Tests       map[string]struct {
		Helo, Host, Mailfrom, Explanation string
		Result                            any // a string or a list
	}
	Zonedata map[string][]any
}

// load reads a suite's YAML through Python.
func load(t *testing.T, name string) []scenario {
	t.Helper()
	python := suites.Program(t, "/usr/bin/python3", "python3-yaml")
	file := filepath.Join(suites.Dir(t, "spf/openspf"), name)
	const program = `
import json, sys, yaml
class Loader(yaml.SafeLoader): pass
Loader.yaml_implicit_resolvers = {}
print(json.dumps([d for d in yaml.load_all(open(sys.argv[1], encoding="utf-8"), Loader) if d]))
`
	out, err := exec.CommandContext(t.Context(), python, "-c", program, file).Output()
	if err != nil {
		suites.Program(t, "the Python module yaml", "python3-yaml")
	}
	var s []scenario
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// suiteZone answers from a scenario's zone data.
type suiteZone map[string][]any

func (z suiteZone) find(name, kind string) ([]any, error) {
	name = strings.TrimSuffix(name, ".")
	none := &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	for range 10 {
		var entries []any
		for k, v := range z {
			if strings.EqualFold(strings.TrimSuffix(k, "."), name) {
				entries = v
			}
		}
		var out []any
		alias, timeout := "", false
		hasTXT := false
		for _, e := range entries {
			if m, ok := e.(map[string]any); ok && m["TXT"] != nil {
				hasTXT = true
			}
		}
		for _, e := range entries {
			timeout = timeout || e == "TIMEOUT"
			m, ok := e.(map[string]any)
			if !ok {
				continue
			}
			for k, v := range m {
				switch {
				case k == kind && v != "NONE", k == "SPF" && kind == "TXT" && !hasTXT:
					out = append(out, v)
				case k == "CNAME":
					alias, _ = v.(string)
				}
			}
		}
		if len(out) > 0 {
			return out, nil
		}
		if timeout { // for what is not there
			return nil, &net.DNSError{Err: "timeout", Name: name, IsTimeout: true, IsTemporary: true}
		}
		if alias == "" {
			return nil, none
		}
		name = strings.TrimSuffix(alias, ".")
	}
	return nil, &net.DNSError{Err: "aliases in a circle", Name: name, IsTemporary: true}
}

func text(v any) string {
	if list, ok := v.([]any); ok {
		var b strings.Builder
		for _, s := range list {
			b.WriteString(s.(string))
		}
		return b.String()
	}
	return v.(string)
}

func (z suiteZone) LookupTXT(_ context.Context, name string) ([]string, error) {
	found, err := z.find(name, "TXT")
	var out []string
	for _, v := range found {
		out = append(out, text(v))
	}
	return out, err
}

func (z suiteZone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	found, err := z.find(name, "MX")
	var out []*net.MX
	for _, v := range found {
		out = append(out, &net.MX{Host: text(v.([]any)[1])})
	}
	return out, err
}

func (z suiteZone) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	found, err := z.find(host, map[string]string{"ip4": "A", "ip6": "AAAA"}[network])
	var out []netip.Addr
	for _, v := range found {
		out = append(out, netip.MustParseAddr(text(v)))
	}
	return out, err
}

func (z suiteZone) LookupAddr(_ context.Context, addr string) ([]string, error) {
	a := netip.MustParseAddr(addr)
	name := ".in-addr.arpa"
	if a.Is4() {
		for _, b := range a.As4() {
			name = "." + netip.AddrFrom4([4]byte{0, 0, 0, b}).String()[len("0.0.0."):] + name
		}
	} else {
		name = ".ip6.arpa"
		for _, b := range a.As16() {
			name = "." + string("0123456789abcdef"[b&15]) + "." + string("0123456789abcdef"[b>>4]) + name
		}
	}
	found, err := z.find(name[1:], "PTR")
	var out []string
	for _, v := range found {
		out = append(out, text(v))
	}
	return out, err
}

// runSuite returns how many cases ran and describes those that differ.
func runSuite(t *testing.T, name string) (total int, differ []string) {
	t.Helper()
	for _, s := range load(t, name) {
		for id, tt := range s.Tests {
			total++
			want, ok := tt.Result.([]any)
			if !ok {
				want = []any{tt.Result}
			}
			c := spf.Verify(t.Context(), suiteZone(s.Zonedata), spf.Request{IP: netip.MustParseAddr(tt.Host), HELO: tt.Helo, MailFrom: tt.Mailfrom}, spf.Options{Receiver: "receiver.example"})
			// The macro i of an IPv6 address has no case of its own: the suite writes capitals, RFC 7208 §7.4 does not.
			explained := tt.Explanation == "" || tt.Explanation == "DEFAULT" && c.Explanation == "" || strings.EqualFold(tt.Explanation, c.Explanation)
			if !slices.Contains(want, any(string(c.Result))) || !explained {
				differ = append(differ, s.Description+"/"+id+": "+string(c.Result)+" "+c.Reason()+" "+c.Explanation+", want "+text(want[0])+" "+tt.Explanation)
			}
		}
	}
	slices.Sort(differ)
	return total, differ
}

// TestRFC7208 runs the public suite for RFC 7208, all 203 cases.
func TestRFC7208(t *testing.T) {
	total, differ := runSuite(t, "rfc7208-tests.yml")
	if total != 203 {
		t.Errorf("%d cases, want 203", total)
	}
	for _, d := range differ {
		t.Error(d)
	}
}

// TestRFC4408 runs the suite for RFC 4408, which RFC 7208 replaces: its 191 cases hold too.
func TestRFC4408(t *testing.T) {
	total, differ := runSuite(t, "rfc4408-tests.yml")
	if total != 191 {
		t.Errorf("%d cases, want 191", total)
	}
	for _, d := range differ {
		t.Error(d)
	}
}

// TestOpenCases are the cases of the suite that RFC 7208 leaves open, each with the reading that is chosen.
func TestOpenCases(t *testing.T) {
	readings := map[string]spf.Result{
		"multispf1":                     spf.PermError, // two equal records are two (§4.5), where the resolver has not joined them
		"invalid-domain-empty-label":    spf.Fail,      // a name that cannot be asked for matches nothing (§4.8), and -all follows
		"invalid-domain-long":           spf.Fail,      // the same
		"invalid-domain-long-via-macro": spf.Fail,      // the same
		"p-macro-multiple":              spf.Pass,      // of several names the one of the domain itself counts (§7.3)
		"ptr-limit":                     spf.Neutral,   // names after the tenth are not looked at (§4.6.4)
	}
	for _, s := range load(t, "rfc7208-tests.yml") {
		for id, tt := range s.Tests {
			if _, several := tt.Result.([]any); !several {
				continue
			}
			want, ok := readings[id]
			delete(readings, id)
			c := spf.Verify(t.Context(), suiteZone(s.Zonedata), spf.Request{IP: netip.MustParseAddr(tt.Host), HELO: tt.Helo, MailFrom: tt.Mailfrom}, spf.Options{Receiver: "receiver.example"})
			if !ok || c.Result != want {
				t.Errorf("%s: %s, read as %q", id, c.Result, want)
			}
		}
	}
	if len(readings) > 0 {
		t.Errorf("no such cases: %v", readings)
	}
}
