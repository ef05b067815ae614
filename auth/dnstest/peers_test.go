package dnstest

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestDig asks the server with BIND's dig, which knows nothing of us.
func TestDig(t *testing.T) {
	dig := suites.Program(t, "dig", "bind9-dnsutils")
	z := load(t)
	z.Sign("example.com")
	long := strings.Repeat("0123456789", 300)
	z.AddTXT("big.example.com", long)
	z.AddTXT("cut.example.com", "whole over TCP")
	z.Fail("cut.example.com", Truncate)
	z.AddTXT("quoted.example.com", `a "quoted" back\slash;`)
	z.AddMX("mail.example.com", 10, "mx1.example.com")
	z.Fail("bad.example.com", ServFail)
	s, err := z.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"+short TXT quoted.example.com", []string{`"a \"quoted\" back\\slash;"`}},
		{"+short MX mail.example.com", []string{"10 mx1.example.com."}},
		{"+short TXT cut.example.com", []string{`"whole over TCP"`}},
		{"+ignore TXT cut.example.com", []string{"flags: qr tc", "ANSWER: 0"}},
		{"+tcp TXT big.example.com", []string{"status: NOERROR", "ANSWER: 1", `"` + long[:255] + `" "`}},
		{"+noedns +ignore TXT big.example.com", []string{"flags: qr tc"}},
		{"+adflag TXT example.com", []string{"status: NOERROR", " ad", "EDNS: version: 0"}},
		{"TXT none.example.com", []string{"status: NXDOMAIN", "ANSWER: 0, AUTHORITY: 1"}},
		{"AAAA mail.example.com", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1"}},
		{"TXT bad.example.com", []string{"status: SERVFAIL"}},
	} {
		args := append([]string{"@" + host, "-p", port, "+tries=1", "+timeout=5"}, strings.Fields(tt.args)...)
		out, err := exec.CommandContext(t.Context(), dig, args...).CombinedOutput()
		if err != nil {
			t.Errorf("dig %s: %v\n%s", tt.args, err, out)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("dig %s: no %q in\n%s", tt.args, want, out)
			}
		}
	}
}
