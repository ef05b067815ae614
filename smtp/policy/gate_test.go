package policy_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// A rig is a gate with a mailbox behind it.
type rig struct {
	*testing.T
	gate   policy.Gate
	inbox  *mailbox
	key    ed25519.PrivateKey
	spent  hashcash.SpentStore
	grants capability.Store
	known  *policystore.MemoryRelations
	h      smtp.Handler
}

func newRig(t *testing.T, change ...func(*policy.Gate)) *rig {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, inbox: &mailbox{}, key: private, spent: &hashcash.MemoryStore{}, grants: capability.NewMemoryStore(nil), known: &policystore.MemoryRelations{}}
	r.gate = policy.Gate{Rules: policy.Rules{Bits: price}, AuthServID: "mx.example.org", Relations: r.known,
		Capabilities: capability.Verifier{Keys: capability.OneKey(public), Store: r.grants}, Postage: []policy.Tariff{policy.Hashcash(r.spent)}}
	for _, f := range change {
		f(&r.gate)
	}
	r.h = r.gate.Handler(r.inbox)
	return r
}

const bob, carol = "bob@example.org", "carol@example.org"

// asks is the refusal of a stranger who writes to bob.
const asks = "550 5.7.1 Unknown sender, capability not established Postage: scheme=hashcash; bits=10; resource=bob@example.org"

// by is who a message is authenticated to be from, as the Verifier in front says it.
func authenticated(domain, message string) string {
	return "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=" + domain + "; dkim=pass header.d=" + domain + "; dmarc=pass header.from=" + domain + "\r\n" + message
}

// from is a message of an authenticated author, with more fields.
func fromAuthor(author string, fields ...string) string {
	_, domain, _ := strings.Cut(author, "@")
	domain = strings.ReplaceAll(strings.ToLower(domain), "b\u00fccher", "xn--bcher-kva")
	return authenticated(domain, strings.Join(fields, "")+"From: "+author+"\r\nSubject: hello\r\n\r\nHello.\r\n")
}

// rcpt is a recipient with credentials.
func rcpt(to, token, stamp string) smtp.Recipient {
	p, err := smtp.ParseMailbox(to)
	if err != nil {
		panic(err)
	}
	r := smtp.Recipient{To: p}
	if token != "" {
		r.Params.Other = append(r.Params.Other, smtp.Param{Keyword: "CAP", Value: token})
	}
	if stamp != "" {
		r.Params.Other = append(r.Params.Other, smtp.Param{Keyword: "POSTAGE", Value: string(smtp.AppendXtext(nil, stamp))})
	}
	return r
}

// send sends a message and returns the reply for each recipient.
func (r *rig) send(from string, message io.Reader, to ...smtp.Recipient) []string {
	r.Helper()
	p, _, err := smtp.ParsePath("<" + from + ">")
	if err != nil {
		r.Fatal(err)
	}
	res, err := smtp.Deliver(r.Context(), r.h, smtp.Envelope{From: p, Recipients: to}, message)
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, x := range res {
		out = append(out, x.Reply.String())
	}
	return out
}

// one sends a message of an author to bob.
func (r *rig) one(token, stamp, message string) string {
	r.Helper()
	return r.send("ann@a.example", strings.NewReader(message), rcpt(bob, token, stamp))[0]
}

func (r *rig) count() int { _, n := r.inbox.last(); return n }

func (r *rig) stamp(bits int, resource string) string {
	r.Helper()
	s, err := hashcash.Minter{Bits: bits}.Mint(r.Context(), resource, "")
	if err != nil {
		r.Fatal(err)
	}
	return s.String()
}

func (r *rig) token(l capability.Limits, issuer string) (string, capability.ID) {
	r.Helper()
	g := capability.Grant{ID: capability.NewID(), Issuer: issuer, Limits: l}
	t, err := capability.Issue(g, r.key)
	if err != nil {
		r.Fatal(err)
	}
	return t.Seal().String(), g.ID
}

const taken = "250 2.0.0 taken"

