package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// A recorder is a Handler that keeps what it is given.
type recorder struct {
	params   smtp.MailParams
	rcpts    []smtp.Path
	message  string // of Data
	refuse   smtp.Path
	data     int
	closed   int
	response error
}

func (r *recorder) Mail(_ context.Context, _ *smtp.Peer, _ smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	r.params = p
	return r, nil
}

func (r *recorder) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	if to == r.refuse && !to.IsNull() {
		return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
	}
	r.rcpts = append(r.rcpts, to)
	return nil
}

func (r *recorder) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	r.data++
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	r.message = string(b)
	if r.response != nil {
		return nil, r.response
	}
	return smtp.SameResult(len(r.rcpts), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")), nil
}

func (r *recorder) Close() error { r.closed++; return nil }

// zone is DNS in memory.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if txt, ok := z[name]; ok {
		return []string{txt}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// keyFor makes a signer for a domain and publishes its key.
func (z zone) keyFor(t *testing.T, selector, domain string) dkim.Signer {
	t.Helper()
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	z[selector+"._domainkey."+strings.ToLower(domain)] = string(rec)
	return dkim.Signer{Domain: domain, Selector: selector, Key: key}
}

// send hands a message to a Handler for bob and carol.
func send(t *testing.T, h smtp.Handler, from string, body io.Reader) (smtp.Results, error) {
	t.Helper()
	p, _, err := smtp.ParsePath(from)
	if err != nil {
		t.Fatal(err)
	}
	return smtp.Deliver(t.Context(), h, smtp.Envelope{From: p, Params: smtp.MailParams{Size: 1000}, Recipients: []smtp.Recipient{
		{To: smtp.Path{Local: "bob", Domain: "example.org"}}, {To: smtp.Path{Local: "carol", Domain: "example.org"}}}}, body)
}

const letter = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n"

func TestSign(t *testing.T) {
	z := zone{}
	ring := policy.KeyRing(z.keyFor(t, "s1", "example.com"), z.keyFor(t, "s", "Other.example"), z.keyFor(t, "s2", "example.com"))
	for name, tt := range map[string]struct {
		message string
		domains string // of the signatures
	}{
		"own domain":         {letter, "example.com example.com"},
		"domain above":       {strings.Replace(letter, "ann@example", "ann@news.eu.example", 1), "example.com example.com"},
		"another":            {strings.Replace(letter, "ann@example.com", "ann@OTHER.example", 1), "other.example"},
		"no key":             {strings.Replace(letter, "ann@example.com", "ann@third.example", 1), ""},
		"alike":              {strings.Replace(letter, "ann@example.com", "ann@xother.example", 1), ""},
		"no author":          {strings.Replace(letter, "From:", "X-From:", 1), ""},
		"two authors":        {"From: eve@other.example\r\n" + letter, ""},
		"no header":          {"\r\nHello", ""},
		"nothing":            {"", ""},
		"bigger than memory": {letter + strings.Repeat("0123456789abcdef\r\n", 2000), "example.com example.com"},
	} {
		r := &recorder{}
		s := policy.Signer{Keys: ring, Limits: policy.Limits{Memory: 4096, Dir: t.TempDir()}}
		res, err := send(t, s.Handler(r), "<ann@example.com>", iotest.HalfReader(strings.NewReader(tt.message)))
		if err != nil || len(res) != 2 || res[0].Reply.Code != 250 || r.closed != 1 {
			t.Errorf("%s: %v, %v, closed %d times", name, res, err, r.closed)
			continue
		}
		if !strings.HasSuffix(r.message, tt.message) || tt.domains == "" && r.message != tt.message {
			t.Errorf("%s: the message has changed: %.300q", name, r.message)
		}
		verdicts, err := dkim.Verifier{Resolver: z}.Verify(t.Context(), strings.NewReader(r.message))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range verdicts {
			got = append(got, v.Signature.Domain)
			if v.Value != dkim.Pass {
				t.Errorf("%s: %+v", name, v)
			}
		}
		if strings.Join(got, " ") != tt.domains {
			t.Errorf("%s: signed by %q", name, got)
		}
		if r.params.Size < int64(len(r.message)-len(tt.message))+1000 {
			t.Errorf("%s: SIZE=%d is too small", name, r.params.Size)
		}
	}
}

