package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A slowHop is a next host that does each step when it is let: it tells of MAIL by began, and of a whole message by took.
type slowHop struct {
	began chan smtp.MailParams
	begin chan struct{}
	took  chan string
	reply chan struct{}
}

func newSlowHop() *slowHop {
	return &slowHop{make(chan smtp.MailParams, 10), make(chan struct{}, 10), make(chan string, 10), make(chan struct{}, 10)}
}

// Mail is smtp.Handler's.
func (h *slowHop) Mail(_ context.Context, _ *smtp.Peer, _ smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	h.began <- p
	<-h.begin
	return slowMail{h}, nil
}

type slowMail struct{ *slowHop }

func (slowMail) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error { return nil }
func (slowMail) Close() error                                           { return nil }

func (h slowMail) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	h.took <- string(b)
	<-h.reply
	return smtp.SameResult(1, smtp.Reply{Code: 250, Enhanced: smtp.EnhancedCode{2, 0, 0}, Lines: []string{"Taken"}}), nil
}

// A killedSender is a user who sends over JMAP from a store in a process of its own.
type killedSender struct {
	*testing.T
	ctx     context.Context
	hop     *slowHop
	store   *clitest.Process
	client  *jmapclient.Client
	account jmap.ID
	draft   jmap.ID
}

func newKilledSender(t *testing.T, bin string) *killedSender {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s := &killedSender{T: t, ctx: ctx, hop: newSlowHop()}
	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: s.hop, Hostname: "next.example"}, false)
	t.Cleanup(func() { close(s.hop.begin); close(s.hop.reply) })
	s.store = clitest.Spawn(t, bin, "-data", t.TempDir(), "-user", "alice@example.com:secret", "-jmap", "127.0.0.1:0", "-allow-plaintext-auth", "-submit", "smtp://"+addr)
	s.client = &jmapclient.Client{URL: "http://" + s.store.Addr("jmap"), Auth: jmapclient.Basic("alice@example.com", "secret")}
	var err error
	if s.account, err = s.client.Account(ctx, jmap.CapabilityMail); err != nil {
		t.Fatal(err)
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](ctx, s.client, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: s.account})
	if err != nil {
		t.Fatal(err)
	}
	made, err := jmapclient.Do[jmap.SetResponse[mail.Email]](ctx, s.client, jmap.CapabilityMail, "Email/set", jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: s.account,
		Create: map[jmap.ID]mail.Email{"d": {MailboxIDs: map[jmap.ID]bool{boxes.List[0].ID: true}, From: []mail.Address{{Email: "alice@example.com"}}, To: []mail.Address{{Email: "bob@b.example"}},
			TextBody: []mail.BodyPart{{PartID: "1"}}, BodyValues: map[string]mail.BodyValue{"1": {Value: "hello"}}}}})
	if err != nil || made.Created["d"].ID == "" {
		t.Fatal(made, err)
	}
	s.draft = made.Created["d"].ID
	return s
}

// submit submits the draft, to be held so many seconds.
func (s *killedSender) submit(hold string) (mail.EmailSubmission, error) {
	from := mail.EnvelopeAddress{Email: "alice@example.com"}
	if hold != "" {
		from.Parameters = map[string]*string{"HOLDFOR": &hold}
	}
	out, err := jmapclient.Do[jmap.SetResponse[mail.EmailSubmission]](s.ctx, s.client, jmap.CapabilitySubmission, "EmailSubmission/set",
		jmap.SetRequest[mail.EmailSubmission, jmap.Patch, mail.EmailSubmissionSetArgs]{AccountID: s.account, Create: map[jmap.ID]mail.EmailSubmission{"s": {IdentityID: "I1", EmailID: s.draft,
			Envelope: &mail.Envelope{MailFrom: from, RcptTo: []mail.EnvelopeAddress{{Email: "bob@b.example"}}}}}})
	if err != nil {
		return mail.EmailSubmission{}, err
	}
	return out.Created["s"], nil
}

// begun waits until a submission is handed over, and returns its ENVID.
func (s *killedSender) begun() string {
	s.Helper()
	select {
	case p := <-s.hop.began:
		return p.EnvelopeID
	case <-s.ctx.Done():
		s.Fatal("nothing is handed over")
		return ""
	}
}