// TestStamps holds the attacks on postage: what each message gets, and what came in.
func TestStamps(t *testing.T) {
	r := newRig(t)
	letter := fromAuthor("ann@a.example")
	valid := r.stamp(price, bob)
	used := r.stamp(price, bob)
	if got := r.one("", used, letter); got != taken {
		t.Fatal(got)
	}
	field := func(stamp string) string { return "X-Hashcash: " + stamp + "\r\n" }
	unborne := r.stamp(price, bob)
	for hash, err := hashcash.Parse(unborne); ; hash, err = hashcash.Parse(unborne) {
		if err == nil && hash.Value() == 0 {
			break
		}
		unborne += "a"
	}
	for name, tt := range map[string]struct {
		stamp, fields string
		want          string
	}{
		"none":                      {"", "", asks},
		"spent":                     {used, "", asks},
		"spent, in the header":      {"", field(used), asks},
		"for another":               {r.stamp(price, carol), "", asks},
		"for another, header":       {"", field(r.stamp(price, carol)), asks},
		"for everybody":             {r.stamp(price, "*@example.org"), "", asks},
		"for a pattern":             {"", field(r.stamp(price, ".*")), asks},
		"claims too little":         {r.stamp(price-1, bob), "", asks},
		"claims more than it has":   {unborne, "", asks},
		"real bits, small claim":    {"1:12:261122:t@x::abcdefgh:5082", "", asks},
		"no stamp":                  {"1:+20:261122:t@x::abcdefgh:5082", "", asks},
		"no stamp in the header":    {"", field("1:10"), asks},
		"too old":                   {old(t, -31), "", asks},
		"of the future":             {old(t, 3), "", asks},
		"behind too many":           {"", strings.Repeat(field("1:10"), 32) + field(valid), asks},
		"too long a header":         {"", strings.Repeat(field(used), 20_000), "552 5.3.4 Header section too long"},
		"other than authentication": {"", "Authentication-Results: mx.example.org; dmarc=pass header.from=a.example\r\n", asks},
	} {
		before := r.count()
		if got := r.one("", tt.stamp, strings.Replace(letter, "From:", tt.fields+"From:", 1)); got != tt.want || r.count() != before {
			t.Errorf("%s: %s, %d letters more", name, got, r.count()-before)
		}
	}
	for name, tt := range map[string]struct{ stamp, fields string }{
		"as parameter":            {r.stamp(price, bob), ""},
		"in the header":           {"", field(r.stamp(price, bob))},
		"in capitals":             {"", field(r.stamp(price, "BOB@EXAMPLE.org"))},
		"worth more":              {"", field(r.stamp(price+1, bob))},
		"folded":                  {"", "X-Hashcash: " + valid[:20] + "\r\n\t" + valid[20:] + "\r\n"},
		"second of many":          {"", field(used) + field(r.stamp(price, bob)) + field("junk")},
		"in both, spent once":     {},
		"twice in the same field": {},
	} {
		if tt.stamp == "" && tt.fields == "" {
			s := r.stamp(price, bob)
			tt.stamp, tt.fields = s, field(s)+field(s)
		}
		before := r.count()
		if got := r.one("", tt.stamp, strings.Replace(letter, "From:", tt.fields+"From:", 1)); got != taken || r.count() != before+1 {
			t.Errorf("%s: %s", name, got)
		}
		if m, _ := r.inbox.last(); !strings.HasPrefix(m, "Mailbricks-Decision: class=request; postage=10\r\n") {
			t.Errorf("%s: %q", name, m)
		}
	}
}

