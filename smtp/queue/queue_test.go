package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk/disktest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(smtp.Path, int) smtp.Result { return ok() })
		r := start(t, disktest.New(), h, nil)
		e := smtp.Envelope{From: alice, Params: smtp.MailParams{Body: smtp.Body8BitMIME, EnvelopeID: "x"},
			Recipients: []smtp.Recipient{to("b", "one.example"), to("c", "two.example"), to("d", "ONE.example")}}
		e.Recipients[0].Params.Notify = smtp.NotifyFailure
		r.send(e, letter)
		synctest.Wait()
		r.empty()
		if len(h.got) != 2 { // one transaction for each domain
			t.Fatalf("%d transactions", len(h.got))
		}
		for _, d := range h.got {
			want := []smtp.Recipient{e.Recipients[1]}
			if len(d.env.Recipients) == 2 {
				want = []smtp.Recipient{e.Recipients[0], e.Recipients[2]}
			}
			e.Params.Size = int64(len(letter))
			if d.body != letter || d.env.From != alice || !reflect.DeepEqual(d.env.Params, e.Params) || !reflect.DeepEqual(d.env.Recipients, want) {
				t.Errorf("got %+v", d)
			}
		}
		if s := r.q.Stats(); s != (Stats{Accepted: 1, Delivered: 3}) {
			t.Errorf("%+v", s)
		}
	})
}

// TestSchedule sees each attempt come at its time, and only for the recipients that wait.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to.Local == "good" || n == 4 {
				return ok()
			}
			return later()
		})
		r := start(t, disktest.New(), h, nil)
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("good", "x.example"), to("slow", "x.example")}}, letter)
		time.Sleep(24 * time.Hour)
		r.empty()
		want := map[string][]time.Duration{
			"good@x.example": {0},
			"slow@x.example": {0, time.Minute, 11 * time.Minute, 71 * time.Minute},
		}
		if !maps.EqualFunc(h.tries, want, slices.Equal) {
			t.Errorf("tried at %v", h.tries)
		}
		if got := h.reports(t); len(got) != 0 {
			t.Errorf("%d notifications", len(got))
		}
	})
}

// TestRestart ends the process between attempts: state and schedule go on.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New()
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to.Local == "good" || n == 3 {
				return ok()
			}
			return later()
		})
		r := start(t, d, h, nil)
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("good", "x.example"), to("slow", "x.example")}}, letter)
		time.Sleep(30 * time.Second)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		d = d.Crash(d.Ops(), nil)
		time.Sleep(time.Hour)
		r = start(t, d, h, nil)
		time.Sleep(time.Hour)
		r.empty()
		want := []time.Duration{0, time.Hour + 30*time.Second, time.Hour + 10*time.Minute + 30*time.Second}
		if got := h.tries["slow@x.example"]; !slices.Equal(got, want) || len(h.tries["good@x.example"]) != 1 {
			t.Errorf("tried at %v", h.tries)
		}
	})
}

func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if strings.HasPrefix(to.Local, "bad") {
				return no()
			}
			return ok()
		})
		r := start(t, disktest.New(), h, nil)
		e := smtp.Envelope{From: alice, Params: smtp.MailParams{EnvelopeID: "env-1"},
			Recipients: []smtp.Recipient{to("good", "x.example"), to("bad1", "x.example"), to("bad2", "y.example")}}
		e.Recipients[1].Params = smtp.RcptParams{OriginalType: "rfc822", Original: "orig@x.example"}
		r.send(e, letter)
		synctest.Wait()
		r.empty()
		reports := h.reports(t)
		if len(reports) != 1 {
			t.Fatalf("%d notifications, want one", len(reports))
		}
		got := reports[0]
		if got.EnvelopeID != "env-1" || got.ReportingMTA != "mx.example.com" || got.Full || string(got.Original) != "Message-ID: <1@example.com>\r\nSubject: hi\r\n" {
			t.Errorf("%+v", got)
		}
		if len(got.Recipients) != 2 {
			t.Fatalf("%+v", got.Recipients)
		}
		for i, want := range []string{"bad1@x.example", "bad2@y.example"} {
			rc := got.Recipients[i]
			if rc.Final.Address != want || rc.Action != dsn.Failed || rc.Status != (smtp.EnhancedCode{5, 1, 1}) || rc.RemoteMTA != "mx.example.net" || rc.Diagnostic.Code != 550 {
				t.Errorf("%+v", rc)
			}
		}
		if got.Recipients[0].Original.Address != "orig@x.example" {
			t.Errorf("%+v", got.Recipients[0])
		}
		last := h.got[len(h.got)-1]
		if !last.env.From.IsNull() || last.env.Recipients[0].To != alice || !strings.Contains(last.body, "In-Reply-To: <1@example.com>\r\n") {
			t.Errorf("%+v", last)
		}
	})
}

