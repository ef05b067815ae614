package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

const user = "alice@example.com"

// A bench is a store whose accounts keep submissions.
type bench struct {
	*testing.T
	store *jmaptest.Store
	box   *outbox.Box
	n     int
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, store: jmaptest.NewStore(user, "bob@example.com")}
	b.box = outbox.New(b.store, b.store, nil)
	b.store.SetOutbox(b.box)
	return b
}

func (b *bench) account() *mail.Account {
	b.Helper()
	list, err := b.store.Accounts(context.Background(), user)
	if err != nil {
		b.Fatal(err)
	}
	return list[0]
}

// keep keeps a submission to be sent after a while.
func (b *bench) keep(wait time.Duration, to ...string) jmap.ID {
	b.Helper()
	b.n++
	id := b.store.Deliver(user, "drafts", time.Now(), jmaptest.Message(user, "x", strings.Repeat("y", b.n), "Bcc: secret@example.com"))
	a := b.account()
	got, err := a.Emails.Getter.Get(b.Context(), &jmap.GetRequest[mail.EmailWant]{IDs: []jmap.ID{id}})
	if err != nil {
		b.Fatal(err)
	}
	at := jmap.UTCDate{Time: time.Now().Add(wait)}
	nine := "9"
	k := mail.KeptSubmission{BlobID: got.List[0].BlobID, NextAttempt: at, Submission: mail.EmailSubmission{ID: jmap.ID("S" + strings.Repeat("x", b.n)), SendAt: at, UndoStatus: mail.UndoPending,
		Envelope: &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: user, Parameters: map[string]*string{"HoldFor": &nine, "RET": &nine}}}}}
	for _, x := range to {
		k.Submission.Envelope.RcptTo = append(k.Submission.Envelope.RcptTo, mail.EnvelopeAddress{Email: x})
	}
	out, err := a.Submissions.Setter.Set(b.Context(), &jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]{Create: map[jmap.ID]mail.KeptSubmission{"k": k}})
	if err != nil || len(out.Created) != 1 {
		b.Fatal(out, err)
	}
	return k.Submission.ID
}

func (b *bench) get(id jmap.ID) mail.KeptSubmission {
	b.Helper()
	got, err := b.account().Submissions.Getter.Get(b.Context(), &jmap.GetRequest[jmap.NoArgs]{IDs: []jmap.ID{id}})
	if err != nil || len(got.List) != 1 {
		b.Fatal(got, err)
	}
	return got.List[0]
}

func (b *bench) send(id jmap.ID) (*mail.KeptSubmission, error) {
	return b.box.Send(b.Context(), b.account(), id)
}

// RFC 8621 §7, RFC 4865 §4.2: nothing goes before its time, and everything at it, in a Box that began afterwards too.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		late, soon := b.keep(2*time.Hour, "bob@example.com"), b.keep(time.Hour, "carol@example.com")
		for _, id := range []jmap.ID{late, soon} {
			if k, err := b.send(id); err != nil || k.Submission.UndoStatus != mail.UndoPending {
				t.Fatal(k, err)
			}
		}
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if got := b.store.Sent(user); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got := b.store.Sent(user)
		if len(got) != 1 || got[0].ID != soon || got[0].To[0] != "carol@example.com" || strings.Contains(string(got[0].Raw), "secret") {
			t.Fatalf("%+v", got)
		}
		if p := got[0].MailParameters; len(p) != 1 || p["RET"] == nil {
			t.Errorf("parameters %v", p)
		}
		b.box.Close()
		time.Sleep(2 * time.Hour)
		b.box = outbox.New(b.store, b.store, nil)
		defer b.box.Close()
		synctest.Wait()
		if got := b.store.Sent(user); len(got) != 2 || got[1].ID != late || b.get(late).Submission.UndoStatus != mail.UndoFinal {
			t.Fatalf("%+v", got)
		}
	})
}

