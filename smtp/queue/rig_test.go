package queue

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/internal/disk/disktest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

// A hop is a next hop that a test scripts: reply says what each recipient gets.
type hop struct {
	mu    sync.Mutex
	reply func(to smtp.Path, attempt int) smtp.Result
	data  func(ctx context.Context) error // runs within Data, if set
	tries map[string][]time.Duration      // recipient → when, since the start
	got   []delivered
	start time.Time
}

type delivered struct {
	env  smtp.Envelope
	body string
}

func newHop(reply func(to smtp.Path, attempt int) smtp.Result) *hop {
	return &hop{reply: reply, tries: make(map[string][]time.Duration), start: time.Now()}
}

func (h *hop) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	return &hopTx{h: h, env: smtp.Envelope{From: from, Params: p}}, nil
}

type hopTx struct {
	h   *hop
	env smtp.Envelope
}

func (t *hopTx) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	t.env.Recipients = append(t.env.Recipients, smtp.Recipient{To: to, Params: p})
	return nil
}

func (t *hopTx) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if t.h.data != nil {
		if err := t.h.data(ctx); err != nil {
			return nil, err
		}
	}
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	var out smtp.Results
	for _, r := range t.env.Recipients {
		a := r.To.Address()
		t.h.tries[a] = append(t.h.tries[a], time.Since(t.h.start))
		out = append(out, t.h.reply(r.To, len(t.h.tries[a])))
	}
	t.h.got = append(t.h.got, delivered{t.env, string(b)})
	return out, nil
}

func (t *hopTx) Close() error { return nil }

// reports returns the notifications that were delivered to the sender.
func (h *hop) reports(t *testing.T) []*dsn.Report {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*dsn.Report
	for _, d := range h.got {
		if !d.env.From.IsNull() {
			continue
		}
		r, err := dsn.Parse(strings.NewReader(d.body))
		if err != nil {
			t.Fatalf("%v\n%s", err, d.body)
		}
		out = append(out, r)
	}
	return out
}

func ok() smtp.Result {
	return smtp.Result{Reply: smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "OK")}
}
func no() smtp.Result {
	return smtp.Result{Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user"), RemoteMTA: "mx.example.net"}
}
func later() smtp.Result {
	return smtp.Result{Reply: smtp.NewReply(451, smtp.EnhancedCode{}, "Later")}
}

var alice = smtp.Path{Local: "alice", Domain: "example.com"} // the sender

func to(local, domain string) smtp.Recipient {
	return smtp.Recipient{To: smtp.Path{Local: local, Domain: domain}}
}

const letter = "Message-ID: <1@example.com>\r\nSubject: hi\r\n\r\nhello\r\n"

// A rig is a queue over a disk in memory, running within a synctest bubble.
type rig struct {
	t     *testing.T
	disk  *disktest.Disk
	spool *Dir
	q     *Queue
	stop  func() error // ends Run and closes the spool
}

func start(t *testing.T, d *disktest.Disk, next smtp.Handler, change func(*Config)) *rig {
	t.Helper()
	spool, err := openDir(d, "/q", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Spool: spool, Next: next, Hostname: "mx.example.com", Jitter: -1, Warn: -1,
		Retry: []time.Duration{time.Minute, 10 * time.Minute, time.Hour}, Expire: 24 * time.Hour}
	if change != nil {
		change(&c)
	}
	r := &rig{t: t, disk: d, spool: spool, q: New(c)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.q.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, spool.Close())
	})
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) send(e smtp.Envelope, body string) {
	r.t.Helper()
	res, err := smtp.Deliver(r.t.Context(), r.q, e, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range res {
		if x.Reply.Code != 250 || !strings.Contains(x.Reply.Text(), "Queued as ") {
			r.t.Fatalf("reply %v", x.Reply)
		}
	}
}

// empty fails unless the queue is empty.
func (r *rig) empty() {
	r.t.Helper()
	for m, err := range r.q.List(r.t.Context()) {
		r.t.Errorf("left in the queue: %+v %v", m, err)
	}
}

// smtpFunc is a BatchHandler that does not look at the body.
type smtpFunc func(ctx context.Context, e smtp.Envelope) (smtp.Results, error)

func (f smtpFunc) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return nil, errors.New("not used")
}

func (f smtpFunc) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	return f(ctx, e)
}
