package sasl

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gosasl "github.com/emersion/go-sasl"
)

// only is a PasswordChecker that knows alice.
func only(_ context.Context, user, pass string) (string, error) {
	if fold(user) == "alice" && pass == "secret" {
		return "alice", nil
	}
	return "", ErrCredentials
}

func TestPlaintextNeedsTLS(t *testing.T) {
	a := New(Plain(only), LoginMechanism(only), Mechanism{Name: "EXTERNAL", Start: func(context.Context, Conn) (Exchange, error) { return nil, ErrMalformed }})
	if got := a.Mechanisms(Conn{}); !slices.Equal(got, []string{"EXTERNAL"}) {
		t.Errorf("without TLS: %v", got)
	}
	if got := a.Mechanisms(Conn{TLS: &tls.ConnectionState{}}); !slices.Equal(got, []string{"PLAIN", "LOGIN", "EXTERNAL"}) {
		t.Errorf("with TLS: %v", got)
	}
	for name, want := range map[string]error{"PLAIN": ErrEncryption, "EXTERNAL": ErrMalformed, "X": ErrMechanism, "plain": ErrMechanism} {
		if _, err := a.Start(t.Context(), Conn{}, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogin(t *testing.T) {
	a := New(Plain(only))
	for _, tt := range []struct {
		c          Conn
		user, pass string
		want       Identity
		err        error
	}{
		{plaintext, "alice", "secret", Identity{Name: "alice", Mechanism: "PLAIN"}, nil},
		{plaintext, "ALICE", "secret", Identity{Name: "alice", Authenticated: "ALICE", Mechanism: "PLAIN"}, nil},
		{plaintext, "alice", "wrong", Identity{}, ErrCredentials},
		{plaintext, "", "secret", Identity{}, ErrCredentials},
		{plaintext, "alice", "", Identity{}, ErrCredentials},
		{plaintext, "alice\x00alice", "secret", Identity{}, ErrMalformed},
		{plaintext, "alice", "secret\x00", Identity{}, ErrMalformed},
		{Conn{}, "alice", "secret", Identity{}, ErrEncryption},
	} {
		got, err := Login(t.Context(), a, tt.c, tt.user, tt.pass)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%q %q: %+v, %v", tt.user, tt.pass, got, err)
		}
	}
	if _, err := Login(t.Context(), New(), plaintext, "alice", "secret"); !errors.Is(err, ErrMechanism) {
		t.Error(err)
	}
}

// run lets a client authenticate against a.
func run(t *testing.T, a Authenticator, c gosasl.Client) (Identity, error) {
	t.Helper()
	mechanism, response, err := c.Start()
	if err != nil {
		return Identity{}, err
	}
	e, err := a.Start(t.Context(), plaintext, mechanism)
	if err != nil {
		return Identity{}, err
	}
	for range 5 {
		challenge, done, err := e.Next(response)
		if err != nil {
			return Identity{}, err
		}
		if done {
			return e.Identity(), nil
		}
		if response, err = c.Next(challenge); err != nil {
			return Identity{}, err
		}
	}
	t.Fatal("no end")
	return Identity{}, nil
}

func TestClientAgainstServer(t *testing.T) {
	token := func(_ context.Context, user, tok string) (string, error) {
		if user == "a,b=c" && tok == "t0ken" {
			return "alice", nil
		}
		return "", ErrCredentials
	}
	for _, tt := range []struct {
		name    string
		offered []string
		c       Credentials
		state   *tls.ConnectionState
		want    string // mechanism
		err     error
	}{
		{"plain", []string{"LOGIN", "plain"}, Credentials{Username: "alice", Password: "secret"}, &tls.ConnectionState{}, "PLAIN", nil},
		{"login", []string{"LOGIN"}, Credentials{Username: "alice", Password: "secret", AllowPlaintext: true}, nil, "LOGIN", nil},
		{"bearer", []string{"PLAIN", "OAUTHBEARER"}, Credentials{Username: "a,b=c", Token: "t0ken", Host: "x", Port: 587}, &tls.ConnectionState{}, "OAUTHBEARER", nil},
		{"no TLS", []string{"PLAIN"}, Credentials{Username: "alice", Password: "secret"}, nil, "", ErrEncryption},
		{"nothing fits", []string{"GSSAPI"}, Credentials{Username: "alice", Password: "secret"}, &tls.ConnectionState{}, "", ErrMechanism},
		{"wrong password", []string{"PLAIN"}, Credentials{Username: "alice", Password: "x"}, &tls.ConnectionState{}, "", ErrCredentials},
		{"wrong password by LOGIN", []string{"LOGIN"}, Credentials{Username: "alice", Password: "x"}, &tls.ConnectionState{}, "", ErrCredentials},
		{"wrong token", []string{"OAUTHBEARER"}, Credentials{Token: "x"}, &tls.ConnectionState{}, "", ErrCredentials},
		{"NUL", []string{"PLAIN"}, Credentials{Username: "alice\x00x", Password: "x"}, &tls.ConnectionState{}, "", ErrMalformed},
		{"acting as another", []string{"PLAIN"}, Credentials{Username: "alice", Identity: "bob", Password: "secret"}, &tls.ConnectionState{}, "", ErrCredentials},
	} {
		a := New(Bearer(token), Plain(only), LoginMechanism(only))
		client, err := tt.c.Client(tt.offered, tt.state)
		var id Identity
		if err == nil {
			id, err = run(t, a, client)
		}
		if !errors.Is(err, tt.err) || err == nil && (id.Mechanism != tt.want || id.Name != "alice") {
			t.Errorf("%s: %+v, %v", tt.name, id, err)
		}
	}
	for _, c := range []gosasl.Client{PlainClient(Credentials{}), LoginClient(Credentials{})} {
		_, _, _ = c.Start()
		var err error
		for range 3 {
			_, err = c.Next(nil)
		}
		if err == nil {
			t.Errorf("%T answers endless challenges", c)
		}
	}
}

func TestLoginMechanism(t *testing.T) {
	a := New(LoginMechanism(only))
	for _, tt := range []struct {
		responses [][]byte
		err       error
	}{
		{[][]byte{nil, []byte("alice"), []byte("secret")}, nil},
		{[][]byte{[]byte("alice"), []byte("secret")}, nil}, // initial response
		{[][]byte{nil, []byte("alice"), []byte("x")}, ErrCredentials},
		{[][]byte{nil, {}}, ErrMalformed},
		{[][]byte{nil, []byte("alice"), {}}, ErrMalformed},
		{[][]byte{nil, []byte("a\x00b")}, ErrMalformed},
		{[][]byte{nil, []byte("alice"), nil}, ErrMalformed},
	} {
		e, err := a.Start(t.Context(), plaintext, "LOGIN")
		if err != nil {
			t.Fatal(err)
		}
		var done bool
		for _, r := range tt.responses {
			if _, done, err = e.Next(r); err != nil {
				break
			}
		}
		if !errors.Is(err, tt.err) || done != (tt.err == nil) {
			t.Errorf("%q: %v, %v", tt.responses, done, err)
		}
	}
}

func TestUsers(t *testing.T) {
	u := NewUsers()
	for name, pass := range map[string]string{"Alice@example.com": "pa\u00a0ss\u0041\u030a", "bob": "x"} { // no-break space; A with a combining ring
		if err := u.Set(name, pass); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range [][2]string{{"", "x"}, {"x", ""}, {"x", "a\x00b"}, {"x", "a\nb"}} {
		if u.Set(bad[0], bad[1]) == nil {
			t.Errorf("Set(%q)", bad)
		}
	}
	for _, tt := range []struct{ user, pass, name string }{
		{"Alice@example.com", "pa ss\u00c5", "Alice@example.com"}, // RFC 8265 §4.2.2
		{"aLICE@EXAMPLE.com", "pa ss\u00c5", "Alice@example.com"},
		{"bob", "x", "bob"}, {"bob", "X", ""}, {"bob", "", ""}, {"", "", ""}, {"carol", "x", ""}, {"bob", "\x00", ""},
	} {
		name, err := u.Check(t.Context(), tt.user, tt.pass)
		if name != tt.name || (err == nil) != (tt.name != "") || err != nil && !errors.Is(err, ErrCredentials) {
			t.Errorf("%q %q: %q, %v", tt.user, tt.pass, name, err)
		}
	}
	u.Delete("BOB")
	if _, err := u.Check(t.Context(), "bob", "x"); err == nil {
		t.Error("bob is still there")
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limiter{Authenticator: New(Plain(only)), PerAddress: 3, PerIdentity: 5, Window: time.Minute, Delay: time.Second}
		from := func(addr string) Conn { return Conn{AllowPlaintext: true, Remote: netip.MustParseAddr(addr)} }
		try := func(addr, user, pass string) error {
			_, err := Login(t.Context(), l, from(addr), user, pass)
			return err
		}
		want := func(got, want error) {
			t.Helper()
			if !errors.Is(got, want) || (got == nil) != (want == nil) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		for i, delay := range []time.Duration{1, 2, 4} {
			start := time.Now()
			want(try("2001:db8::"+strconv.Itoa(i+1), "bob"+strconv.Itoa(i), "x"), ErrCredentials)
			if got := time.Since(start); got != delay*time.Second {
				t.Errorf("failure %d waits %v", i+1, got)
			}
		}
		want(try("2001:db8::9", "alice", "secret"), ErrLocked) // same /64
		want(try("2001:db8:1::1", "alice", "secret"), nil)
		time.Sleep(time.Minute + time.Second)
		want(try("2001:db8::9", "alice", "secret"), nil)

		for i := range 5 {
			want(try("192.0.2."+strconv.Itoa(i), "alice", "x"), ErrCredentials)
		}
		want(try("198.51.100.1", "Alice", "secret"), ErrLocked)
		want(try("198.51.100.1", "alice", "x"), ErrLocked) // right or wrong: the same answer
		if got := l.Mechanisms(from("192.0.2.1")); len(got) != 1 {
			t.Error(got)
		}
		time.Sleep(time.Minute + time.Second)
		want(try("198.51.100.2", "alice", "secret"), nil)
	})
}

func TestLimiterDoesNotCountOurFaults(t *testing.T) {
	down := errors.New("directory is down")
	l := &Limiter{Authenticator: New(Plain(func(context.Context, string, string) (string, error) { return "", down })), PerAddress: 1}
	c := Conn{AllowPlaintext: true, Remote: netip.MustParseAddr("192.0.2.1")}
	for range 3 {
		if _, err := Login(t.Context(), l, c, "alice", "secret"); !errors.Is(err, down) {
			t.Fatal(err)
		}
	}
}

func TestLimiterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limiter{Authenticator: New(Plain(only)), MaxEntries: 50, Delay: time.Nanosecond}
		for i := range 500 {
			c := Conn{AllowPlaintext: true, Remote: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
			if _, err := Login(t.Context(), l, c, "user"+strconv.Itoa(i), strings.Repeat("x", 10)); !errors.Is(err, ErrCredentials) {
				t.Fatal(err)
			}
		}
		if len(l.m) > 50 {
			t.Fatalf("%d entries", len(l.m))
		}
	})
}

func TestLimiterWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limiter{Authenticator: New(Plain(only)), Delay: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := Login(ctx, l, plaintext, "alice", "x"); !errors.Is(err, ErrCredentials) || time.Since(start) != time.Second {
			t.Fatal(err, time.Since(start))
		}
	})
}

func FuzzExchanges(f *testing.F) {
	f.Add([]byte("\x00alice\x00secret"), []byte("x"))
	f.Add([]byte("n,a=a=2Cb,\x01auth=Bearer t\x01\x01"), []byte{1})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		never := func(context.Context, string, string) (string, error) { return "", ErrCredentials }
		refuse := func(context.Context, Conn, string) (string, error) { return "", ErrCredentials }
		a := New(Plain(never), LoginMechanism(never), Bearer(never), XOAuth2(never), Anonymous(refuse))
		for _, m := range a.Mechanisms(plaintext) {
			e, err := a.Start(t.Context(), plaintext, m)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range [][]byte{one, two, one} {
				if _, done, err := e.Next(r); done {
					t.Fatalf("%s: done with %q %q, %v", m, one, two, err)
				}
			}
		}
	})
}
