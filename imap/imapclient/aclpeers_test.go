package imapclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestSharing has two users of the family's own server share a mailbox, and two of Dovecot's.
func TestSharing(t *testing.T) {
	connect := func(t *testing.T, addr, user, password string, roots *x509.CertPool) *Client {
		t.Helper()
		c, err := Dial(t.Context(), addr, Options{TLSConfig: &tls.Config{RootCAs: roots}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.Authenticate(t.Context(), sasl.Credentials{Username: user, Password: password}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("imapserver", func(t *testing.T) {
		addr, roots := serveMemory(t), clientTLS(t).RootCAs
		testSharing(t, connect(t, addr, "alice", "secret", roots), func() *Client { return connect(t, addr, "bob", "secret", roots) })
	})
	t.Run("Dovecot", func(t *testing.T) {
		d := suites.DovecotSharing(t)
		testSharing(t, connect(t, d.IMAP, "alice", d.Password, d.Roots), func() *Client { return connect(t, d.IMAP, d.User, d.Password, d.Roots) })
	})
}

// testSharing has alice give bob one right after the other to a mailbox of hers.
func testSharing(t *testing.T, alice *Client, dial func() *Client) {
	ctx, bob := t.Context(), dial()
	const name, shared = "Projects", "Other Users/alice/Projects"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error, code imap.Code) {
		t.Helper()
		if !errors.Is(err, &imap.Status{Type: imap.StatusNo, Code: code}) {
			t.Errorf("got %v, want NO [%s]", err, code)
		}
	}
	names, err := bob.Namespaces(ctx)
	must(err)
	if want := (imap.Namespaces{Personal: []imap.Namespace{{Delim: '/'}}, Others: []imap.Namespace{{Prefix: "Other Users/", Delim: '/'}}}); !reflect.DeepEqual(names, want) {
		t.Errorf("namespaces %+v, want %+v", names, want)
	}
	rights := func(op imap.RightsOp, letters string) {
		t.Helper()
		r, err := imap.ParseRights(letters)
		must(err)
		must(alice.SetACL(ctx, name, "bob", imap.RightsChange{Op: op, Rights: r}))
	}
	has := func(want string) {
		t.Helper()
		r, err := bob.MyRights(ctx, shared)
		must(err)
		if r.String() != want {
			t.Errorf("bob has %s, want %s", r, want)
		}
	}
	text := "Subject: x\r\n\r\nx\r\n"
	message := func() imap.AppendMessage {
		return imap.AppendMessage{Flags: []imap.Flag{imap.FlagSeen, imap.FlagFlagged, imap.FlagDeleted}, Size: int64(len(text)), Body: strings.NewReader(text)}
	}
	must(alice.Create(ctx, name, imap.CreateOptions{}))
	_, err = alice.Append(ctx, name, imap.AppendMessage{Size: int64(len(text)), Body: strings.NewReader(text)})
	must(err)
	if r, err := alice.MyRights(ctx, name); err != nil || r != imap.AllRights {
		t.Errorf("alice has %s, %v", r, err)
	}
	_, err = bob.MyRights(ctx, shared)
	refused(err, imap.CodeNonexistent)
	_, err = bob.Select(ctx, shared)
	refused(err, "") // Dovecot has no code here

	rights(imap.RightsSet, "lr")
	has("lr")
	list, err := alice.ACL(ctx, name)
	must(err)
	found := false
	for _, e := range list {
		found = found || e.Identifier == "bob" && e.Rights.String() == "lr"
	}
	if !found {
		t.Errorf("list %+v", list)
	}
	g, err := alice.GrantableRights(ctx, name, "bob")
	must(err)
	all := g.Required
	for _, r := range g.Optional {
		all |= r
	}
	if !all.Has(imap.AllRights) {
		t.Errorf("grantable %+v", g)
	}
	listed, err := dial().ListRights(ctx, "Other Users/*") // Dovecot lists what was shared before the login
	must(err)
	found = false
	for _, l := range listed {
		found = found || l.Name == shared && l.Rights.String() == "lr"
	}
	if !found {
		t.Errorf("listed %+v", listed)
	}
	_, err = bob.ACL(ctx, shared)
	refused(err, imap.CodeNoPerm)
	refused(bob.SetACL(ctx, shared, "bob", imap.RightsChange{Rights: imap.AllRights}), imap.CodeNoPerm)
	_, err = bob.Append(ctx, shared, message())
	refused(err, imap.CodeNoPerm)
	refused(bob.Create(ctx, shared+"/below", imap.CreateOptions{}), imap.CodeNoPerm)
	refused(bob.Delete(ctx, shared), imap.CodeNoPerm)
	s, err := bob.Select(ctx, shared)
	must(err)
	if s.Messages != 1 || !s.ReadOnly || len(s.PermanentFlags) > 0 {
		t.Errorf("selected %+v", s)
	}
	must(bob.Unselect(ctx))

	rights(imap.RightsAdd, "iw")
	has("lrwi")
	_, err = bob.Append(ctx, shared, message())
	must(err)
	s, err = bob.Select(ctx, shared)
	must(err)
	if s.Messages != 2 || s.ReadOnly {
		t.Errorf("selected %+v", s)
	}
	for m, err := range bob.Fetch(ctx, imap.UIDs(2), imap.FieldFlags) {
		must(err)
		if slices.Contains(m.Flags, imap.FlagSeen) || slices.Contains(m.Flags, imap.FlagDeleted) || !slices.Contains(m.Flags, imap.FlagFlagged) {
			t.Errorf("flags %v", m.Flags)
		}
	}
	rights(imap.RightsAdd, "te")
	must(bob.Unselect(ctx))
	_, err = bob.Select(ctx, shared)
	must(err)
	_, err = bob.Store(ctx, imap.UIDs(2), imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, imap.NoUnchangedSince)
	must(err)
	must(bob.Expunge(ctx, imap.AllUIDs()))
	must(bob.Unselect(ctx))
	if st, err := alice.Status(ctx, name); err != nil || st.Messages != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	rights(imap.RightsRemove, "lrwite")
	_, err = bob.Select(ctx, shared)
	refused(err, "") // Dovecot has no code here
	must(alice.DeleteACL(ctx, name, "bob"))
}

// TestNamespaces has servers that answer NAMESPACE (RFC 2342) well, badly and not at all.
func TestNamespaces(t *testing.T) {
	c := connect(t, plain, "NAMESPACE", `
		C: a2 NAMESPACE
		S: * NAMESPACE (("INBOX." ".")) NIL (("&AOQ-rger." "." "X-P" ("a" "b")))
		S: a2 OK done
		C: a3 NAMESPACE
		S: * NAMESPACE (("" "/"
		S: a3 OK done
		C: a4 NAMESPACE
		S: a4 OK done
		C: a5 NAMESPACE
		S: a5 NO no
	`)
	n, err := c.Namespaces(t.Context())
	if want := (imap.Namespaces{Personal: []imap.Namespace{{Prefix: "INBOX.", Delim: '.'}}, Shared: []imap.Namespace{{Prefix: "ärger.", Delim: '.'}}}); err != nil || !reflect.DeepEqual(n, want) {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := c.Namespaces(t.Context()); !isA[*imap.SyntaxError](err) {
		t.Errorf("half an answer: %v", err)
	}
	if _, err := c.Namespaces(t.Context()); !isA[*ProtocolError](err) {
		t.Errorf("no answer: %v", err)
	}
	if _, err := c.Namespaces(t.Context()); !isA[*Error](err) {
		t.Errorf("NO: %v", err)
	}
	if _, err := connect(t, plain, "IDLE", "").Namespaces(t.Context()); err != ErrUnsupported {
		t.Errorf("%v", err)
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
