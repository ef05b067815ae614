package dkim_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
)

func msgauthSign(msg, domain, selector string, key crypto.Signer) (string, error) {
	var out bytes.Buffer
	err := msgauth.Sign(&out, strings.NewReader(msg), &msgauth.SignOptions{Domain: domain, Selector: selector, Signer: key,
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed})
	return out.String(), err
}

// messages for exchanges with others.
func messages() []string {
	return []string{
		message,
		strings.Replace(message, "Subject: a letter", "Subject: a long\r\n\tand  folded \r\n letter", 1),
		strings.Split(message, "\r\n\r\n")[0] + "\r\n\r\n",
		message + "\r\n\r\n\r\n",
		message + strings.Repeat("A line of some length, with  spaces\t and tabs \r\n", 2000),
		strings.Replace(message, "Hello", "Gr\xc3\xbc\xc3\x9fe", 1),
	}
}

// canons are the canonicalisations of header and body, all four pairs.
func canons() [][2]dkim.Canonicalization {
	return [][2]dkim.Canonicalization{{dkim.Simple, dkim.Simple}, {dkim.Simple, dkim.Relaxed}, {dkim.Relaxed, dkim.Simple}, {dkim.Relaxed, dkim.Relaxed}}
}

// TestMsgauth exchanges messages with go-msgauth both ways.
func TestMsgauth(t *testing.T) {
	for _, a := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} {
		k := keys(t, a)
		z := zone{"s._domainkey.example.com": k.record}
		for i, msg := range messages() {
			theirs, err := msgauthSign(msg, "example.com", "s", k.key)
			if err != nil {
				t.Fatal(err)
			}
			if res := verify(t, dkim.Verifier{Resolver: z}, theirs); len(res) != 1 || res[0].Value != dkim.Pass {
				t.Errorf("%s message %d, signed by go-msgauth: %+v", a, i, res)
			}
			for _, c := range canons() {
				ours := sign(t, msg, dkim.Signer{Domain: "example.com", Selector: "s", Key: k.key, HeaderCanon: c[0], BodyCanon: c[1]})
				res, err := msgauth.VerifyWithOptions(strings.NewReader(ours), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
					return z.LookupTXT(t.Context(), name)
				}})
				if err != nil || len(res) != 1 || res[0].Err != nil {
					t.Errorf("%s %s message %d, verified by go-msgauth: %v, %v", a, c, i, res, err)
				}
			}
		}
	}
}

// dkimpy runs a Python program with dkimpy, which finds keys in a file of "name record" lines.
func dkimpy(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	python := suites.Program(t, "/usr/bin/python3", "python3-dkim")
	if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
		suites.Program(t, "the Python module dkim", "python3-dkim python3-nacl")
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", program}, args...)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestDkimpy exchanges messages with dkimpy both ways.
func TestDkimpy(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	const verifyPy = `
import dkim, sys
record = sys.argv[1].encode()
for f in sys.argv[2:]:
    print(dkim.verify(open(f, "rb").read(), dnsfunc=lambda name, timeout=5: record))
`
	const signPy = `
import dkim, sys
key = open(sys.argv[2], "rb").read()
for f in sys.argv[3:]:
    m = open(f, "rb").read()
    for header in b"simple", b"relaxed":
        for body in b"simple", b"relaxed":
            s = dkim.sign(m, b"s", b"example.com", key, signature_algorithm=sys.argv[1].encode(), canonicalize=(header, body))
            open(f + "-" + header.decode() + "-" + body.decode() + ".signed", "wb").write(s + m)
`
	for _, a := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} {
		k := keys(t, a)
		var ours, plain []string
		for i, msg := range messages() {
			plain = append(plain, file(fmt.Sprintf("%s-%d", a, i), msg))
			for _, c := range canons() {
				ours = append(ours, file(fmt.Sprintf("%s-%s-%s-%d", a, c[0], c[1], i), sign(t, msg, dkim.Signer{Domain: "example.com", Selector: "s", Key: k.key, HeaderCanon: c[0], BodyCanon: c[1]})))
			}
		}
		out, err := dkimpy(t, verifyPy, append([]string{k.record}, ours...)...)
		if err != nil || strings.Count(out, "True") != len(ours) {
			t.Errorf("%s, verified by dkimpy: %s, %v", a, out, err)
		}
		var private string
		if ed, ok := k.key.(ed25519.PrivateKey); ok {
			private = base64.StdEncoding.EncodeToString(ed.Seed())
		} else {
			text, err := dkim.AppendPrivateKey(nil, k.key)
			if err != nil {
				t.Fatal(err)
			}
			private = string(text)
		}
		if out, err := dkimpy(t, signPy, append([]string{string(a), file("key", private)}, plain...)...); err != nil {
			t.Fatalf("%s: %s, %v", a, out, err)
		}
		for _, p := range plain {
			for _, c := range canons() {
				b, err := os.ReadFile(fmt.Sprintf("%s-%s-%s.signed", p, c[0], c[1]))
				if err != nil {
					t.Fatal(err)
				}
				res := verify(t, dkim.Verifier{Resolver: zone{"s._domainkey.example.com": k.record}}, string(b))
				if len(res) != 1 || res[0].Value != dkim.Pass || res[0].Signature.HeaderCanon != c[0] || res[0].Signature.BodyCanon != c[1] {
					t.Errorf("%s %s, signed by dkimpy: %+v", p, c, res)
				}
			}
		}
	}
}
