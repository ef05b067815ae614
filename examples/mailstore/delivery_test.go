package mailstore

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp"
)

func deliver(t *testing.T, s *Store, from smtp.Path, body io.Reader, to ...smtp.Path) (smtp.Results, error) {
	t.Helper()
	e := smtp.Envelope{From: from}
	for _, p := range to {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: p})
	}
	return smtp.Deliver(t.Context(), s, e, body)
}

func TestDelivery(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		alice, bob := user(t, s, "alice@example.com"), user(t, s, "Bob")
		body := letter("1", "hi", "text\r\n")
		res, err := deliver(t, s, smtp.Path{Local: "carol", Domain: "example.org"}, iotest.OneByteReader(strings.NewReader(body)),
			smtp.Path{Local: "alice", Domain: "example.com"},
			smtp.Path{Local: "alice", Domain: "example.net"},
			smtp.Path{Local: "bob", Domain: "example.com"},
			smtp.Path{Local: "BOB", Domain: "example.net"},
			smtp.Path{Local: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5", "250 2.1.5"}
		for i, r := range res {
			if !strings.HasPrefix(r.Reply.String(), want[i]) {
				t.Errorf("recipient %d: %s", i, r.Reply)
			}
		}
		if got := read(t, box(t, alice, "INBOX"), 1); got != "Return-Path: <carol@example.org>\r\n"+body {
			t.Errorf("got %q", got)
		}
		if st := status(t, box(t, bob, "INBOX")); st.Messages != 1 {
			t.Errorf("bob has %d copies", st.Messages)
		}
	})
}

// TestClasses: what the policy has decided is obeyed; what it does not say goes to INBOX.
func TestClasses(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		bob := user(t, s, "bob")
		send := func(fields string) {
			t.Helper()
			res, err := deliver(t, s, smtp.Path{}, strings.NewReader(fields+letter(fields, "hi", "text\r\n")), smtp.Path{Local: "bob"})
			if err != nil || !res[0].Reply.OK() {
				t.Fatal(res, err)
			}
		}
		const name = "Mailbricks-Decision: "
		for _, fields := range []string{"", name + "class=trusted; channel=x\r\n", name + "class=open\r\n", name + "class=best\r\n", "X" + name + "class=request\r\n",
			"Subject: x\r\n\tMailbricks-Decision: class=request\r\n", name + "class=open\r\n" + name + "class=request\r\n"} {
			send(fields)
		}
		if st := status(t, box(t, bob, "INBOX")); st.Messages != 7 {
			t.Errorf("%d messages in INBOX", st.Messages)
		}
		if _, err := bob.Store.OpenMailbox(t.Context(), RequestsMailbox); !errors.Is(err, imap.ErrNonexistent) {
			t.Errorf("a mailbox for requests without any: %v", err)
		}
		send(name + "class=request; postage=20\r\n")
		send("MAILBRICKS-Decision:class=request\r\n")
		send(name + "class=quarantine\r\n")
		if err := bob.Editor.Rename(t.Context(), "Junk", "Dubious"); err != nil {
			t.Fatal(err)
		}
		send(name + "class=quarantine\r\n")
		for name, want := range map[string]int{"INBOX": 7, RequestsMailbox: 2, "Dubious": 2} {
			if st := status(t, box(t, bob, name)); st.Messages != want {
				t.Errorf("%s: %d messages, want %d", name, st.Messages, want)
			}
		}
	})
}

func TestReturnPath(t *testing.T) {
	for in, want := range map[string]string{
		"Subject: x\r\n\r\nbody\r\n":                                      "Subject: x\r\n\r\nbody\r\n",
		"Return-Path: <a@b>\r\nSubject: x\r\n\r\nReturn-Path: <c@d>\r\n":  "Subject: x\r\n\r\nReturn-Path: <c@d>\r\n",
		"Subject: x\r\nRETURN-path :\r\n <a@b>\r\n\t(c)\r\nTo: y\r\n\r\n": "Subject: x\r\nTo: y\r\n\r\n",
		"Subject: x\r\n\tReturn-Path: <a@b>\r\n\r\n":                      "Subject: x\r\n\tReturn-Path: <a@b>\r\n\r\n",
		"Return-Path-2: x\r\n\r\n":                                        "Return-Path-2: x\r\n\r\n",
		"":                                                                "",
		"\r\n":                                                            "\r\n",
		"no header at all":                                                "no header at all",
		"Return-Path: <a@b>":                                              "",
		"X: " + strings.Repeat("y", 9000):                                 "X: " + strings.Repeat("y", 9000),
		"Return-Path: " + strings.Repeat("y", 9000) + "\r\nA: b\r\n\r\nz": "A: b\r\n\r\nz",
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			var b strings.Builder
			if _, err := deliverable(&b, r, smtp.Path{}); err != nil || b.String() != "Return-Path: <>\r\n"+want {
				t.Errorf("%.60q: got %.60q, %v", in, b.String(), err)
			}
		}
	}
	broken := errors.New("connection lost")
	for _, in := range []string{"Subject: half", "Subject: x\r\n", "Subject: x\r\n\r\nbody"} {
		if _, err := deliverable(io.Discard, io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), smtp.Path{}); !errors.Is(err, broken) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestDeliveryRefusals(t *testing.T) {
	s := openDir(t, t.TempDir(), Options{MaxMessage: 1000})
	a := user(t, s, "alice")
	to := smtp.Path{Local: "alice", Domain: "example.com"}
	if _, err := s.Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{Size: 1001}); smtp.ReplyOf(err).Code != 552 {
		t.Errorf("declared size: %v", err)
	}
	broken := errors.New("connection lost")
	for want, body := range map[string]io.Reader{
		"552 5.3.4": strings.NewReader(strings.Repeat("x", 1001)),
		"451 4.3.0": io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)),
	} {
		res, err := deliver(t, s, smtp.Path{}, body, to)
		if err != nil || !strings.HasPrefix(res[0].Reply.String(), want) {
			t.Errorf("%v %v, want %s", res, err, want)
		}
	}
	if st := status(t, box(t, a, "INBOX")); st.Messages != 0 || count(t, s, "blob") != 0 {
		t.Errorf("%+v", st)
	}
}
