package sasl

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gosasl "github.com/emersion/go-sasl"
)

// connect returns the two states of one TLS connection and the server's certificate.
func connect(t testing.TB, version uint16, edwards bool) (server, client *tls.ConnectionState, leaf *x509.Certificate) {
	t.Helper()
	var key crypto.Signer
	var err error
	if key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); edwards {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mail.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	a, b := net.Pipe()
	s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version, SessionTicketsDisabled: true})
	c := tls.Client(b, &tls.Config{ServerName: "mail.test", RootCAs: roots, MaxVersion: version})
	failed := make(chan error, 1)
	go func() { failed <- s.HandshakeContext(t.Context()) }()
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	ss, cs := s.ConnectionState(), c.ConnectionState()
	_, _ = a.Close(), b.Close()
	return &ss, &cs, leaf
}

// talk runs a client against a and returns who it is and whether the client believes it.
func talk(t *testing.T, a Authenticator, conn Conn, c gosasl.Client) (Identity, error) {
	t.Helper()
	mechanism, response, err := c.Start()
	if err != nil {
		return Identity{}, err
	}
	e, err := a.Start(t.Context(), conn, mechanism)
	if err != nil {
		return Identity{}, err
	}
	for range 5 {
		challenge, done, err := e.Next(response)
		if err != nil {
			return Identity{}, err
		}
		if done {
			return e.Identity(), Proven(c)
		}
		if response, err = c.Next(challenge); err != nil {
			return Identity{}, err
		}
	}
	t.Fatal("no end")
	return Identity{}, nil
}