// taken lets a submission through, up to the reply, and returns its Message-ID.
func (s *killedSender) taken() string {
	s.Helper()
	s.hop.begin <- struct{}{}
	select {
	case text := <-s.hop.took:
		_, rest, ok := strings.Cut(text, "\r\nMessage-ID: ")
		if !ok {
			s.Fatalf("no Message-ID: %s", text)
		}
		id, _, _ := strings.Cut(rest, "\r\n")
		return id
	case <-s.ctx.Done():
		s.Fatal("nothing comes")
		return ""
	}
}

// final replies to the one that is handed over and waits until its submission says so.
func (s *killedSender) final(envid string) {
	s.Helper()
	for change, err := range s.client.Events(s.ctx, "EmailSubmission") {
		if err != nil {
			s.Fatal(err)
		}
		if change.Changed == nil { // from now on nothing is missed
			s.hop.reply <- struct{}{}
			continue
		}
		got, err := jmapclient.Do[jmap.GetResponse[mail.EmailSubmission]](s.ctx, s.client, jmap.CapabilitySubmission, "EmailSubmission/get", jmap.GetRequest[jmap.NoArgs]{AccountID: s.account})
		if err != nil || len(got.List) != 1 || string(got.List[0].ID) != envid {
			s.Fatalf("%+v, %v; ENVID %s", got, err, envid)
		}
		if x := got.List[0]; x.UndoStatus == mail.UndoFinal && x.DeliveryStatus["bob@b.example"].SMTPReply == "250 2.0.0 Taken" {
			break
		}
	}
	if s.ctx.Err() != nil {
		s.Fatal("what came of it is not kept")
	}
}

// over checks that nothing more is sent, not even by a process that starts anew.
func (s *killedSender) over() {
	s.Helper()
	s.store.Terminate()
	s.store.Start()
	s.store.Terminate()
	if n := len(s.hop.began) + len(s.hop.took); n > 0 {
		s.Errorf("it is sent %d times more", n)
	}
}

// TestKillBeforeSending kills the store with SIGKILL after a submission is kept, while it is held or the next host has yet to take
// the first octet: it is sent once.
func TestKillBeforeSending(t *testing.T) {
	bin := clitest.Build(t, ".")
	t.Run("held", func(t *testing.T) {
		s := newKilledSender(t, bin)
		made, err := s.submit("1")
		if err != nil || made.ID == "" {
			t.Fatal(made, err)
		}
		s.store.Kill()
		s.store.Start()
		envid := s.begun()
		s.taken()
		s.final(envid)
		s.over()
		if envid != string(made.ID) {
			t.Errorf("sent as %s, not %s", envid, made.ID)
		}
	})
	t.Run("handed over", func(t *testing.T) {
		s := newKilledSender(t, bin)
		lost := make(chan error, 1)
		go func() { _, err := s.submit(""); lost <- err }()
		first := s.begun()
		s.store.Kill()
		if err := <-lost; err == nil {
			t.Error("the client has an answer")
		}
		s.hop.begin <- struct{}{} // to a connection that has gone
		s.store.Start()
		if again := s.begun(); again != first {
			t.Errorf("ENVID %s, then %s", first, again)
		}
		s.taken()
		s.final(first)
		s.over()
	})
}

// TestKillBeforeMarking kills the store after the next host has the whole message and before the store has kept its reply. That it is
// sent again cannot be helped, since nobody knows whether the host has taken it; who has both sees the one Message-ID and ENVID.
func TestKillBeforeMarking(t *testing.T) {
	s := newKilledSender(t, clitest.Build(t, "."))
	lost := make(chan error, 1)
	go func() { _, err := s.submit(""); lost <- err }()
	envid := s.begun()
	id := s.taken()
	s.store.Kill()
	if err := <-lost; err == nil {
		t.Error("the client has an answer")
	}
	s.hop.reply <- struct{}{} // to a connection that has gone
	s.store.Start()
	if again := s.begun(); again != envid {
		t.Errorf("ENVID %s, then %s", envid, again)
	}
	if again := s.taken(); again != id {
		t.Errorf("Message-ID %s, then %s", id, again)
	}
	s.final(envid)
	s.over()
}
