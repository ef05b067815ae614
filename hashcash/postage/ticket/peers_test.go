package ticket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
)

// A peer runs testdata/privacypass/peer.mjs.
type peer struct {
	*testing.T
	in  io.Writer
	out *bufio.Scanner
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	const dir = "testdata/privacypass"
	node := suites.Node(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, "peer.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return &peer{t, in, bufio.NewScanner(out)}
}

// call does one call; octets go and come in hexadecimal.
func (p *peer) call(name string, args map[string][]byte) []byte {
	p.Helper()
	line := map[string]string{"call": name}
	for k, v := range args {
		line[k] = hex.EncodeToString(v)
	}
	text, err := json.Marshal(line)
	if err != nil {
		p.Fatal(err)
	}
	if _, err := p.in.Write(append(text, '\n')); err != nil {
		p.Fatal(err)
	}
	var answer struct{ Result, Error string }
	if !p.out.Scan() {
		p.Fatalf("%s: no answer: %v", name, p.out.Err())
	}
	if err := json.Unmarshal(p.out.Bytes(), &answer); err != nil || answer.Error != "" {
		p.Fatalf("%s: %s %v", name, answer.Error, err)
	}
	b, err := hex.DecodeString(answer.Result)
	if err != nil {
		p.Fatal(err)
	}
	return b
}

// TestPrivacyPass buys tickets from privacypass-ts and sells it some; each verifies the other's.
func TestPrivacyPass(t *testing.T) {
	p := newPeer(t)
	issuer, s := newScheme(t)
	key := s.Keys[0]
	spki := key.Append(nil)
	private, err := x509.MarshalPKCS8PrivateKey(privateKeys()[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := p.call("issuer", map[string][]byte{"pkcs8": private, "spki": spki}); !bytes.Equal(got, spki) {
		t.Errorf("key is written as %x, ours is %x", got, spki)
	}

	// Ours buys from theirs.
	s.Sign = func(_ context.Context, req []byte) ([]byte, error) {
		return p.call("sign", map[string][]byte{"request": req}), nil
	}
	d, stamp := buy(t, s)
	tok, err := parseToken(stamp)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), d, stamp); err != nil {
		t.Error(err)
	}
	if ok := p.call("verify", map[string][]byte{"token": tok[:], "spki": spki}); ok[0] != 1 {
		t.Error("a ticket bought by us is not valid to the peer")
	}
	tok[40] ^= 1
	if ok := p.call("verify", map[string][]byte{"token": tok[:], "spki": spki}); ok[0] != 0 {
		t.Error("a changed ticket is valid to the peer")
	}

	// Theirs buys from ours.
	c, err := s.challenge(d)
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := c.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := issuer.Sign(t.Context(), p.call("request", map[string][]byte{"challenge": challenge, "spki": spki}))
	if err != nil {
		t.Fatal(err)
	}
	theirs := token(p.call("finalize", map[string][]byte{"response": response}))
	if _, err := s.Verify(t.Context(), d, theirs.String()); err != nil {
		t.Error(err)
	}
}