// TestSignNoAuthor: a letter that names no author is signed by whom Keys names for "".
func TestSignNoAuthor(t *testing.T) {
	z := zone{}
	key := z.keyFor(t, "s", "example.com")
	key.Headers = []string{"From", "To", "Subject"}
	s := policy.Signer{Keys: func(_ context.Context, domain string) ([]dkim.Signer, error) {
		if domain != "" {
			t.Errorf("asked for %q", domain)
		}
		return []dkim.Signer{key}, nil
	}}
	r := &recorder{}
	if _, err := send(t, s.Handler(r), "<ann@example.com>", strings.NewReader(strings.Replace(letter, "From:", "X-From:", 1))); err != nil {
		t.Fatal(err)
	}
	verdicts, err := dkim.Verifier{Resolver: z}.Verify(t.Context(), strings.NewReader(r.message))
	if err != nil || len(verdicts) != 1 || verdicts[0].Value != dkim.Pass {
		t.Errorf("%+v %v", verdicts, err)
	}
}

// TestSignRefuses: what cannot be read or signed is not handed on.
func TestSignRefuses(t *testing.T) {
	z := zone{}
	ring := policy.KeyRing(z.keyFor(t, "s", "example.com"))
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		s    policy.Signer
		body io.Reader
		code int
		err  error
	}{
		"body breaks":        {policy.Signer{Keys: ring}, io.MultiReader(strings.NewReader(letter), iotest.ErrReader(broken)), 451, broken},
		"header breaks":      {policy.Signer{Keys: ring}, iotest.ErrReader(broken), 451, broken},
		"too big":            {policy.Signer{Keys: ring, Limits: policy.Limits{Message: 75}}, strings.NewReader(letter), 552, nil},
		"header too big":     {policy.Signer{Keys: ring, Limits: policy.Limits{Header: 20}}, strings.NewReader(letter), 552, nil},
		"header over all":    {policy.Signer{Keys: ring, Limits: policy.Limits{Message: 50}}, strings.NewReader(letter), 552, nil},
		"no room":            {policy.Signer{Keys: ring, Limits: policy.Limits{Memory: -1, Dir: t.TempDir() + "/none"}}, strings.NewReader(letter), 452, nil},
		"keys not available": {policy.Signer{Keys: func(context.Context, string) ([]dkim.Signer, error) { return nil, broken }}, strings.NewReader(letter), 451, broken},
		"key unusable":       {policy.Signer{Keys: policy.KeyRing(dkim.Signer{Domain: "example.com"})}, strings.NewReader(letter), 451, nil},
	} {
		r := &recorder{}
		tx, err := tt.s.Handler(r).Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Rcpt(t.Context(), smtp.Path{Local: "bob", Domain: "example.org"}, smtp.RcptParams{}); err != nil {
			t.Fatal(err)
		}
		_, err = tx.Data(t.Context(), tt.body)
		if err == nil || tt.err != nil && !errors.Is(err, tt.err) || smtp.ReplyOf(err).Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
		if tx.Close(); r.data != 0 || r.closed != 1 {
			t.Errorf("%s: Data called %d times, Close %d times", name, r.data, r.closed)
		}
	}
}

// TestSignPassesThrough: refusals and results of the Handler behind are told as they are.
func TestSignPassesThrough(t *testing.T) {
	r := &recorder{refuse: smtp.Path{Local: "carol", Domain: "example.org"}}
	res, err := send(t, policy.Signer{}.Handler(r), "<>", strings.NewReader(letter))
	if err != nil || res[0].Reply.Code != 250 || res[1].Reply.Code != 550 || r.message != letter {
		t.Errorf("%v, %v", res, err)
	}
	r = &recorder{response: smtp.NewError(554, smtp.EnhancedCode{5, 6, 0}, "no")}
	if res, err = send(t, policy.Signer{}.Handler(r), "<>", strings.NewReader(letter)); err != nil || res[0].Reply.Code != 554 {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := (policy.Signer{}).Handler(refusing{}).Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{}); smtp.ReplyOf(err).Code != 550 {
		t.Error(err)
	}
}

type refusing struct{}

func (refusing) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return nil, smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "no")
}

// A submission server signs what it hands to the queue.
func ExampleSigner() {
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		fmt.Println(err)
		return
	}
	queue := &recorder{}
	h := policy.Signer{Keys: policy.KeyRing(dkim.Signer{Domain: "example.com", Selector: "nov", Key: key})}.Handler(queue)
	_, err = smtp.Deliver(context.Background(), h, smtp.Envelope{
		From:       smtp.Path{Local: "ann", Domain: "example.com"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.org"}}},
	}, strings.NewReader(letter))
	name, _, _ := strings.Cut(queue.message, ":")
	fmt.Println(name, err)
	// Output: DKIM-Signature <nil>
}