// TestNeverForNull sees that mail from <> is never answered, whatever becomes of it.
func TestNeverForNull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to.Local == "bad" {
				return no()
			}
			return later()
		})
		r := start(t, disktest.New(), h, func(c *Config) { c.Warn = time.Hour })
		e := smtp.Envelope{Recipients: []smtp.Recipient{to("bad", "x.example"), to("late", "x.example")}}
		e.Recipients[1].Params.Notify = smtp.NotifyDelay | smtp.NotifyFailure
		r.send(e, letter)
		time.Sleep(48 * time.Hour)
		r.empty()
		if s := r.q.Stats(); s.Notified != 0 || s.Accepted != 1 || s.Failed != 1 || s.Expired != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to == alice {
				return ok()
			}
			return later()
		})
		r := start(t, disktest.New(), h, func(c *Config) { c.Expire = 3 * time.Hour; c.Retry = []time.Duration{2 * time.Hour} })
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}, letter)
		time.Sleep(24 * time.Hour)
		r.empty()
		if got, want := h.tries["b@x.example"], []time.Duration{0, 2 * time.Hour, 3 * time.Hour}; !slices.Equal(got, want) {
			t.Errorf("tried at %v, want %v", got, want)
		}
		reports := h.reports(t)
		if len(reports) != 1 || reports[0].Recipients[0].Action != dsn.Failed || reports[0].Recipients[0].Status != (smtp.EnhancedCode{4, 4, 7}) ||
			reports[0].Recipients[0].Diagnostic.Code != 451 {
			t.Errorf("%+v", reports)
		}
	})
}

// TestWarn: a message that takes long gets one notification on the way, and one at the end for the rest.
func TestWarn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			switch to.Local {
			case "bad":
				return no()
			case "late":
				return later()
			}
			return ok()
		})
		r := start(t, disktest.New(), h, func(c *Config) { c.Warn = time.Hour })
		e := smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("bad", "x.example"), to("late", "x.example")}}
		r.send(e, letter)
		time.Sleep(50 * time.Minute)
		if got := h.reports(t); len(got) != 0 {
			t.Errorf("too early: %+v", got)
		}
		time.Sleep(47 * time.Hour)
		r.empty()
		reports := h.reports(t)
		if len(reports) != 2 {
			t.Fatalf("%d notifications", len(reports))
		}
		first, second := reports[0].Recipients, reports[1].Recipients
		if len(first) != 2 || first[0].Action != dsn.Failed || first[1].Action != dsn.Delayed || first[1].RetryUntil.IsZero() {
			t.Errorf("on the way: %+v", first)
		}
		if len(second) != 1 || second[0].Final.Address != "late@x.example" || second[0].Action != dsn.Failed {
			t.Errorf("at the end: %+v", second)
		}
	})
}

func TestNotify(t *testing.T) {
	for _, tt := range []struct {
		name   string
		notify smtp.DSNNotify
		result smtp.Result
		want   []dsn.Action
	}{
		{"default, failed", 0, no(), []dsn.Action{dsn.Failed}},
		{"default, taken", 0, ok(), nil},
		{"never, failed", smtp.NotifyNever, no(), nil},
		{"success, failed", smtp.NotifySuccess, no(), nil},
		{"success, taken by a host without DSN", smtp.NotifySuccess, ok(), []dsn.Action{dsn.Relayed}},
		{"success, passed on", smtp.NotifySuccess, smtp.Result{Reply: ok().Reply, DSNPassed: true}, nil},
		{"failure, failed", smtp.NotifyFailure, no(), []dsn.Action{dsn.Failed}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHop(func(to smtp.Path, n int) smtp.Result {
				if to == alice {
					return ok()
				}
				return tt.result
			})
			r := start(t, disktest.New(), h, nil)
			rc := to("b", "x.example")
			rc.Params.Notify = tt.notify
			r.send(smtp.Envelope{From: alice, Params: smtp.MailParams{Return: smtp.ReturnFull}, Recipients: []smtp.Recipient{rc}}, letter)
			synctest.Wait()
			r.empty()
			var got []dsn.Action
			for _, rep := range h.reports(t) {
				got = append(got, rep.Recipients[0].Action)
				if !rep.Full || string(rep.Original) != letter {
					t.Errorf("%s: RET=FULL returned %q", tt.name, rep.Original)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		})
	}
}

// TestReturnLimit: RET=FULL of a long message returns its header.
func TestReturnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to == alice {
				return ok()
			}
			return no()
		})
		r := start(t, disktest.New(), h, nil)
		r.send(smtp.Envelope{From: alice, Params: smtp.MailParams{Return: smtp.ReturnFull}, Recipients: []smtp.Recipient{to("b", "x.example")}},
			"Subject: long\r\n\r\n"+strings.Repeat("0123456789\r\n", 1<<20/10))
		synctest.Wait()
		if reps := h.reports(t); len(reps) != 1 || reps[0].Full || string(reps[0].Original) != "Subject: long\r\n" {
			t.Errorf("%+v", reps)
		}
	})
}

