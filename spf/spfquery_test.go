package spf_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/spf"
)

const peerZone = `
ip.example.          IN TXT "v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/64 -all"
a.example.           IN TXT "v=spf1 a a:host.example/30 ~all"
a.example.           IN A   192.0.2.1
host.example.        IN A   192.0.2.9
mx.example.          IN TXT "v=spf1 mx ?all"
mx.example.          IN MX  10 host.example.
include.example.     IN TXT "v=spf1 include:ip.example include:a.example -all"
redirect.example.    IN TXT "v=spf1 redirect=ip.example"
exists.example.      IN TXT "v=spf1 exists:%{ir}.%{l}.%{v}.list.example -all"
1.2.0.192.ann.in-addr.list.example. IN A 127.0.0.2
ptr.example.         IN TXT "v=spf1 ptr -all"
1.2.0.192.in-addr.arpa. IN PTR h.ptr.example.
h.ptr.example.       IN A   192.0.2.1
order.example.       IN TXT "v=spf1 -ip4:192.0.2.1 +all"
syntax.example.      IN TXT "v=spf1 ip4:300.0.0.1 -all"
unknown.example.     IN TXT "v=spf1 color=red blue -all"
two.example.         IN TXT "v=spf1 -all"
two.example.         IN TXT "v=spf1 +all"
noinclude.example.   IN TXT "v=spf1 include:nobody.example -all"
eleven.example.      IN TXT "v=spf1 a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example a:h1.example -all"
h1.example.          IN A   192.0.2.77
text.example.        IN TXT "nothing about SPF"
modifier.example.    IN TXT "v=spf1 x-y=%{d} ip4:192.0.2.1 -all exp=why.example"
why.example.         IN TXT "%{i} is none of ours"
`

func peerQuestions() []question {
	var out []question
	for domain := range strings.FieldsSeq("ip a mx include redirect exists ptr order syntax unknown two noinclude eleven text modifier nobody") {
		for _, ip := range []string{"192.0.2.1", "192.0.2.10", "2001:db8::1"} {
			out = append(out, question{I: ip, S: "ann@" + domain + ".example", H: "mail.example"})
		}
	}
	return out
}

// TestSpfquery has two programs answer questions about a zone as we do: that of libspf2, and that of Mail::SPF. They ask the
// resolver of the system, so they run where that is our zone: in namespaces of their own.
func TestSpfquery(t *testing.T) {
	if os.Getenv("MAILBRICKS_SPFQUERY") != "" {
		askPeers(t)
		return
	}
	unshare := suites.Program(t, "unshare", "util-linux")
	suites.Program(t, "ip", "iproute2")
	suites.Program(t, "spfquery.libspf2", "spfquery")
	suites.Program(t, "spfquery.mail-spf-perl", "spf-tools-perl")
	if err := exec.CommandContext(t.Context(), unshare, "-n", "-m", "true").Run(); err != nil {
		if os.Getenv("MAILBRICKS_PEERS") == "required" {
			t.Fatalf("no namespaces to be had: %v", err)
		}
		t.Skipf("no namespaces to be had, which takes root: %v", err)
	}
	answers := filepath.Join(t.TempDir(), "answers")
	cmd := exec.CommandContext(t.Context(), unshare, "-n", "-m", os.Args[0], "-test.run", "^TestSpfquery$")
	cmd.Env = append(os.Environ(), "MAILBRICKS_SPFQUERY="+answers)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(answers)
	if err != nil {
		t.Fatal(err)
	}
	var theirs map[string][]question
	if err := json.Unmarshal(text, &theirs); err != nil {
		t.Fatal(err)
	}
	zone := dnstest.New()
	zone.MustAdd(peerZone)
	for program, questions := range theirs {
		if len(questions) != len(peerQuestions()) {
			t.Errorf("%s: %d answers", program, len(questions))
		}
		compared := 0
		for _, q := range questions {
			if q.Result == "(invalid)" { // no verdict
				continue
			}
			compared++
			c := spf.Verify(t.Context(), zone, spf.Request{IP: netip.MustParseAddr(q.I), HELO: q.H, MailFrom: q.S}, spf.Options{})
			if string(c.Result) != q.Result {
				t.Errorf("%s: %+v; we say %s", program, q, c.Result)
			}
		}
		if compared < 36 {
			t.Errorf("%s: %d verdicts", program, compared)
		}
	}
}

// askPeers runs within the namespaces: the zone listens where the system asks.
func askPeers(t *testing.T) {
	must := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v, %s", name, args, err, out)
		}
	}
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	must("ip", "link", "set", "lo", "up")
	must("mount", "--bind", resolv, "/etc/resolv.conf")
	zone := dnstest.New()
	zone.MustAdd(peerZone)
	server, err := zone.Serve("127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	answers := map[string][]question{}
	for _, q := range peerQuestions() {
		for program, args := range map[string][]string{
			"spfquery.libspf2":       {"-i", q.I, "-s", q.S, "-h", q.H},
			"spfquery.mail-spf-perl": {"--scope", "mfrom", "--identity", q.S, "--ip-address", q.I, "--helo-identity", q.H},
		} {
			out, _ := exec.CommandContext(t.Context(), program, args...).Output() // the status tells the verdict too
			text := string(out)
			if _, after, ok := strings.Cut(text, "EndError"); ok { // an account of what went wrong comes first
				text = after
			}
			q.Result, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
			answers[program] = append(answers[program], q)
		}
	}
	text, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv("MAILBRICKS_SPFQUERY"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
