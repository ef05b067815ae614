package arc_test

import (
	"context"
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// A scenario of the public suite, as JSON.
type scenario struct {
	Description string
	Tests       [][2]json.RawMessage // name and case, in order: some names occur twice
	TXT         map[string]string    `json:"txt_records"`
	TXT2        map[string]string    `json:"txt-records"`
	Domain      string
	Sel         string
	PrivateKey  string
}

type testCase struct {
	Message, CV, T string
	Headers        string `json:"sig-headers"`
	ID             string `json:"srv-id"`
	AS, AMS, AAR   string
}

// load reads a suite's YAML through Python, with repeated names kept.
func load(t *testing.T, name string) []scenario {
	t.Helper()
	python := suites.Program(t, "/usr/bin/python3", "python3-yaml")
	file := filepath.Join(suites.Dir(t, "arc/valimail"), name)
	const program = `
import json, sys, yaml
class Loader(yaml.SafeLoader): pass
Loader.yaml_implicit_resolvers = {}
def mapping(loader, node):
    for k, v in node.value:
        if k.value == "tests":
            v.value = [yaml.SequenceNode("tag:yaml.org,2002:seq", [a, b]) for a, b in v.value]
            v2 = yaml.SequenceNode("tag:yaml.org,2002:seq", v.value)
            node.value = [(a, v2 if a is k else b) for a, b in node.value]
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)
Loader.add_constructor("tag:yaml.org,2002:map", mapping)
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

func (s scenario) each(t *testing.T, do func(name string, c testCase)) {
	for _, pair := range s.Tests {
		var name string
		var c testCase
		if err := json.Unmarshal(pair[0], &name); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(pair[1], &c); err != nil {
			t.Fatal(err)
		}
		c.Message = strings.ReplaceAll(c.Message, "\n", "\r\n")
		do(name, c)
	}
}

// LookupTXT answers from the scenario.
func (s scenario) LookupTXT(_ context.Context, name string) ([]string, error) {
	for _, records := range []map[string]string{s.TXT, s.TXT2} {
		if txt, ok := records[name]; ok {
			return []string{strings.ReplaceAll(txt, "\n", "")}, nil
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// TestSuiteValidation runs the validation cases. Three of them are left open by the suite: a chain whose newest seal says
// cv=fail fails (RFC 8617 §5.2 step 2). Two expect rsa-sha1 to be refused, as it is (RFC 8301 §3.1).
func TestSuiteValidation(t *testing.T) {
	n, names := 0, map[string]bool{}
	for _, s := range load(t, "arc-draft-validation-tests.yml") {
		v := arc.Verifier{Resolver: s, Now: func() time.Time { return time.Unix(20000, 0) }}
		s.each(t, func(name string, c testCase) {
			n++
			names[s.Description+name] = true
			got, err := v.Verify(t.Context(), strings.NewReader(c.Message))
			want := strings.ToLower(c.CV)
			if want == "" {
				want = "fail"
			}
			if err != nil || string(got.Value) != want || (got.Err == nil) != (want != "fail") {
				t.Errorf("%s: %s: %s, %v; want %s", s.Description, name, got.Value, got.Err, want)
			}
		})
	}
	if len(names) != 171 || n != 175 { // four names occur twice
		t.Errorf("%d cases, %d names", n, len(names))
	}
}

// TestSuiteSigning runs the signing cases: each field, its signature too, is that of the suite but for white space.
func TestSuiteSigning(t *testing.T) {
	n := 0
	space := regexp.MustCompile(`\s+`)
	for _, s := range load(t, "arc-draft-sign-tests.yml") {
		key, err := dkim.ParsePrivateKey([]byte(s.PrivateKey))
		if err != nil {
			t.Fatal(err)
		}
		s.each(t, func(name string, c testCase) {
			n++
			now, err := strconv.ParseInt(c.T, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			clock := func() time.Time { return time.Unix(now, 0) }
			chain, err := arc.Verifier{Resolver: s, Now: clock}.Verify(t.Context(), strings.NewReader(c.Message))
			if err != nil {
				t.Fatal(err)
			}
			sealer := arc.Sealer{Domain: s.Domain, Selector: s.Sel, Key: key, ID: c.ID, Headers: strings.Split(c.Headers, ":"), Now: clock}
			got, err := sealer.Seal(strings.NewReader(c.Message), chain.Value)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			fields := map[string]string{}
			for f := range strings.SplitSeq(strings.ReplaceAll(string(got), "\r\n ", " "), "\r\n") {
				k, v, _ := strings.Cut(f, ":")
				fields[k] = v
			}
			for field, want := range map[string]string{"ARC-Seal": c.AS, "ARC-Message-Signature": c.AMS, "ARC-Authentication-Results": c.AAR} {
				if g, w := space.ReplaceAllString(fields[field], ""), space.ReplaceAllString(want, ""); g != w {
					t.Errorf("%s: %s:\n got %s\nwant %s", name, field, g, w)
				}
			}
		})
	}
	if n != 17 {
		t.Errorf("%d cases", n)
	}
}