// Recipients that were taken are not sent to again; the others are tried later and later.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.box.Close()
		id := b.keep(0, "bob@example.com", "carol@later.example", "dave@refused.example")
		k, err := b.send(id)
		if err != nil || k.Submission.UndoStatus != mail.UndoFinal || k.NextAttempt.IsZero() || k.Submission.DeliveryStatus["carol@later.example"].Delivered != mail.DeliveryQueued {
			t.Fatalf("%+v %v", k, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		last := b.get(id)
		if got := b.store.Sent(user); len(got) != 3 || !slices.Equal(got[2].To, []string{"carol@later.example"}) || !last.NextAttempt.IsZero() ||
			last.Submission.DeliveryStatus["carol@later.example"].Delivered != mail.DeliveryUnknown || last.Submission.DeliveryStatus["dave@refused.example"].Delivered != mail.DeliveryNo {
			t.Fatalf("%+v, %+v", got, last)
		}
	})
}

// What never gets through is told, once it is given up.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.box.Close()
		id := b.keep(0, "bob@down.example")
		if k, err := b.send(id); err != nil || k.Submission.UndoStatus != mail.UndoPending || k.Failures != 1 {
			t.Fatal(k, err)
		}
		time.Sleep(outbox.GiveUpAfter - time.Hour)
		synctest.Wait()
		if k := b.get(id); k.Submission.DeliveryStatus["bob@down.example"].Delivered != mail.DeliveryQueued || k.Failures < 20 || k.Failures > 110 {
			t.Errorf("%+v", k)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if k := b.get(id); k.Submission.DeliveryStatus["bob@down.example"].Delivered != mail.DeliveryNo || !k.NextAttempt.IsZero() ||
			!strings.HasPrefix(k.Submission.DeliveryStatus["bob@down.example"].SMTPReply, "554 5.4.7 ") {
			t.Errorf("%+v", k)
		}
	})
}

// Refused by all is an error, the first time and for good.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.box.Close()
		id := b.keep(0, "dave@refused.example")
		_, err := b.send(id)
		if e, ok := errors.AsType[*jmap.SetError](err); !ok || e.Type != jmap.SetInvalidRecipients || b.get(id).Submission.UndoStatus != mail.UndoFinal {
			t.Errorf("%v, %+v", err, b.get(id))
		}
	})
}

// What is held is not sent until it is let go, and only one can hold it.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.box.Close()
		id := b.keep(time.Minute, "bob@example.com")
		release, ok := b.box.Hold(id)
		if _, again := b.box.Hold(id); !ok || again {
			t.Fatal(ok, again)
		}
		time.Sleep(time.Hour)
		if k, err := b.send(id); err != nil || k.Submission.UndoStatus != mail.UndoPending {
			t.Error(k, err)
		}
		release()
		release()
		synctest.Wait()
		if got := b.store.Sent(user); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// A failing wraps a Queue that fails.
type failing struct {
	outbox.Queue
	n atomic.Int32
}

func (f *failing) Due(ctx context.Context, most int) ([]outbox.Due, error) {
	if f.n.Add(1) <= 3 {
		return nil, errors.New("disk")
	}
	return f.Queue.Due(ctx, most)
}

// An error of the store is waited out.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.box.Close()
		b.keep(0, "bob@example.com")
		f := &failing{Queue: b.store}
		b.box = outbox.New(f, b.store, nil)
		defer b.box.Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := b.store.Sent(user); len(got) != 1 || f.n.Load() > 10 {
			t.Errorf("%+v after %d", got, f.n.Load())
		}
	})
}

// A without is a store one of whose accounts cannot be opened; it comes first in the Queue.
type without struct{ *jmaptest.Store }

func (w without) Due(ctx context.Context, most int) ([]outbox.Due, error) {
	list, err := w.Store.Due(ctx, most)
	return append([]outbox.Due{{User: "broken", ID: "Sbroken"}}, list...), err
}

func (w without) Accounts(ctx context.Context, name string) ([]*mail.Account, error) {
	if name == "broken" {
		return nil, errors.New("disk")
	}
	return w.Store.Accounts(ctx, name)
}

// A submission that cannot be read does not stop the others, and is not tried all the time.
func TestOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.box.Close()
		b.keep(0, "bob@example.com")
		b.keep(time.Hour, "bob@example.com")
		var log strings.Builder
		w := without{b.store}
		b.box = outbox.New(w, w, slog.New(slog.NewTextHandler(&log, nil)))
		time.Sleep(2*time.Hour + time.Second)
		synctest.Wait()
		b.box.Close()
		if got := b.store.Sent(user); len(got) != 2 {
			t.Errorf("%+v", got)
		}
		if n := strings.Count(log.String(), "disk"); n < 100 || n > 130 {
			t.Errorf("tried %d times", n)
		}
	})
}
