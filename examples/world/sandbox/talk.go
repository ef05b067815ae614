package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/auth/resolver"
	"github.com/mailbricks/mailbricks/examples/world/story"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// A talk puts down one dialogue of SMTP or LMTP as a hop.
type talk struct {
	f           *flight
	stage, from string
	before      *lookUp // ends when the dialogue begins

	mu   sync.Mutex
	h    *story.Teller
	over bool
}

func (t *talk) begin(host string) {
	t.before.end()
	if t.h == nil {
		t.h = t.f.hop(t.stage, t.from, host)
	}
}

// trace is the field of that name of a smtpclient.Config.
func (t *talk) trace(ev smtpclient.TraceEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.f == nil || t.over {
		return
	}
	t.begin(strings.TrimSuffix(ev.Host, "."))
	switch remark, ok := strings.CutPrefix(ev.Line, "("); {
	case ok && ev.Sent:
		remark = strings.TrimSuffix(remark, ")")
		if strings.HasPrefix(remark, "TLS") {
			t.h.TLS(remark)
		}
		t.h.Say("--", remark)
	case ev.Sent:
		t.h.Say("->", ev.Line)
	default:
		t.h.Say("<-", ev.Line)
	}
}

// end ends the hop with what became of the recipients.
func (t *talk) end(res smtp.Results, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.f == nil {
		return
	}
	t.begin("")
	t.over = true
	if err != nil {
		t.h.End(false, replyOr(err))
		return
	}
	ok, said := true, ""
	for _, r := range res {
		ok = ok && r.Reply.OK()
		if said == "" || !r.Reply.OK() {
			said = r.Reply.String()
		}
	}
	t.h.End(ok, said)
}

// abandon ends a hop that did not come to an end.
func (t *talk) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h != nil && !t.over {
		t.over = true
		t.h.End(false, "no letter came: it was refused before")
	}
}

// replyOr returns the reply in an error, or its text.
func replyOr(err error) string {
	if r := smtp.ReplyOf(err); r.Text() != "" && r.Code != 451 {
		return r.String()
	}
	return err.Error()
}

// A lookUp is the hop that shows which host takes mail for a domain. Its methods take nil.
type lookUp struct {
	f    *flight
	host string

	mu   sync.Mutex // questions are asked side by side
	h    *story.Teller
	said string
	over bool
}

// lookUp begins the next one of a flight.
func (f *flight) lookUp(host string) *lookUp {
	if f == nil {
		return nil
	}
	l := &lookUp{f: f, host: host}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look = l
	return l
}

func (l *lookUp) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over = true
		l.h.End(l.said != "", l.said)
	}
}

// ask puts down a question and its answer.
func (l *lookUp) ask(question, answer string, err error) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	if l.h == nil {
		l.h = l.f.hop("dns", l.host, "DNS")
	}
	rule := ""
	if err != nil {
		answer, rule = "none", err.Error()
	} else if !strings.HasPrefix(question, "TXT") {
		l.said = strings.TrimPrefix(l.said+", "+question+" is "+answer, ", ")
	}
	l.h.Step(question, answer, rule)
}

// asked puts down a question and its answer, if the context belongs to a flight that looks for its next host.
func asked(ctx context.Context, question, answer string, err error) {
	f := flightFrom(ctx)
	if f == nil {
		return
	}
	f.mu.Lock()
	l := f.look
	f.mu.Unlock()
	l.ask(question, answer, err)
}

// A telling resolver puts down what is asked to find the next host.
type telling struct{ *resolver.Resolver }

// LookupMX is that of net.Resolver.
func (t telling) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mx, _, err := t.LookupMXSecure(ctx, name)
	return mx, err
}

// LookupMXSecure tells the DNSSEC state too.
func (t telling) LookupMXSecure(ctx context.Context, name string) ([]*net.MX, bool, error) {
	mx, secure, err := t.Resolver.LookupMXSecure(ctx, name)
	var text []string
	for _, m := range mx {
		text = append(text, fmt.Sprintf("%d %s", m.Pref, strings.TrimSuffix(m.Host, ".")))
	}
	asked(ctx, "MX "+strings.TrimSuffix(name, "."), strings.Join(text, ", "), err)
	return mx, secure, err
}

// LookupNetIP is that of net.Resolver.
func (t telling) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, _, err := t.LookupNetIPSecure(ctx, network, host)
	return addrs, err
}

// LookupNetIPSecure tells the DNSSEC state too.
func (t telling) LookupNetIPSecure(ctx context.Context, network, host string) ([]netip.Addr, bool, error) {
	addrs, secure, err := t.Resolver.LookupNetIPSecure(ctx, network, host)
	var text []string
	for _, a := range addrs {
		text = append(text, a.String())
	}
	if err == nil || network != "ip6" {
		asked(ctx, "A "+strings.TrimSuffix(host, "."), strings.Join(text, ", "), err)
	}
	return addrs, secure, err
}

// LookupTXT is that of net.Resolver.
func (t telling) LookupTXT(ctx context.Context, name string) ([]string, error) {
	txt, err := t.Resolver.LookupTXT(ctx, name)
	asked(ctx, "TXT "+strings.TrimSuffix(name, "."), strings.Join(txt, "\n"), err)
	return txt, err
}

// A policyTransport gets MTA-STS policies and puts down how.
type policyTransport struct {
	*http.Transport
	host string
}

// RoundTrip implements http.RoundTripper.
func (t policyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	h := flightFrom(r.Context()).hop("policy", t.host, r.URL.Hostname())
	h.Say("->", r.Method+" "+r.URL.String())
	resp, err := t.Transport.RoundTrip(r)
	if err != nil {
		h.End(false, err.Error())
		return nil, err
	}
	h.Say("<-", resp.Proto+" "+resp.Status)
	if resp.TLS != nil {
		h.TLS(tlsName(*resp.TLS))
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, mtasts.MaxPolicy+1))
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	if err != nil {
		h.End(false, err.Error())
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		h.Say("<-", strings.TrimRight(line, "\r\n"))
	}
	if p, err := mtasts.ParsePolicy(text); err != nil {
		h.End(false, err.Error())
	} else {
		h.End(true, fmt.Sprintf("%s: mail comes over TLS to %s, or not at all", p.Mode, strings.Join(p.MX, ", ")))
	}
	return resp, nil
}
