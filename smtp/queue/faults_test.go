package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk/disktest"
	"github.com/mailbricks/mailbricks/smtp"
)

// TestStop: what is under way when the context ends is finished within Grace, or aborted and tried again.
func TestStop(t *testing.T) {
	for _, tt := range []struct {
		takes, stops time.Duration
		delivered    bool
	}{
		{2 * time.Second, 2 * time.Second, true},
		{time.Hour, 3 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHop(func(smtp.Path, int) smtp.Result { return ok() })
			h.data = func(ctx context.Context) error {
				select {
				case <-time.After(tt.takes):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			d := disktest.New()
			r := start(t, d, h, nil)
			r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}, letter)
			synctest.Wait()
			begin := time.Now()
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != tt.stops {
				t.Errorf("stopped after %v, want %v", took, tt.stops)
			}
			h.data = nil
			r = start(t, d, h, nil)
			synctest.Wait()
			if r.empty(); len(h.got) != 1 {
				t.Errorf("delivered %d times", len(h.got))
			}
			if r.q.Stats().Delivered == 0 != tt.delivered {
				t.Errorf("%+v", r.q.Stats())
			}
		})
	}
}

// TestNotTwice: the process ends after the notification was stored and before the message was settled. The
// notification comes once; had it gone out already, it would come again with the same Message-ID.
func TestNotTwice(t *testing.T) {
	for _, early := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := disktest.New()
			var h *hop
			h = newHop(func(to smtp.Path, n int) smtp.Result {
				if to != alice {
					return no()
				}
				if early && len(h.tries[alice.Address()]) == 1 {
					return later() // the notification waits in the queue
				}
				return ok()
			})
			lost := &loseSettle{}
			r := start(t, d, h, func(c *Config) { lost.Spool = c.Spool; c.Spool = lost })
			r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("bad", "x.example")}}, letter)
			synctest.Wait()
			r.stop()
			r = start(t, d.Crash(d.Ops(), nil), h, nil)
			time.Sleep(time.Hour)
			r.empty()
			ids := make(map[string]int)
			for _, g := range h.got {
				if g.env.From.IsNull() {
					_, rest, _ := strings.Cut(g.body, "Message-ID: ")
					id, _, _ := strings.Cut(rest, "\r\n")
					ids[id]++
				}
			}
			if len(ids) != 1 || early && r.q.Stats().Delivered != 1 {
				t.Errorf("early %v: %v, %+v", early, ids, r.q.Stats())
			}
		})
	}
}

// loseSettle is a spool whose process dies at the first Settle: that and all later ones fail.
type loseSettle struct{ Spool }

type lostClaim struct{ Claim }

func (l *loseSettle) Claim(ctx context.Context, now time.Time, max int) ([]Claim, time.Time, error) {
	cs, next, err := l.Spool.Claim(ctx, now, max)
	for i, c := range cs {
		if !strings.HasSuffix(c.Record().ID, "-r1") {
			cs[i] = lostClaim{c}
		}
	}
	return cs, next, err
}

func (c lostClaim) Settle(context.Context, *Record) error { return ErrReadOnly }

// TestDiskFullDelivery: when the disk is full, new mail gets 452 4.3.1, and what was delivered is not delivered again.
func TestDiskFullDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New()
		full := func(o disktest.Op) error {
			if o.Kind == disktest.Write {
				return syscall.ENOSPC
			}
			return nil
		}
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to.Local == "good" || n == 2 {
				return ok()
			}
			d.Before(full)
			return later()
		})
		r := start(t, d, h, nil)
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("good", "x.example"), to("slow", "x.example")}}, letter)
		time.Sleep(30 * time.Second)
		res, err := smtp.Deliver(t.Context(), r.q, smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}, strings.NewReader(letter))
		if err != nil || res[0].Reply.Code != 452 || res[0].Reply.Enhanced != (smtp.EnhancedCode{4, 3, 1}) {
			t.Errorf("%v %v", res, err)
		}
		d.Before(nil)
		time.Sleep(time.Hour)
		r.empty()
		if len(h.tries["good@x.example"]) != 1 || len(h.tries["slow@x.example"]) != 2 {
			t.Errorf("%v", h.tries)
		}
	})
}

func TestReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New()
		h := newHop(func(smtp.Path, int) smtp.Result { return later() })
		r := start(t, d, h, nil)
		d.Before(func(o disktest.Op) error {
			if o.Kind == disktest.Sync {
				return syscall.EIO
			}
			return nil
		})
		for range 2 {
			res, err := smtp.Deliver(t.Context(), r.q, smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}, strings.NewReader(letter))
			if err != nil || res[0].Reply.Code != 451 || res[0].Reply.Enhanced != (smtp.EnhancedCode{4, 3, 2}) {
				t.Errorf("%v %v", res, err)
			}
		}
		time.Sleep(2 * time.Minute)
		if err := r.stop(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestDamaged: a damaged body is never sent as if it were whole; it is set aside, and the others go on.
func TestDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New()
		down := true
		h := newHop(func(smtp.Path, int) smtp.Result {
			if down {
				return later()
			}
			return ok()
		})
		r := start(t, d, h, nil)
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("one", "x.example")}}, letter)
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("two", "x.example")}}, letter+"unlike the other\r\n")
		synctest.Wait()
		r.stop()
		d = d.Crash(d.Ops(), nil)
		for name, b := range d.Files() {
			if i := bytes.Index(b, []byte("unlike")); i >= 0 {
				d.Corrupt(name, func(b []byte) []byte { b[i]++; return b })
			}
		}
		down = false
		h.got = nil
		r = start(t, d, h, nil)
		time.Sleep(time.Hour)
		r.empty()
		if len(h.got) != 1 || h.got[0].body != letter {
			t.Errorf("delivered %+v", h.got)
		}
		if r.q.Stats().Damaged != 1 || r.spool.Quarantined() != 2 { // the message and its state
			t.Errorf("%+v, %d set aside", r.q.Stats(), r.spool.Quarantined())
		}
	})
}

// TestUndecodable: a record of another make is put off and does not stop the queue.
func TestUndecodable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(smtp.Path, int) smtp.Result { return ok() })
		r := start(t, disktest.New(), h, nil)
		for i, data := range []string{"", "{", `{"v":99}`, `{"v":1,"rcpts":[]}`} {
			if err := r.spool.Put(t.Context(), Record{ID: fmt.Sprint("odd", i), Due: time.Now(), Data: []byte(data)}, strings.NewReader(letter)); err != nil {
				t.Fatal(err)
			}
		}
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}, letter)
		time.Sleep(time.Hour)
		if s := r.q.Stats(); s.Delivered != 1 || s.Damaged != 4 || r.spool.Len() != 4 {
			t.Errorf("%+v, %d left", s, r.spool.Len())
		}
		n := 0
		for m, err := range r.q.List(t.Context()) {
			if n++; !errors.Is(err, ErrCorrupt) || !strings.HasPrefix(m.ID, "odd") {
				t.Errorf("%+v %v", m, err)
			}
		}
		if n != 4 {
			t.Errorf("listed %d", n)
		}
	})
}

// TestRefused: what does not come whole, or is too long, is not queued, and the server learns why.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(smtp.Path, int) smtp.Result { return ok() })
		r := start(t, disktest.New(), h, func(c *Config) { c.MaxSize = 1000 })
		e := smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}
		tx, err := r.q.Mail(t.Context(), &smtp.Peer{}, e.From, e.Params)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Rcpt(t.Context(), e.Recipients[0].To, smtp.RcptParams{}); err != nil {
			t.Fatal(err)
		}
		boom := errors.New("connection lost")
		if _, err := tx.Data(t.Context(), io.MultiReader(strings.NewReader(letter), iotest.ErrReader(boom))); !errors.Is(err, boom) {
			t.Errorf("cut short: %v", err)
		}
		res, err := smtp.Deliver(t.Context(), r.q, e, strings.NewReader(strings.Repeat("x", 1001)))
		if err != nil || res[0].Reply.Code != 552 {
			t.Errorf("too long: %v %v", res, err)
		}
		if _, err := r.q.Mail(t.Context(), &smtp.Peer{}, alice, smtp.MailParams{Size: 1001}); smtp.ReplyOf(err).Code != 552 {
			t.Errorf("declared too long: %v", err)
		}
		synctest.Wait()
		if r.empty(); len(h.got) != 0 {
			t.Errorf("delivered %+v", h.got)
		}
	})
}

// TestStateFormat pins the form in which state lies on disk: a queue of this release must be read by the next.
func TestStateFormat(t *testing.T) {
	const want = `{"v":1,"from":{"Local":"alice","Domain":"example.com"},"params":{"Size":7,"Body":"8BITMIME","UTF8":true,` +
		`"RequireTLS":false,"Auth":"","Return":"HDRS","EnvelopeID":"e","Other":[{"Keyword":"X","Value":"y"}]},"hello":"h",` +
		`"arrival":"2026-11-24T08:00:00Z","attempts":2,"rcpts":[{"to":{"Local":"b","Domain":"x.example"},` +
		`"params":{"Notify":4,"OriginalType":"","Original":"","Other":null},"state":"waiting","last":{"Reply":{"Code":451,` +
		`"Enhanced":[4,3,0],"Lines":["Later"]},"RemoteMTA":"mx","DSNPassed":false},"at":"2026-11-24T08:00:00Z"}]}`
	s, err := decodeState(Record{ID: "a", Data: []byte(want)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.record("a", time.Time{})
	if err != nil || string(r.Data) != want {
		t.Errorf("%s %v", r.Data, err)
	}
	if s.From != alice || !s.Params.UTF8 || s.Rcpts[0].Last.Reply.Code != 451 || s.Rcpts[0].Params.Notify != smtp.NotifyFailure {
		t.Errorf("%+v", s)
	}
}