func aliceAndBob(t testing.TB) *Users {
	t.Helper()
	u := NewUsers()
	for name, pass := range map[string]string{"alice": "secret", "b,o=b": "gr\u00fc\u00dfe"} {
		if err := u.Set(name, pass); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func TestScramBothSides(t *testing.T) {
	u := aliceAndBob(t)
	server13, client13, leaf := connect(t, tls.VersionTLS13, false)
	server12, client12, leaf12 := connect(t, tls.VersionTLS12, false)
	certificate := func(s *tls.ConnectionState) *x509.Certificate {
		if s == server12 {
			return leaf12
		}
		return leaf
	}
	all := New(append(SCRAM{Keys: u.Keys, SHA1: true, Certificate: certificate}.Mechanisms(), Plain(u.Check))...)
	exporter := New(SCRAM{Keys: u.Keys}.Mechanisms()...)
	alice := Credentials{Username: "alice", Password: "secret"}
	with := func(f func(*Credentials)) Credentials {
		c := alice
		f(&c)
		return c
	}
	for _, tt := range []struct {
		name           string
		a              Authenticator
		c              Credentials
		server, client *tls.ConnectionState
		want           string // mechanism
		user           string
		err            error
	}{
		{"TLS 1.3", all, alice, server13, client13, "SCRAM-SHA-256-PLUS", "alice", nil},
		{"TLS 1.2", all, alice, server12, client12, "SCRAM-SHA-256", "alice", nil},
		{"TLS 1.2 with tls-exporter", all, with(func(c *Credentials) { c.Binding = TLSExporter }), server12, client12, "SCRAM-SHA-256-PLUS", "alice", nil},
		{"certificate", all, with(func(c *Credentials) { c.Binding = TLSServerEndPoint }), server13, client13, "SCRAM-SHA-256-PLUS", "alice", nil},
		{"certificate, TLS 1.2", all, with(func(c *Credentials) { c.Binding = TLSServerEndPoint }), server12, client12, "SCRAM-SHA-256-PLUS", "alice", nil},
		{"certificate not known", exporter, with(func(c *Credentials) { c.Binding = TLSServerEndPoint }), server13, client13, "", "", ErrChannelBinding},
		{"unknown binding", all, with(func(c *Credentials) { c.Binding = "tls-unique" }), server13, client13, "", "", ErrChannelBinding},
		{"another spelling", all, with(func(c *Credentials) { c.Username = "ALICE" }), server13, client13, "SCRAM-SHA-256-PLUS", "alice", nil},
		{"escaped name", all, Credentials{Username: "b,o=b", Password: "gru\u0308\u00dfe"}, server13, client13, "SCRAM-SHA-256-PLUS", "b,o=b", nil},
		{"as oneself", all, with(func(c *Credentials) { c.Identity = "alice" }), server13, client13, "SCRAM-SHA-256-PLUS", "alice", nil},
		{"as another", all, with(func(c *Credentials) { c.Identity = "b,o=b" }), server13, client13, "", "", ErrCredentials},
		{"wrong password", all, with(func(c *Credentials) { c.Password = "x" }), server13, client13, "", "", ErrCredentials},
		{"unknown user", all, with(func(c *Credentials) { c.Username = "carol" }), server13, client13, "", "", ErrCredentials},
		{"somebody in between", all, alice, server12, client13, "", "", ErrChannelBinding}, // two TLS sessions: the one in between passes on what it gets
		{"somebody in between, certificate", all, with(func(c *Credentials) { c.Binding = TLSServerEndPoint }), server12, client13, "", "", ErrChannelBinding},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := Conn{TLS: tt.server}
			client, err := tt.c.Client(tt.a.Mechanisms(conn), tt.client)
			var id Identity
			if err == nil {
				id, err = talk(t, tt.a, conn, client)
			}
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || id.Name != tt.user || id.Mechanism != tt.want {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
}

// TestScramDowngrade takes away what the server offers, as somebody between the two would.
func TestScramDowngrade(t *testing.T) {
	u := aliceAndBob(t)
	server, client, _ := connect(t, tls.VersionTLS13, false)
	a := New(append(SCRAM{Keys: u.Keys, SHA1: true}.Mechanisms(), Plain(u.Check))...)
	c := Credentials{Username: "alice", Password: "secret"}
	conn := Conn{TLS: server}
	names := a.Mechanisms(conn)
	if want := []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}; !slices.Equal(names, want) {
		t.Fatalf("offered: %v", names)
	}
	x, err := c.Client([]string{"SCRAM-SHA-256", "PLAIN"}, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, first, _ := x.Start(); !strings.HasPrefix(string(first), "y,,") {
		t.Fatalf("%q", first)
	}
	if _, err := talk(t, a, conn, x); !errors.Is(err, ErrChannelBinding) {
		t.Errorf("-PLUS taken away: %v", err)
	}
	c.Binding = TLSExporter
	if _, err := c.Client([]string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}, client); !errors.Is(err, ErrMechanism) {
		t.Errorf("binding demanded, none offered: %v", err)
	}
	if _, err := c.Client([]string{"SCRAM-SHA-256-PLUS"}, nil); !errors.Is(err, ErrEncryption) {
		t.Errorf("binding without TLS: %v", err)
	}
	// A server without -PLUS takes the very same client.
	bare := New(slices.DeleteFunc(SCRAM{Keys: u.Keys}.Mechanisms(), func(m Mechanism) bool { return isPlus(m.Name) })...)
	c.Binding = ""
	if x, err = c.Client(bare.Mechanisms(conn), client); err != nil {
		t.Fatal(err)
	}
	if id, err := talk(t, bare, conn, x); err != nil || id.Name != "alice" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestScramNeedsTLS(t *testing.T) {
	u := aliceAndBob(t)
	if got := New(SCRAM{Keys: u.Keys}.Mechanisms()...).Mechanisms(Conn{}); got != nil {
		t.Errorf("strict: %v", got)
	}
	relaxed := New(SCRAM{Keys: u.Keys, WithoutTLS: true}.Mechanisms()...)
	if got := relaxed.Mechanisms(Conn{}); !slices.Equal(got, []string{"SCRAM-SHA-256"}) {
		t.Errorf("without TLS: %v", got)
	}
	if _, err := relaxed.Start(t.Context(), Conn{AllowPlaintext: true}, "SCRAM-SHA-256-PLUS"); !errors.Is(err, ErrMechanism) {
		t.Errorf("-PLUS without TLS: %v", err)
	}
	server, _, leaf := connect(t, tls.VersionTLS13, true) // Ed25519: tls-server-end-point is not defined
	if _, err := channelBinding(TLSServerEndPoint, server, leaf); !errors.Is(err, ErrChannelBinding) {
		t.Errorf("Ed25519: %v", err)
	}
	if _, err := channelBinding(TLSExporter, server, nil); err != nil {
		t.Error(err)
	}
}

// TestScramAttacks sends a server what it must refuse; no dialogue ends well.
func TestScramAttacks(t *testing.T) {
	const mechanism = "SCRAM-SHA-256"
	v := vector{hash: crypto.SHA256, server: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt: "W22ZaJ0SNY7soEsUEjb6gQ=="}
	const first, nonce = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	const proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	a := New(v.scram(t).Mechanisms()...)
	for _, tt := range []struct {
		name, first, final string
		err                error
	}{
		{"empty", "", "", ErrMalformed},
		{"unknown flag", "x,,n=user,r=a", "", ErrMalformed},
		{"no header", "n=user,r=a", "", ErrMalformed},
		{"binding without -PLUS", "p=tls-exporter,,n=user,r=a", "", ErrChannelBinding},
		{"binding without a name", "p=,,n=user,r=a", "", ErrMalformed},
		{"bad authorization identity", "n,b=x,n=user,r=a", "", ErrMalformed},
		{"empty authorization identity", "n,a=,n=user,r=a", "", ErrMalformed},
		{"mandatory extension", "n,,m=x,n=user,r=a", "", ErrMalformed},
		{"empty name", "n,,n=,r=a", "", ErrMalformed},
		{"stray =", "n,,n=a=b,r=a", "", ErrMalformed},
		{"no nonce", "n,,n=user", "", ErrMalformed},
		{"empty nonce", "n,,n=user,r=", "", ErrMalformed},
		{"space in the nonce", "n,,n=user,r=a b", "", ErrMalformed},
		{"NUL", "n,,n=us\x00er,r=a", "", ErrMalformed},
		{"not UTF-8", "n,,n=\xff,r=a", "", ErrMalformed},
		{"long", "n,,n=" + strings.Repeat("x", 9000) + ",r=a", "", ErrMalformed},
		{"extension without a value", first + ",x=", "", ErrMalformed},
		{"nonce of the client alone", first, "c=biws,r=rOprNGfwEbeRWgbNEkqO," + proof, ErrCredentials},
		{"replayed with another nonce", "n,,n=user,r=aaaa", "c=biws,r=" + nonce + "," + proof, ErrCredentials},
		{"other header", first, "c=eSws,r=" + nonce + "," + proof, ErrChannelBinding},
		{"proof of another user", "n,,n=carol,r=rOprNGfwEbeRWgbNEkqO", "c=biws,r=" + nonce + "," + proof, ErrCredentials},
		{"no proof", first, "c=biws,r=" + nonce, ErrMalformed},
		{"empty proof", first, "c=biws,r=" + nonce + ",p=", ErrMalformed},
		{"short proof", first, "c=biws,r=" + nonce + ",p=AAAA", ErrMalformed},
		{"zero proof", first, "c=biws,r=" + nonce + ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ErrCredentials},
		{"proof not base64", first, "c=biws,r=" + nonce + ",p=!", ErrMalformed},
		{"proof and more", first, "c=biws,r=" + nonce + "," + proof + ",x=y", ErrMalformed},
		{"extension nobody signed", first, "c=biws,r=" + nonce + ",x=y," + proof, ErrCredentials},
		{"no binding", first, "r=" + nonce + "," + proof, ErrMalformed},
		{"order", first, "r=" + nonce + ",c=biws," + proof, ErrMalformed},
	} {
		e, err := a.Start(t.Context(), Conn{}, mechanism)
		if err != nil {
			t.Fatal(err)
		}
		var done bool
		for _, m := range []string{tt.first, tt.final, ""} {
			if _, done, err = e.Next([]byte(m)); err != nil || done {
				break
			}
		}
		if done || !errors.Is(err, tt.err) {
			t.Errorf("%s: done %v, %v", tt.name, done, err)
		}
		if _, done, err := e.Next([]byte(first)); done || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: goes on: %v %v", tt.name, done, err)
		}
	}
	e, err := a.Start(t.Context(), Conn{}, mechanism)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{first, "c=biws,r=" + nonce + "," + proof} {
		if _, _, err := e.Next([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	if _, done, err := e.Next([]byte("x")); done || !errors.Is(err, ErrMalformed) {
		t.Errorf("the proof is answered by something: %v, %v", done, err)
	}
}

// TestScramHostileServer has servers that a client must not believe.
func TestScramHostileServer(t *testing.T) {
	const own = "rOprNGfwEbeRWgbNEkqO"
	good := "r=" + own + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	count := func(s string) string { return strings.Replace(good, "4096", s, 1) }
	for _, tt := range []struct {
		name, first, final string
		err                error
	}{
		{"few iterations", count("4095"), "", &IterationsError{}},
		{"one iteration", count("1"), "", &IterationsError{}},
		{"many iterations", count("1000001"), "", &IterationsError{}},
		{"very many iterations", count("99999999999999999999"), "", ErrMalformed},
		{"no iterations", count("0"), "", ErrMalformed},
		{"negative iterations", count("-4096"), "", ErrMalformed},
		{"octal", count("04096"), "", ErrMalformed},
		{"nonce of its own", "r=x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "", ErrMalformed},
		{"nonce not continued", "r=" + own + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "", ErrMalformed},
		{"no salt", "r=" + own + "x,s=,i=4096", "", ErrMalformed},
		{"mandatory extension", "m=x," + good, "", ErrMalformed},
		{"empty", "", "", ErrMalformed},
		{"gives up", "e=unknown-user", "", ErrCredentials},
		{"no proof", good, "", ErrMalformed},
		{"wrong proof", good, "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ErrServer},
		{"short proof", good, "v=AAAA", ErrServer},
		{"wrong password", good, "e=invalid-proof", ErrCredentials},
		{"other channel", good, "e=channel-bindings-dont-match", ErrChannelBinding},
	} {
		c, err := ScramClient("SCRAM-SHA-256", Credentials{Username: "user", Password: "pencil"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.(*scramClient).nonce = func() string { return own }
		if _, _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		_, err = c.Next([]byte(tt.first))
		if err == nil {
			_, err = c.Next([]byte(tt.final))
		}
		want := errors.Is(err, tt.err)
		if _, ok := errors.AsType[*IterationsError](tt.err); ok {
			_, want = errors.AsType[*IterationsError](err)
		}
		if !want || Proven(c) == nil {
			t.Errorf("%s: %v, believed: %v", tt.name, err, Proven(c) == nil)
		}
	}
}

// TestScramUnknownUser asks for users that exist and users that do not, twice: nothing tells them apart.
func TestScramUnknownUser(t *testing.T) {
	u := aliceAndBob(t)
	secret := []byte("0123456789abcdef")
	form := regexp.MustCompile(`^r=own[A-Za-z0-9+/]{24},s=([A-Za-z0-9+/]{22}==),i=15000$`)
	salts := map[string]string{}
	for range 2 {
		a := New(SCRAM{Keys: u.Keys, SHA1: true, WithoutTLS: true, Secret: secret}.Mechanisms()...) // as after a restart
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
			for _, user := range []string{"alice", "Alice", "carol", "Carol", "dave"} {
				e, err := a.Start(t.Context(), Conn{}, mechanism)
				if err != nil {
					t.Fatal(err)
				}
				challenge, done, err := e.Next([]byte("n,,n=" + user + ",r=own"))
				m := form.FindSubmatch(challenge)
				if m == nil || done || err != nil {
					t.Fatalf("%s: %q %v %v", user, challenge, done, err)
				}
				key := mechanism + fold(user)
				if old, ok := salts[key]; ok && old != string(m[1]) {
					t.Errorf("%s: the salt changes", user)
				}
				salts[key] = string(m[1])
				nonce, _, _ := strings.Cut(string(challenge[2:]), ",")
				size := map[string]string{"SCRAM-SHA-256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "SCRAM-SHA-1": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}[mechanism]
				if challenge, done, err := e.Next([]byte("c=biws,r=" + nonce + ",p=" + size)); challenge != nil || done || err != ErrCredentials {
					t.Errorf("%s: %q %v %v", user, challenge, done, err)
				}
				if e.Identity().Name != user {
					t.Errorf("%+v", e.Identity())
				}
			}
		}
	}
	if len(salts) != 6 || len(slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, s := range salts {
			if !yield(s) {
				return
			}
		}
	}))) != 6 {
		t.Errorf("salts repeat: %v", salts)
	}
}

func TestScramOurFaults(t *testing.T) {
	down := errors.New("directory is down")
	for name, find := range map[string]KeyFinder{
		"down":    func(context.Context, string, crypto.Hash) (Keys, error) { return Keys{}, down },
		"no keys": func(context.Context, string, crypto.Hash) (Keys, error) { return Keys{}, nil },
		"few": func(context.Context, string, crypto.Hash) (Keys, error) {
			return Keys{Name: "alice", Hash: crypto.SHA256, Salt: []byte{1}, Iterations: 1}, nil
		},
		"short key": func(context.Context, string, crypto.Hash) (Keys, error) {
			return Keys{Name: "alice", Hash: crypto.SHA256, Salt: []byte{1}, Iterations: 4096}, nil
		},
	} {
		e, err := New(SCRAM{Keys: find, WithoutTLS: true}.Mechanisms()...).Start(t.Context(), Conn{}, "SCRAM-SHA-256")
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := e.Next([]byte("n,,n=alice,r=x")); done || err == nil || errors.Is(err, ErrCredentials) || errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v %v", name, done, err)
		}
	}
}

func TestKeysText(t *testing.T) {
	u := NewUsers()
	k, err := DeriveKeys(crypto.SHA256, "pencil", []byte("salt"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	k.Name = "user"
	text, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	back := Keys{Name: "user"}
	if err := back.UnmarshalText(text); err != nil || !slices.Equal(back.StoredKey, k.StoredKey) || !slices.Equal(back.ServerKey, k.ServerKey) || back.Iterations != 4096 {
		t.Fatalf("%s: %+v, %v", text, back, err)
	}
	if err := u.SetKeys(back); err != nil {
		t.Fatal(err)
	}
	if name, err := u.Check(t.Context(), "USER", "pencil"); name != "user" || err != nil {
		t.Error(name, err)
	}
	if _, err := u.Check(t.Context(), "user", "Pencil"); !errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	if _, err := u.Keys(t.Context(), "user", crypto.SHA1); !errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	for _, bad := range []string{"", "SCRAM-SHA-256$4096:c2FsdA==", "SCRAM-SHA-512$" + string(text[14:]), string(text) + "$", strings.Replace(string(text), "4096", "4095", 1),
		strings.Replace(string(text), "c2FsdA==", "", 1), string(text[:len(text)-4]), strings.Replace(string(text), "4096", "+4096", 1)} {
		if err := new(Keys).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, h := range []crypto.Hash{crypto.SHA512, 0, 99} {
		if _, err := DeriveKeys(h, "pencil", []byte("salt"), 4096); err == nil {
			t.Errorf("%d", h)
		}
	}
}

func FuzzScram(f *testing.F) {
	v := vector{hash: crypto.SHA256, server: "S", salt: "W22ZaJ0SNY7soEsUEjb6gQ=="}
	f.Add("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "c=biws,r=rOprNGfwEbeRWgbNEkqOS,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	f.Add("p=tls-exporter,a=a=2Cb,n=a=3Db,r=x,y=z", "c=cA==,r=xS,z=a,p=AAAA")
	f.Add("r=CS,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
	salt := []byte("0123456789abcdef")
	k := Keys{Name: "user", Hash: v.hash, Salt: salt, Iterations: 4096, StoredKey: make([]byte, 32), ServerKey: make([]byte, 32)}
	find := func(context.Context, string, crypto.Hash) (Keys, error) { return k, nil }
	a := New(SCRAM{Keys: find, WithoutTLS: true, nonce: func() string { return "S" }}.Mechanisms()...)
	f.Fuzz(func(t *testing.T, one, two string) {
		e, err := a.Start(t.Context(), Conn{}, "SCRAM-SHA-256")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{one, two, ""} {
			if _, done, err := e.Next([]byte(m)); done {
				t.Fatalf("%q %q: nobody knows that key", one, two)
			} else if err != nil {
				break
			}
		}
		if m, err := parseClientFirst(one); err == nil && (m.header+m.bare != one || m.user == "" || m.nonce == "") {
			t.Fatalf("%q: %+v", one, m)
		}
		if n := strings.Count(one, "i=") + strings.Count(two, "i="); n > 2 || strings.Contains(one, "i=1") {
			return // PBKDF2 takes its time
		}
		c := &scramClient{mechanism: "SCRAM-SHA-256", hash: crypto.SHA256, c: Credentials{Username: "user", Password: "pencil"}, header: "n,,", nonce: func() string { return "C" }}
		if _, _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next([]byte(one)); err == nil {
			if _, err := c.Next([]byte(two)); err == nil && !c.proven() {
				t.Fatal("no proof")
			}
		} else if c.proven() {
			t.Fatal("proven by an error")
		}
		var keys Keys
		if keys.UnmarshalText([]byte(one)) == nil {
			if text, err := keys.MarshalText(); err != nil || string(text) != one {
				t.Fatalf("%q: %q, %v", one, text, err)
			}
		}
	})
}

func BenchmarkScramServer(b *testing.B) {
	v := vector{hash: crypto.SHA256, server: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt: "W22ZaJ0SNY7soEsUEjb6gQ=="}
	s := v.scram(&testing.T{})
	a := New(s.Mechanisms()...)
	first := []byte("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	final := []byte("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	b.ReportAllocs()
	for b.Loop() {
		e, err := a.Start(context.Background(), Conn{}, "SCRAM-SHA-256")
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range [][]byte{first, final} {
			if _, _, err := e.Next(m); err != nil {
				b.Fatal(err)
			}
		}
	}
}