func old(t *testing.T, days int) string {
	s, err := hashcash.Minter{Bits: price, Now: func() time.Time { return time.Now().AddDate(0, 0, days) }}.Mint(t.Context(), bob, "")
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

// TestOneStamp: of a hundred deliveries at once with one stamp, one succeeds.
func TestOneStamp(t *testing.T) {
	r := newRig(t)
	stamp := r.stamp(price, bob)
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			reply := r.one("", stamp, fromAuthor("ann@a.example", fmt.Sprintf("Message-ID: <%d@a.example>\r\n", i)))
			mu.Lock()
			got[reply]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[taken] != 1 || got[asks] != 99 || r.count() != 1 {
		t.Errorf("%v, %d letters", got, r.count())
	}
}

// TestLostMessage: a connection that breaks costs neither stamp nor use; a store that is full pardons the stamp for the
// very same message.
func TestLostMessage(t *testing.T) {
	r := newRig(t)
	letter := fromAuthor("ann@a.example")
	stamp := r.stamp(price, bob)
	token, _ := r.token(capability.Limits{Scope: "a.example", Uses: 1}, bob)
	broken := io.MultiReader(strings.NewReader(letter), iotest.ErrReader(errors.New("gone")))
	for _, c := range [][2]string{{"", stamp}, {token, ""}} {
		if got := r.send("ann@a.example", broken, rcpt(bob, c[0], c[1]))[0]; !strings.HasPrefix(got, "451 4.3.0") || r.count() != 0 {
			t.Fatal(got)
		}
		broken = io.MultiReader(strings.NewReader(letter), iotest.ErrReader(errors.New("gone")))
	}
	for name, c := range map[string][2]string{"stamp": {"", stamp}, "capability": {token, ""}} {
		r.inbox.fail = 2
		before := r.count()
		for range 2 {
			if got := r.one(c[0], c[1], "Received: from x by y; now\r\n"+letter); got != "451 4.3.0 Store is full" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if name == "stamp" {
			if got := r.one("", stamp, strings.Replace(letter, "Hello.", "Buy!", 1)); got != asks {
				t.Errorf("another message with the stamp: %s", got)
			}
		}
		if got := r.one(c[0], c[1], "Received: from x by y; later\r\n"+letter); got != taken {
			t.Errorf("%s: the same message again: %s", name, got)
		}
		if got := r.one(c[0], c[1], letter); got != asks || r.count() != before+1 {
			t.Errorf("%s: once more: %s", name, got)
		}
	}
	if got := r.one("", r.stamp(price, bob), ""); !strings.HasPrefix(got, "550 5.7.20") {
		t.Errorf("nothing: %s", got)
	}
}

// TestCapabilities holds the attacks on grants. To a stranger every refusal reads the same.
func TestCapabilities(t *testing.T) {
	now := time.Now()
	r := newRig(t)
	in := func(l capability.Limits) string { s, _ := r.token(l, bob); return s }
	revoked, id := r.token(capability.Limits{Scope: "a.example"}, bob)
	if err := r.grants.Revoke(t.Context(), capability.Revocation{ID: id}); err != nil {
		t.Fatal(err)
	}
	forged, err := capability.Issue(capability.Grant{Issuer: bob}, ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := r.token(capability.Limits{}, carol)
	good := in(capability.Limits{Scope: "a.example"})
	changed := good[:len(good)-2] + "AA"
	if changed == good { // once in 256 runs the octet was 0
		changed = good[:len(good)-2] + "AQ"
	}
	for name, tt := range map[string]struct {
		token, author, from string
		want                string
	}{
		"domain":                    {good, "ann@a.example", "ann@a.example", taken},
		"domain, other reverse":     {good, "ann@a.example", "bounce@esp.example", taken},
		"address":                   {in(capability.Limits{Scope: "ann@a.example"}), "ann@a.example", "x@esp.example", taken},
		"subdomains":                {in(capability.Limits{Scope: "*.a.example"}), "ann@x.a.example", "x@esp.example", taken},
		"bearer":                    {in(capability.Limits{}), "eve@evil.example", "eve@evil.example", taken},
		"in capitals":               {good, "Ann@A.EXAMPLE", "ann@a.example", taken},
		"IDN":                       {in(capability.Limits{Scope: "ann@xn--bcher-kva.example"}), "Ann@b\u00fccher.example", "x@esp.example", taken},
		"IDN domain":                {in(capability.Limits{Scope: "xn--bcher-kva.example"}), "ann@b\u00fccher.example", "x@esp.example", taken},
		"IDN lookalike":             {in(capability.Limits{Scope: "bucher.example"}), "ann@b\u00fccher.example", "x@esp.example", asks},
		"large enough":              {in(capability.Limits{Size: 70}), "ann@a.example", "ann@a.example", taken},
		"expires later":             {in(capability.Limits{Expires: now.Add(time.Hour)}), "ann@a.example", "ann@a.example", taken},
		"another domain":            {good, "eve@evil.example", "ann@a.example", asks},
		"prefixed domain":           {good, "eve@evila.example", "ann@a.example", asks},
		"domain as prefix":          {good, "eve@a.example.evil.com", "ann@a.example", asks},
		"subdomain":                 {good, "ann@x.a.example", "ann@a.example", asks},
		"domain for its subdomains": {in(capability.Limits{Scope: "*.a.example"}), "ann@a.example", "ann@a.example", asks},
		"another address":           {in(capability.Limits{Scope: "ann@a.example"}), "eve@a.example", "ann@a.example", asks},
		"expired":                   {in(capability.Limits{Expires: now.Add(-time.Second)}), "ann@a.example", "ann@a.example", asks},
		"not yet":                   {in(capability.Limits{NotBefore: now.Add(time.Hour)}), "ann@a.example", "ann@a.example", asks},
		"too small":                 {in(capability.Limits{Size: 20}), "ann@a.example", "ann@a.example", asks},
		"revoked":                   {revoked, "ann@a.example", "ann@a.example", asks},
		"for another":               {foreign, "ann@a.example", "ann@a.example", asks},
		"of another key":            {forged.String(), "ann@a.example", "ann@a.example", asks},
		"junk":                      {"AQID", "ann@a.example", "ann@a.example", asks},
		"last octet changed":        {changed, "ann@a.example", "ann@a.example", asks},
	} {
		for _, where := range []string{"parameter", "header"} {
			before := r.count()
			letter, c := fromAuthor(tt.author), tt.token
			if where == "header" {
				letter, c = fromAuthor(tt.author, "Delivery-Capability: "+tt.token[:4]+"\r\n "+tt.token[4:]+"\r\n"), ""
			}
			got := r.send(tt.from, strings.NewReader(letter), rcpt(bob, c, ""))[0]
			if got != tt.want || (got == taken) != (r.count() == before+1) {
				t.Errorf("%s, %s: %s", name, where, got)
			}
			if m, _ := r.inbox.last(); got == taken && (!strings.HasPrefix(m, "Mailbricks-Decision: class=trusted; channel=") || strings.Contains(m, tt.token)) {
				t.Errorf("%s, %s: %q", name, where, m)
			}
		}
	}
	// What the author says of itself is not what is authenticated.
	if got := r.one(good, "", "From: ann@a.example\r\n\r\n"); !strings.HasPrefix(got, "550 5.7.20") {
		t.Errorf("not authenticated: %s", got)
	}
	if got := r.one(good, "", strings.Replace(fromAuthor("ann@a.example"), "mx.example.org", "mx.evil.example", 1)); !strings.HasPrefix(got, "550 5.7.20") {
		t.Errorf("authenticated by another: %s", got)
	}
	if got := r.one(good, "", "From: eve@evil.example\r\n"+fromAuthor("ann@a.example")); !strings.HasPrefix(got, "550 5.7.22") {
		t.Errorf("two authors: %s", got)
	}
}

// TestSingleUse: of two deliveries at once on a single use one succeeds, and the other is told to come again.
func TestSingleUse(t *testing.T) {
	r := newRig(t)
	token, _ := r.token(capability.Limits{Scope: "a.example", Uses: 1}, bob)
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			reply := r.one(token, "", fromAuthor("ann@a.example", fmt.Sprintf("Message-ID: <%d@a.example>\r\n", i)))
			mu.Lock()
			got[reply]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[taken] != 1 || got[taken]+got[asks]+got["451 4.7.1 Cannot decide now, try again later"] != 50 || r.count() != 1 {
		t.Errorf("%v, %d letters", got, r.count())
	}
	token, _ = r.token(capability.Limits{Scope: "a.example", Uses: 1}, bob)
	twice := r.send("ann@a.example", strings.NewReader(fromAuthor("ann@a.example")), rcpt(bob, token, ""), rcpt(bob, token, ""))
	if twice[0] != taken || twice[1] != "451 4.7.1 Cannot decide now, try again later" {
		t.Errorf("twice in one transaction: %q", twice)
	}
}

// TestMeanwhile: what ends between RCPT and the end of the message does not let it in.
func TestMeanwhile(t *testing.T) {
	for name, end := range map[string]func(r *rig, id capability.ID){
		"revoked": func(r *rig, id capability.ID) {
			if err := r.grants.Revoke(r.Context(), capability.Revocation{ID: id}); err != nil {
				r.Error(err)
			}
		},
		"a new epoch": func(r *rig, _ capability.ID) {
			if err := r.grants.Revoke(r.Context(), capability.Revocation{Issuer: bob, Before: 1}); err != nil {
				r.Error(err)
			}
		},
		"expired": func(*rig, capability.ID) { time.Sleep(time.Hour) }, // on synctest's clock
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			token, id := r.token(capability.Limits{Scope: "a.example", Expires: time.Now().Add(time.Minute)}, bob)
			letter := fromAuthor("ann@a.example")
			body := io.MultiReader(strings.NewReader(letter[:len(letter)-3]), readerFunc(func([]byte) (int, error) { end(r, id); return 0, io.EOF }), strings.NewReader(letter[len(letter)-3:]))
			if got := r.send("ann@a.example", body, rcpt(bob, token, ""))[0]; got != asks || r.count() != 0 {
				t.Errorf("%s: %s, %d letters", name, got, r.count())
			}
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestStampExpires: a stamp is good for 28 days and the grace, on the clock.
func TestStampExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first, second, third := r.stamp(price, bob), r.stamp(price, bob), r.stamp(price, bob)
		if got := r.one("", first, fromAuthor("ann@a.example")); got != taken {
			t.Error(got)
		}
		time.Sleep(29 * 24 * time.Hour)
		if got := r.one("", first, fromAuthor("ann@a.example")); got != asks {
			t.Errorf("spent, 29 days later: %s", got)
		}
		if got := r.one("", second, fromAuthor("ann@a.example")); got != taken {
			t.Errorf("after 29 days: %s", got)
		}
		time.Sleep(2 * 24 * time.Hour)
		if got := r.one("", third, fromAuthor("ann@a.example")); got != asks {
			t.Errorf("after 31 days: %s", got)
		}
	})
}

// down is every store, out of order.
type down struct{}

var errDown = errors.New("down")

func (down) Spend(context.Context, string, time.Time) (bool, error) { return false, errDown }
func (down) Reserve(context.Context, capability.Use) (capability.Reservation, error) {
	return capability.Reservation{}, errDown
}
func (down) Commit(context.Context, capability.Reservation, [32]byte) error { return errDown }
func (down) Release(context.Context, capability.Reservation) error          { return errDown }
func (down) Revoke(context.Context, capability.Revocation) error            { return errDown }
func (down) Relation(context.Context, string, string) (policy.Relation, error) {
	return policy.Relation{}, errDown
}
func (down) SetRelation(context.Context, string, string, policy.Relation) error { return errDown }
func (down) Get(context.Context, string, string) (t capability.Token, ok bool, err error) {
	return t, false, errDown
}
func (down) Put(context.Context, string, capability.Token) error { return errDown }
func (down) Drop(context.Context, string, capability.ID) error   { return errDown }

// TestStoresDown: a store that does not answer is a temporary failure, and nothing comes in.
func TestStoresDown(t *testing.T) {
	for name, tt := range map[string]struct {
		change        func(*policy.Gate)
		stamp, header bool
		token         bool
	}{
		"spent stamps":            {change: func(g *policy.Gate) { g.Postage = []policy.Tariff{policy.Hashcash(down{})} }, stamp: true},
		"spent stamps, header":    {change: func(g *policy.Gate) { g.Postage = []policy.Tariff{policy.Hashcash(down{})} }, header: true},
		"grants":                  {change: func(g *policy.Gate) { g.Capabilities.Store = down{} }, token: true},
		"acquaintances":           {change: func(g *policy.Gate) { g.Relations = down{} }},
		"acquaintances, at RCPT":  {change: func(g *policy.Gate) { g.Relations = down{}; g.Early = true }},
		"acquaintances and stamp": {change: func(g *policy.Gate) { g.Relations = down{} }, stamp: true},
	} {
		r := newRig(t, tt.change)
		token, stamp, fields := "", "", ""
		if tt.token {
			token, _ = r.token(capability.Limits{}, bob)
		}
		if tt.stamp {
			stamp = r.stamp(price, bob)
		}
		if tt.header {
			fields = "X-Hashcash: " + r.stamp(price, bob) + "\r\n"
		}
		if got := r.one(token, stamp, fromAuthor("ann@a.example", fields)); got != "451 4.7.1 Cannot decide now, try again later" || r.count() != 0 {
			t.Errorf("%s: %s", name, got)
		}
	}
}
