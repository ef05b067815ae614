package mailstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

// sentAnswers is a mail.Submitter that tells a channel.
type sentAnswers chan *mail.Submission

func (c sentAnswers) Check(context.Context, *mail.Submission) error { return nil }

func (c sentAnswers) Submit(ctx context.Context, m *mail.Submission) ([]mail.DeliveryStatus, error) {
	raw, err := io.ReadAll(m.Body)
	if err != nil {
		return nil, err
	}
	m.Body = strings.NewReader(string(raw))
	select {
	case c <- m:
		return make([]mail.DeliveryStatus, len(m.To)), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// vacations is a store whose users alice and bob are away, its clock and what it sends.
type vacations struct {
	*testing.T
	s    *Store
	sent sentAnswers
	now  atomic.Int64 // Unix
}

func newVacations(t *testing.T, dir string) *vacations {
	v := &vacations{T: t, sent: make(sentAnswers)}
	v.now.Store(1_800_000_000)
	v.open(dir)
	for _, u := range []string{"alice@example.com", "bob@example.com"} {
		user(t, v.s, u)
		v.set(u, func(x *mail.VacationResponse) { x.IsEnabled = true })
	}
	return v
}

func (v *vacations) open(dir string) {
	v.Helper()
	o := Options{Answers: v.sent, Now: func() time.Time { return time.Unix(v.now.Load(), 0) }}
	if dir != "" {
		v.s = openDir(v.T, dir, o)
		return
	}
	var err error
	if v.s, err = OpenMemory(o); err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { v.s.Close() })
}

func (v *vacations) set(user string, change func(*mail.VacationResponse)) {
	v.Helper()
	list, err := v.s.Accounts(v.Context(), user)
	if err == nil {
		_, err = list[0].Vacation.SetVacation(v.Context(), func(x *mail.VacationResponse, _ jmap.State) error { change(x); return nil })
	}
	if err != nil {
		v.Fatal(err)
	}
}

func (v *vacations) deliver(from, to, raw string) {
	v.Helper()
	local, domain, _ := strings.Cut(from, "@")
	tx, err := v.s.Mail(v.Context(), nil, smtp.Path{Local: local, Domain: domain}, smtp.MailParams{})
	if err == nil {
		local, domain, _ = strings.Cut(to, "@")
		err = tx.Rcpt(v.Context(), smtp.Path{Local: local, Domain: domain}, smtp.RcptParams{})
	}
	if err == nil {
		_, err = tx.Data(v.Context(), strings.NewReader(raw))
	}
	if err != nil {
		v.Fatal(err)
	}
	tx.Close()
}

func (v *vacations) letter(from, to string, fields ...string) {
	v.Helper()
	v.deliver(from, to, letterTo(to, fields...))
}

func letterTo(to string, fields ...string) string {
	return "To: " + to + "\r\nMessage-ID: <1@example.org>\r\nSubject: lunch\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\nToday?\r\n"
}

// answered returns what is sent to a letter of a sentinel that comes behind: whatever was to be sent before, was.
func (v *vacations) answered() []*mail.Submission {
	v.Helper()
	const sentinel = "sentinel@example.org"
	if _, err := v.s.Accounts(v.Context(), "carol@example.com"); err != nil {
		v.Fatal(err)
	}
	user(v.T, v.s, "carol@example.com")
	words := fmt.Sprint(v.now.Add(0), len(v.sent), time.Now().UnixNano())
	v.set("carol@example.com", func(x *mail.VacationResponse) { x.IsEnabled, x.TextBody = true, &words })
	v.letter(sentinel, "carol@example.com")
	var out []*mail.Submission
	for m := range v.sent {
		if m.To[0] == sentinel {
			return out
		}
		out = append(out, m)
	}
	return out
}

// TestVacation: an answer goes out once in a period, is remembered over a restart, and two who are away do not write to
// each other for ever.
func TestVacation(t *testing.T) {
	dir := t.TempDir()
	v := newVacations(t, dir)
	count := func(what string, want int) []*mail.Submission {
		t.Helper()
		out := v.answered()
		if len(out) != want {
			t.Fatalf("%s: %d answers, want %d", what, len(out), want)
		}
		return out
	}
	v.letter("bob@example.com", "alice@example.com")
	m := count("the first letter", 1)[0]
	raw, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	s := mail.Summarize(raw)
	if m.From != "" || len(m.To) != 1 || m.To[0] != "bob@example.com" || *s.Subject != "Auto: lunch" || s.From[0].Email != "alice@example.com" ||
		len(s.InReplyTo) != 1 || s.InReplyTo[0] != "1@example.org" || !strings.Contains(string(raw), "Auto-Submitted: auto-replied\r\n") {
		t.Errorf("from %q to %v:\n%s", m.From, m.To, raw)
	}
	v.deliver("", "bob@example.com", string(raw)) // as it comes to bob, who is away, too
	count("the answer to bob", 0)
	v.deliver("alice@example.com", "bob@example.com", string(raw)) // by somebody who gives it a reverse-path
	count("the answer to bob, with a reverse-path", 0)
	v.letter("BOB@example.com", "alice@example.com")
	count("another letter", 0)
	if err := v.s.Close(); err != nil {
		t.Fatal(err)
	}
	v.open(dir)
	v.letter("bob@example.com", "alice@example.com")
	count("after a restart", 0)
	v.now.Add(int64(mail.AnswerPeriod/time.Second) - 1)
	v.letter("bob@example.com", "alice@example.com")
	count("within the period", 0)
	v.now.Add(1)
	v.letter("bob@example.com", "alice@example.com")
	count("after the period", 1)
	v.set("alice@example.com", func(x *mail.VacationResponse) { x.ToDate = &jmap.UTCDate{Time: time.Unix(v.now.Load()+10, 0)} })
	v.letter("bob@example.com", "alice@example.com")
	count("the same words", 0)
	words := "Gone fishing"
	v.set("alice@example.com", func(x *mail.VacationResponse) { x.Subject = &words })
	v.letter("bob@example.com", "alice@example.com")
	count("other words", 1)
	v.now.Add(10)
	v.letter("dave@example.org", "alice@example.com")
	count("after toDate", 0)
}

// TestNotAnswered: what the store knows besides the rules of mail.VacationResponse.Answer.
func TestNotAnswered(t *testing.T) {
	v := newVacations(t, "")
	v.letter("a@example.org", "alice@example.com", "List-Id: <x.example.org>")
	v.letter("b@example.org", "alice@example.com", "Mailbricks-Decision: class=quarantine")
	v.deliver("c@example.org", "alice@example.com", letterTo("somebody@example.net"))
	v.deliver("", "alice@example.com", letterTo("alice@example.com"))
	a := user(t, v.s, "alice@example.com")
	add(t, a, "INBOX", "Return-Path: <d@example.org>\r\n"+letterTo("alice@example.com"))
	v.letter("alice@example.com", "alice@example.com")
	if out := v.answered(); len(out) != 0 {
		t.Errorf("%d answers, the first to %s", len(out), out[0].To)
	}
	list, err := v.s.Accounts(t.Context(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	set, err := list[0].Identities.Setter.Set(t.Context(), &jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]{
		Create: map[jmap.ID]mail.Identity{"k": {Name: "Ally", Email: "ally@example.net"}}, Update: map[jmap.ID]mail.IdentityUpdate{"I1": {Make: true, Name: new("Alice A")}}})
	if err != nil || len(set.Created) != 1 {
		t.Fatal(set, err)
	}
	v.letter("ally@example.net", "alice@example.com")
	v.deliver("e@example.org", "alice@example.com", letterTo("Ally@example.net"))
	out := v.answered()
	if len(out) != 1 || out[0].To[0] != "e@example.org" {
		t.Fatalf("%d answers", len(out))
	}
	raw, err := io.ReadAll(out[0].Body)
	if err != nil || mail.Summarize(raw).From[0] != (mail.Address{Name: "Alice A", Email: "alice@example.com"}) {
		t.Errorf("%s, %v", raw, err)
	}
}

// TestManySenders: a flood of forged senders gets so many answers and no more, and a submitter that hangs holds up
// neither the delivery nor the end.
func TestManySenders(t *testing.T) {
	v := newVacations(t, "")
	for i := range maxAnswered + 10 {
		v.letter(fmt.Sprintf("forged%d@example.org", i), "alice@example.com")
	}
	var rows int
	if err := v.s.db.read(t.Context(), func(c *conn) error { return c.row([]any{&rows}, `SELECT count(*) FROM answered`) }); err != nil || rows != maxAnswered {
		t.Errorf("%d senders are remembered, %v", rows, err)
	}
	if n := len(v.s.answers.queue); n != answerQueue {
		t.Errorf("%d answers wait", n)
	}
	if err := v.s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.s.Accounts(t.Context(), "alice@example.com"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
