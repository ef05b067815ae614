package mailrelay

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/mailbricks/mailbricks/smtp"
)

// counts are what Metrics tells beside the queue's own.
type counts struct {
	mu       sync.Mutex
	m        map[key]uint64
	verdicts map[string]uint64
}

// A key is the labels of a counter.
type key struct {
	name   string
	stage  Stage
	result string
}

func (c *counts) transaction(ev *Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[key]uint64)
	}
	c.m[key{"transactions", ev.Stage, outcome(ev)}]++
	c.m[key{"bytes", ev.Stage, ""}] += uint64(ev.Size)
	for _, res := range ev.Results {
		if res.Reply.Code != 0 {
			c.m[key{"recipients", ev.Stage, class(res.Reply)}]++
		}
	}
}

func (c *counts) verdict(dmarc string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdicts == nil {
		c.verdicts = make(map[string]uint64)
	}
	c.verdicts[dmarc]++
}

// outcome is what became of a whole transaction.
func outcome(ev *Event) string {
	if ev.Err == errAbandoned {
		return "abandoned"
	}
	if ev.Err != nil {
		return class(smtp.ReplyOf(ev.Err))
	}
	for _, res := range ev.Results {
		if c := class(res.Reply); c != "ok" {
			return c
		}
	}
	return "ok"
}

func class(r smtp.Reply) string {
	switch {
	case r.OK():
		return "ok"
	case r.Permanent():
		return "refused"
	}
	return "deferred"
}

// WriteMetrics writes the Relay's counters in the text format of Prometheus, version 0.0.4.
func (r *Relay) WriteMetrics(ctx context.Context, w io.Writer) error {
	p := &printer{w: w}
	s := r.queue.Stats()
	p.metric("mailbricks_queue_messages", "gauge", "Messages in the queue.")
	p.value("mailbricks_queue_messages", "", float64(r.queued(ctx)))
	p.metric("mailbricks_queue_active", "gauge", "Transactions under way from the queue.")
	p.value("mailbricks_queue_active", "", float64(s.Active))
	for _, c := range []struct {
		name, help string
		n          uint64
	}{
		{"accepted_messages", "Messages taken into the queue, notifications included.", s.Accepted},
		{"delivered_recipients", "Recipients that the next hop took.", s.Delivered},
		{"deferred_recipients", "Attempts that left a recipient waiting.", s.Deferred},
		{"failed_recipients", "Recipients refused for good.", s.Failed},
		{"expired_recipients", "Recipients tried for too long.", s.Expired},
		{"notifications", "Notifications stored for senders.", s.Notified},
		{"damaged_messages", "Messages found unreadable and set aside.", s.Damaged},
	} {
		name := "mailbricks_queue_" + c.name + "_total"
		p.metric(name, "counter", c.help)
		p.value(name, "", float64(c.n))
	}
	r.counts.write(p)
	p.metric("process_start_time_seconds", "gauge", "Start time of the relay since the epoch.")
	p.value("process_start_time_seconds", "", float64(r.start.UnixMilli())/1000)
	p.metric("go_goroutines", "gauge", "Goroutines.")
	p.value("go_goroutines", "", float64(runtime.NumGoroutine()))
	return p.err
}

func (c *counts) write(p *printer) {
	c.mu.Lock()
	m, verdicts := maps.Clone(c.m), maps.Clone(c.verdicts)
	c.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(m), func(a, b key) int {
		return slices.Compare([]string{a.name, string(a.stage), a.result}, []string{b.name, string(b.stage), b.result})
	})
	help := map[string]string{
		"transactions": "Transactions, by stage and by what became of them.",
		"recipients":   "Recipients, by stage and by what became of them.",
		"bytes":        "Bytes of messages, by stage.",
	}
	last := ""
	for _, k := range keys {
		name := "mailbricks_relay_" + k.name + "_total"
		if k.name != last {
			p.metric(name, "counter", help[k.name])
			last = k.name
		}
		labels := fmt.Sprintf(`stage=%q`, string(k.stage))
		if k.result != "" {
			labels += fmt.Sprintf(`,result=%q`, k.result)
		}
		p.value(name, labels, float64(m[k]))
	}
	if len(verdicts) > 0 {
		p.metric("mailbricks_relay_dmarc_total", "counter", "Incoming messages by result of DMARC.")
	}
	for _, v := range slices.Sorted(maps.Keys(verdicts)) {
		p.value("mailbricks_relay_dmarc_total", fmt.Sprintf(`result=%q`, v), float64(verdicts[v]))
	}
}

// queued returns the number of messages in the queue.
func (r *Relay) queued(ctx context.Context) int {
	if s, ok := r.c.Spool.(interface{ Len() int }); ok {
		return s.Len()
	}
	n := 0
	for _, err := range r.c.Spool.List(ctx) {
		if err == nil {
			n++
		}
	}
	return n
}

// A printer writes metrics until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) metric(name, kind, help string) {
	p.printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (p *printer) value(name, labels string, v float64) {
	if labels != "" {
		labels = "{" + labels + "}"
	}
	p.printf("%s%s %v\n", name, labels, v)
}
