package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk/disktest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

// timely runs one message with p to a hop that answers result for all but the sender's own notifications, over 48 hours.
func timely(t *testing.T, p smtp.MailParams, notify smtp.DSNNotify, result smtp.Result, check func(h *hop, reports []*dsn.Report)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to == alice {
				return ok()
			}
			return result
		})
		r := start(t, disktest.New(), h, nil)
		e := smtp.Envelope{From: alice, Params: p, Recipients: []smtp.Recipient{to("b", "x.example")}}
		e.Recipients[0].Params.Notify = notify
		r.send(e, letter)
		time.Sleep(48 * time.Hour)
		r.empty()
		check(h, h.reports(t))
	})
}

// TestDeliverReturn is RFC 2852 §4.1.3 for by-mode R: what remains of the time is told, and nothing is tried after it.
func TestDeliverReturn(t *testing.T) {
	p := smtp.MailParams{DeliverBy: smtp.DeliverBy{After: 5 * time.Minute, Mode: smtp.DeliverReturn}}
	timely(t, p, 0, later(), func(h *hop, reports []*dsn.Report) {
		if got, want := h.tries["b@x.example"], []time.Duration{0, time.Minute}; !slices.Equal(got, want) {
			t.Errorf("tried at %v, want %v", got, want)
		}
		if by := h.got[1].env.Params.DeliverBy; by.After != 4*time.Minute || by.Mode != smtp.DeliverReturn {
			t.Errorf("the second attempt says %+v", by)
		}
		if len(reports) != 1 || reports[0].Recipients[0].Action != dsn.Failed || reports[0].Recipients[0].Status != (smtp.EnhancedCode{5, 4, 7}) {
			t.Fatalf("%+v", reports)
		}
		if got := reports[0].DeliverBy.Sub(reports[0].Arrival); got != 5*time.Minute {
			t.Errorf("Deliver-By-Date is %v after Arrival-Date", got)
		}
	})
}

// TestDeliverReturnSlow: the time passes while the next hop makes up its mind.
func TestDeliverReturnSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to == alice {
				return ok()
			}
			return later()
		})
		h.data = func(context.Context) error { time.Sleep(10 * time.Minute); return nil }
		r := start(t, disktest.New(), h, nil)
		p := smtp.MailParams{DeliverBy: smtp.DeliverBy{After: 5 * time.Minute, Mode: smtp.DeliverReturn}}
		r.send(smtp.Envelope{From: alice, Params: p, Recipients: []smtp.Recipient{to("b", "x.example")}}, letter)
		time.Sleep(time.Hour)
		r.empty()
		if reports := h.reports(t); len(reports) != 1 || reports[0].Recipients[0].Status != (smtp.EnhancedCode{5, 4, 7}) || len(h.tries["b@x.example"]) != 1 {
			t.Errorf("%+v, tried at %v", reports, h.tries)
		}
	})
}

// TestDeliverNotify is RFC 2852 §4.1.3 for by-mode N: told once, and tried on.
func TestDeliverNotify(t *testing.T) {
	p := smtp.MailParams{DeliverBy: smtp.DeliverBy{After: 5 * time.Minute, Mode: smtp.DeliverNotify}}
	timely(t, p, 0, later(), func(h *hop, reports []*dsn.Report) {
		if got, want := h.tries["b@x.example"][:4], []time.Duration{0, time.Minute, 5 * time.Minute, 65 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("tried at %v, want %v", got, want)
		}
		if len(reports) != 2 || reports[0].Recipients[0].Action != dsn.Delayed || reports[0].Recipients[0].Status != (smtp.EnhancedCode{4, 4, 7}) ||
			reports[1].Recipients[0].Action != dsn.Failed || reports[1].Recipients[0].Status != (smtp.EnhancedCode{4, 4, 7}) {
			t.Errorf("%+v", reports)
		}
		if by := h.got[4].env.Params.DeliverBy; by.After >= 0 { // h.got[3] is the notification
			t.Errorf("after the time it says %+v", by)
		}
	})
	timely(t, p, smtp.NotifyFailure, later(), func(_ *hop, reports []*dsn.Report) {
		if len(reports) != 1 || reports[0].Recipients[0].Action != dsn.Failed {
			t.Errorf("without DELAY: %+v", reports)
		}
	})
	p.DeliverBy.After = -time.Minute
	timely(t, p, 0, later(), func(_ *hop, reports []*dsn.Report) {
		if len(reports) != 1 || reports[0].Recipients[0].Action != dsn.Failed {
			t.Errorf("late on arrival: %+v", reports)
		}
	})
}

// TestDeliverRelayed is RFC 2852 §4.1.4: who hands a message on to a host that will not tell says so itself.
func TestDeliverRelayed(t *testing.T) {
	passed, not := ok(), ok()
	passed.DSNPassed, passed.DeliverByPassed, not.DSNPassed = true, true, true
	here := not // a store in this process is no other host
	passed.RemoteMTA, not.RemoteMTA = "mx.example.net", "mx.example.net"
	for _, tt := range []struct {
		name   string
		trace  bool
		notify smtp.DSNNotify
		result smtp.Result
		want   int
	}{
		{"passed on", false, 0, passed, 0},
		{"not passed on", false, 0, not, 1},
		{"delivered", false, 0, here, 0},
		{"not passed on, NEVER", false, smtp.NotifyNever, not, 0},
		{"trace", true, smtp.NotifyFailure, passed, 1},
		{"trace, NEVER", true, smtp.NotifyNever, passed, 0},
	} {
		p := smtp.MailParams{DeliverBy: smtp.DeliverBy{After: time.Hour, Mode: smtp.DeliverNotify, Trace: tt.trace}}
		timely(t, p, tt.notify, tt.result, func(_ *hop, reports []*dsn.Report) {
			if len(reports) != tt.want || tt.want > 0 && reports[0].Recipients[0].Action != dsn.Relayed {
				t.Errorf("%s: %+v", tt.name, reports)
			}
		})
	}
}