// TestUTF8Notification: a letter sent with SMTPUTF8 is answered with SMTPUTF8 (RFC 6533).
func TestUTF8Notification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHop(func(to smtp.Path, n int) smtp.Result {
			if to.Local == "zoë" {
				return no()
			}
			return ok()
		})
		r := start(t, disktest.New(), h, nil)
		r.send(smtp.Envelope{From: smtp.Path{Local: "jürgen", Domain: "example.com"}, Params: smtp.MailParams{UTF8: true, RequireTLS: true},
			Recipients: []smtp.Recipient{to("zoë", "x.example")}}, "Subject: grüße\r\n\r\nhello\r\n")
		synctest.Wait()
		last := h.got[len(h.got)-1]
		if p := last.env.Params; !p.UTF8 || p.Body != smtp.Body8BitMIME || !p.RequireTLS {
			t.Errorf("%+v", p)
		}
		if reps := h.reports(t); len(reps) != 1 || reps[0].Recipients[0].Final != (dsn.Address{Type: "utf-8", Address: "zoë@x.example"}) {
			t.Errorf("%+v", reps)
		}
	})
}

// TestConcurrency holds the limits, and sees that a slow domain holds up no other.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		active, most := make(map[string]int), make(map[string]int)
		h := smtpFunc(func(ctx context.Context, e smtp.Envelope) (smtp.Results, error) {
			d := e.Recipients[0].To.Domain
			mu.Lock()
			for _, k := range []string{d, "all"} {
				active[k]++
				most[k] = max(most[k], active[k])
			}
			mu.Unlock()
			if d == "slow.example" {
				time.Sleep(10 * time.Minute)
			} else {
				time.Sleep(time.Second)
			}
			mu.Lock()
			active[d]--
			active["all"]--
			mu.Unlock()
			return smtp.SameResult(len(e.Recipients), ok().Reply), nil
		})
		r := start(t, disktest.New(), h, func(c *Config) { c.Concurrency, c.PerDomain = 6, 3 })
		for range 40 {
			r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "slow.example")}}, letter)
		}
		for range 40 {
			r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "fast.example")}}, letter)
		}
		time.Sleep(2 * time.Minute)
		if got := r.q.Stats().Delivered; got != 40 {
			t.Errorf("%d delivered past a slow domain", got)
		}
		time.Sleep(5 * time.Hour)
		r.empty()
		if most["slow.example"] != 3 || most["fast.example"] != 3 || most["all"] != 6 {
			t.Errorf("at once: %v", most)
		}
	})
}

// TestNextErrors: what Next says without a reply is tried again and its text does not leak.
func TestNextErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		h := smtpFunc(func(_ context.Context, e smtp.Envelope) (smtp.Results, error) {
			switch n++; n {
			case 1:
				return nil, errors.New("secret of the next hop")
			case 2:
				return nil, nil // breaks the rules
			case 3:
				return smtp.Results{{}}, nil // no reply
			}
			return smtp.SameResult(len(e.Recipients), ok().Reply), nil
		})
		r := start(t, disktest.New(), h, nil)
		r.send(smtp.Envelope{From: alice, Recipients: []smtp.Recipient{to("b", "x.example")}}, letter)
		for i := range 3 {
			synctest.Wait()
			for m, err := range r.q.List(t.Context()) {
				if rc := m.Recipients[0]; err != nil || rc.State != Waiting || rc.Last.Reply.Code != 451 || strings.Contains(rc.Last.Reply.Text(), "secret") {
					t.Errorf("attempt %d: %+v %v", i, m, err)
				}
			}
			if n, err := r.q.Retry(t.Context()); err != nil || n != 1 {
				t.Errorf("Retry: %d %v", n, err)
			}
		}
		synctest.Wait()
		r.empty()
	})
}

func TestManyRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		var mu sync.Mutex
		h := smtpFunc(func(_ context.Context, e smtp.Envelope) (smtp.Results, error) {
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, len(e.Recipients))
			return smtp.SameResult(len(e.Recipients), ok().Reply), nil
		})
		r := start(t, disktest.New(), h, func(c *Config) { c.MaxRecipients = 10 })
		e := smtp.Envelope{From: alice}
		for i := range 25 {
			e.Recipients = append(e.Recipients, to(fmt.Sprint("u", i), "x.example"))
		}
		r.send(e, letter)
		synctest.Wait()
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{5, 10, 10}) {
			t.Errorf("%v", sizes)
		}
	})
}
