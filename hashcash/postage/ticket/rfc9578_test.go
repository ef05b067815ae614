package ticket

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
)

// vectors reads testdata/rfc9578-a2.txt: the vectors of RFC 9578 appendix A.2.
func vectors(t *testing.T) (out []map[string][]byte) {
	t.Helper()
	f, err := os.Open("testdata/rfc9578-a2.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<16)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name == "vector" {
			out = append(out, make(map[string][]byte))
			continue
		}
		b, err := hex.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		out[len(out)-1][name] = b
	}
	if len(out) != 5 {
		t.Fatalf("%d vectors", len(out))
	}
	return out
}

func TestRFC9578(t *testing.T) {
	for i, v := range vectors(t) {
		block, _ := pem.Decode(v["skI"])
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		private := parsed.(*rsa.PrivateKey)
		key, err := ParseKey(v["pkI"], 1, noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(key.Append(nil), v["pkI"]) || key.ID() != sha256.Sum256(v["pkI"]) {
			t.Errorf("vector %d: key", i+1)
		}
		var issuer Issuer
		if err := issuer.Add(private, key); err != nil {
			t.Fatal(err)
		}
		c, err := ParseChallenge(v["token_challenge"])
		if err != nil {
			t.Errorf("vector %d: %v", i+1, err)
			continue
		}
		if b, err := c.Append(nil); err != nil || !bytes.Equal(b, v["token_challenge"]) {
			t.Errorf("vector %d: %+v is written as %x, %v", i+1, c, b, err)
		}
		response, err := issuer.Sign(t.Context(), v["token_request"])
		if err != nil || !bytes.Equal(response, v["token_response"]) {
			t.Errorf("vector %d: response %x, %v", i+1, response, err)
		}
		tok, err := parseToken(ticketCode.EncodeToString(v["token"]))
		if err != nil {
			t.Fatal(err)
		}
		digest, _ := c.digest()
		if tok.keyID() != key.ID() || !bytes.Equal(tok.challenge(), digest[:]) || !bytes.Equal(tok.nonce(), v["nonce"]) {
			t.Errorf("vector %d: %x", i+1, tok)
		}
		if err := key.verify(tok); err != nil {
			t.Errorf("vector %d: %v", i+1, err)
		}
		// The request too, from nonce, salt and blind, in the order in which they are drawn.
		s := Scheme{Rand: bytes.NewReader(bytes.Join([][]byte{v["nonce"], v["salt"], v["blind"]}, nil))}
		again, err := s.buy(c, key, func(req []byte) ([]byte, error) {
			if !bytes.Equal(req, v["token_request"]) {
				t.Errorf("vector %d: request %x", i+1, req)
			}
			return issuer.Sign(t.Context(), req)
		})
		if err != nil || *again != *tok {
			t.Errorf("vector %d: bought %x, %v", i+1, again, err)
		}
	}
}

func TestKeyRefuses(t *testing.T) {
	good := vectors(t)[0]["pkI"]
	for name, spki := range map[string][]byte{
		"empty": nil, "short": good[:100], "long": append(bytes.Clone(good), 0), "other salt": bytes.Replace(good, []byte{2, 1, 0x30}, []byte{2, 1, 0x20}, 1),
		"other hash": bytes.ReplaceAll(good, []byte{4, 2, 2}, []byte{4, 2, 1}), "other algorithm": bytes.Replace(good, []byte{1, 1, 10}, []byte{1, 1, 1}, 1),
	} {
		if k, err := ParseKey(spki, 1, noon, noon.Add(1)); !errors.Is(err, ErrWire) {
			t.Errorf("%s: %+v, %v; want ErrWire", name, k, err)
		}
	}
	public := &privateKeys()[0].PublicKey
	for name, f := range map[string]func() (*Key, error){
		"nil":      func() (*Key, error) { return NewKey(nil, 1, noon, noon.Add(1)) },
		"no value": func() (*Key, error) { return NewKey(public, 0, noon, noon.Add(1)) },
		"no epoch": func() (*Key, error) { return NewKey(public, 1, noon, noon) },
		"1024 bits": func() (*Key, error) {
			return NewKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 3}, 1, noon, noon.Add(1))
		},
		"exponent 1": func() (*Key, error) { return NewKey(&rsa.PublicKey{N: public.N, E: 1}, 1, noon, noon.Add(1)) },
	} {
		if k, err := f(); !errors.Is(err, ErrWire) {
			t.Errorf("%s: %+v, %v; want ErrWire", name, k, err)
		}
	}
}