// TestHold is RFC 4865 §4.2: nothing is sent before, and then all is as for a message that comes at that time.
func TestHold(t *testing.T) {
	timely(t, smtp.MailParams{Hold: smtp.Hold{For: 3 * time.Hour}}, 0, later(), func(h *hop, reports []*dsn.Report) {
		tries := h.tries["b@x.example"]
		if tries[0] != 3*time.Hour || tries[len(tries)-1] != 27*time.Hour {
			t.Errorf("tried at %v", tries)
		}
		if p := h.got[0].env.Params; p.Hold != (smtp.Hold{}) {
			t.Errorf("handed on as %+v", p)
		}
		if len(reports) != 1 || reports[0].FutureRelease != "for;10800" || reports[0].Arrival.IsZero() {
			t.Errorf("%+v", reports)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(smtp.Path, int) smtp.Result { return ok() })
		d := disktest.New()
		r := start(t, d, h, nil)
		r.send(smtp.Envelope{From: alice, Params: smtp.MailParams{Hold: smtp.Hold{Until: time.Now().Add(time.Hour)}}, Recipients: []smtp.Recipient{to("b", "x.example")}}, letter)
		time.Sleep(30 * time.Minute)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		start(t, d, h, nil) // the Hold outlives the process
		time.Sleep(29 * time.Minute)
		h.mu.Lock()
		if len(h.got) != 0 {
			t.Error("sent too early")
		}
		h.mu.Unlock()
		time.Sleep(2 * time.Minute)
		h.mu.Lock()
		defer h.mu.Unlock()
		if got := h.tries["b@x.example"]; !slices.Equal(got, []time.Duration{time.Hour}) {
			t.Errorf("tried at %v", got)
		}
	})
}

// TestHoldQuota is RFC 4865 §6: MAIL is refused once a user, or all, have as much waiting as they may; what is released, or
// never came, does not count, and what a process before has left does.
func TestHoldQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quota := func(c *Config) { c.MaxHeld, c.MaxHeldAll = 2, 3 }
		disk, h := disktest.New(), newHop(func(smtp.Path, int) smtp.Result { return ok() })
		r := start(t, disk, h, quota)
		mail := func(user string, hold time.Duration, code smtp.EnhancedCode) smtp.Transaction {
			t.Helper()
			tx, err := r.q.Mail(t.Context(), &smtp.Peer{Identity: user}, alice, smtp.MailParams{Hold: smtp.Hold{For: hold}})
			if e, _ := errors.AsType[*smtp.Error](err); code == (smtp.EnhancedCode{}) && err != nil || code != (smtp.EnhancedCode{}) && (e == nil || e.Reply.Code != 552 || e.Reply.Enhanced != code) {
				t.Fatalf("%s: %v, want %v", user, err, code)
			}
			return tx
		}
		hold := func(user string, d time.Duration) {
			t.Helper()
			tx := mail(user, d, smtp.EnhancedCode{})
			if err := tx.Rcpt(t.Context(), to("b", "x.example").To, smtp.RcptParams{}); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Data(t.Context(), strings.NewReader(letter)); err != nil {
				t.Fatal(err)
			}
			if err := tx.Close(); err != nil {
				t.Fatal(err)
			}
		}
		user, system := smtp.EnhancedCode{5, 7, 16}, smtp.EnhancedCode{5, 7, 17}
		hold("ann", time.Hour)
		unfinished := mail("ann", 2*time.Hour, smtp.EnhancedCode{})
		mail("ann", time.Hour, user)
		mail("ann", 0, smtp.EnhancedCode{}) // not held
		if err := unfinished.Close(); err != nil {
			t.Fatal(err)
		}
		hold("ann", 2*time.Hour)
		hold("bob", 2*time.Hour)
		mail("bob", time.Hour, system)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r = start(t, disk, h, quota)
		mail("ann", time.Hour, user)
		mail("bob", time.Hour, system)
		time.Sleep(90 * time.Minute) // the first is released
		hold("ann", time.Hour)
		mail("ann", time.Hour, user)
		mail("carl", time.Hour, system)
	})
}

// TestPriority is RFC 6710 §5.1: of what waits the highest goes first, within a priority the first that came.
func TestPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 1)
		if err := l.acquire(t.Context(), "x.example", 0); err != nil {
			t.Fatal(err)
		}
		var order []int
		for i, priority := range []int{0, -3, 9, 0, 9} {
			go func() {
				if err := l.acquire(t.Context(), "x.example", priority); err != nil {
					t.Error(err)
				}
				order = append(order, i)
				l.release("x.example")
			}()
			synctest.Wait()
		}
		l.release("x.example")
		synctest.Wait()
		if want := []int{2, 4, 0, 3, 1}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}
