package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/auth/reputation"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/spf"
)

// Defaults of a Budget.
const (
	// DefaultQueries leaves room for the most that one SPF check may ask (RFC 7208 §4.6.4: the record, ten mx terms of
	// ten hosts, an explanation, 112 in all) and for the others.
	DefaultQueries = 150
	DefaultTime    = 30 * time.Second
)

// A Budget is what the checks of one message may use, all together. The zero value has the defaults.
type Budget struct {
	// Queries is how many different questions may be asked of DNS, three quarters of them by SPF, a tenth by ARC and by
	// IPRev each; 0: DefaultQueries.
	Queries int
	// Signatures is how many DKIM signatures are checked; 0: dkim.DefaultMaxSignatures.
	Signatures int
	// Time bounds the questions of each stage: from Begin for SPF, from Header for keys and policy, from Verdict for
	// what only the results make a question; 0: DefaultTime. SPF has 20 seconds at most.
	Time time.Duration
}

// A Checker checks messages. It is used by several goroutines at once.
type Checker struct {
	// ID is the authserv-id, by habit the name of this host (RFC 8601 §2.5).
	ID string
	// Resolver is asked; *net.Resolver is one. SecureResolver, if not nil, is asked instead and tells the DNSSEC state.
	Resolver       Resolver
	SecureResolver SecureResolver
	Budget         Budget
	// IPRev has the names of the address looked up too (RFC 8601 §3). Nothing else depends on them.
	IPRev bool
	// Discovery finds the records of DMARC; nil is dmarc.Discover, the tree walk of RFC 9989. dmarc.DiscoverSuffix is the way
	// of RFC 7489 §3.2.
	Discovery func(ctx context.Context, r dmarc.Resolver, domain string) (dmarc.Walk, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Connection is what is known of where a message comes from. Without an address SPF says none.
type Connection struct {
	IP   netip.Addr
	HELO string
	// MailFrom is the address of MAIL FROM without brackets, "" for the null sender.
	MailFrom string
}

// A Check is one message being checked: Header, then Write, then Verdict; Close in the end, at any point. It is used by
// one goroutine.
type Check struct {
	c       Checker
	asker   *asker
	conn    Connection
	sender  chan struct{} // closed when spf is there
	spf     *spf.Check
	reverse *reputation.Reverse
	endSPF  context.CancelFunc
	ctx     context.Context // of Header, for the look-ups that follow
	endKeys context.CancelFunc
	keys    *dkim.Verification
	chain   *arc.Validation
	from    []string // of fromValues
	walk    sync.WaitGroup
	verdict *Verdict
}

// Begin starts to check a message of a connection: SPF is asked for at once, within ctx. Close must be called in the end.
func (c Checker) Begin(ctx context.Context, conn Connection) *Check {
	if c.Budget.Queries == 0 {
		c.Budget.Queries = DefaultQueries
	}
	if c.Budget.Time == 0 {
		c.Budget.Time = DefaultTime
	}
	k := &Check{c: c, conn: conn, asker: newAsker(c), sender: make(chan struct{})}
	ctx, k.endSPF = context.WithTimeout(ctx, c.Budget.Time)
	var names sync.WaitGroup
	if c.IPRev && conn.IP.IsValid() {
		names.Go(func() {
			v := reputation.IPRev(ctx, view{k.asker, "iprev"}, conn.IP)
			k.reverse = &v
		})
	}
	go func() {
		defer close(k.sender)
		defer names.Wait()
		req := spf.Request{IP: conn.IP, HELO: conn.HELO, MailFrom: conn.MailFrom}
		k.spf = spf.Verify(ctx, view{k.asker, "spf"}, req, spf.Options{Receiver: c.ID, Now: c.Now})
		if over, ok := errors.AsType[*BudgetError](k.spf.Err); ok {
			k.spf.Result = spf.PermError
			if e, ok := errors.AsType[*spf.Error](k.spf.Err); ok {
				e.Code, e.Err = spf.CodeLookups, over
			}
		}
	}()
	return k
}

// Header takes the header section, with or without its empty line, and starts to ask for keys and for the author
// domain's policy. ctx bounds all that is asked from here on. It is called once.
func (k *Check) Header(ctx context.Context, section []byte) {
	k.ctx = ctx
	asking, cancel := context.WithTimeout(ctx, k.c.Budget.Time)
	k.endKeys = cancel
	v := dkim.Verifier{Resolver: view{k.asker, "dkim"}, MaxSignatures: k.c.Budget.Signatures, Now: k.c.Now}
	if k.c.SecureResolver != nil {
		v.SecureResolver = view{k.asker, "dkim"}
	}
	k.keys = v.Begin(asking, section)
	a := arc.Verifier{Resolver: view{k.asker, "arc"}, Now: k.c.Now}
	if k.c.SecureResolver != nil {
		a.SecureResolver = view{k.asker, "arc"}
	}
	k.chain = a.Begin(asking, section, k.keys)
	k.from = fromValues(section)
	discover := k.c.Discovery
	if discover == nil {
		discover = dmarc.Discover
	}
	if author, err := dmarc.AuthorDomain(k.from); err == nil {
		k.walk.Go(func() { // the answers stay in memory for Verdict
			_, _ = discover(asking, view{k.asker, "dmarc"}, author)
		})
	}
}

var errOrder = errors.New("auth: the body came before the header")

// Write takes the next piece of the body, with CRLF line ends. It fails before Header only.
func (k *Check) Write(p []byte) (int, error) {
	if k.keys == nil {
		return 0, errOrder
	}
	return k.keys.Write(p)
}

// Verdict ends the body, waits for what was asked and returns what came out.
func (k *Check) Verdict() *Verdict {
	if k.verdict != nil {
		return k.verdict
	}
	if k.keys == nil {
		k.Header(context.Background(), nil)
	}
	v := &Verdict{DKIM: k.keys.Results(), ARC: k.chain.Result()}
	v.ARC.RemoteIP = k.conn.IP.Unmap()
	<-k.sender
	v.SPF, v.IPRev = k.spf, k.reverse
	k.walk.Wait()
	ctx, cancel := context.WithTimeout(k.ctx, k.c.Budget.Time)
	defer cancel()
	m := dmarc.Message{From: k.from, Discovery: k.c.Discovery}
	if v.SPF.Result == spf.Pass && v.SPF.Identity == "mailfrom" { // RFC 9989 §4.4.2: HELO does not count
		m.SPF = v.SPF.Domain
	}
	for _, s := range v.DKIM {
		if s.Value == dkim.Pass {
			m.DKIM = append(m.DKIM, s.Signature.Domain)
		}
	}
	v.DMARC = dmarc.Verify(ctx, view{k.asker, "dmarc"}, m)
	v.Questions = k.asker.questions()
	v.Field = v.field(k.c.ID)
	k.verdict = v
	return v
}

// Close ends the questions that are under way and waits for their end.
func (k *Check) Close() error {
	k.endSPF()
	<-k.sender
	if k.keys != nil {
		k.endKeys()
		k.walk.Wait()
		return errors.Join(k.chain.Close(), k.keys.Close())
	}
	return nil
}

// Check checks a whole message. Lines of r end with CRLF; for a message with LF alone, as in a file, put a
// dkim.NewCRLFReader in front. The error is r's, or for a header section over 1 MiB.
func (c Checker) Check(ctx context.Context, conn Connection, r io.Reader) (*Verdict, error) {
	k := c.Begin(ctx, conn)
	defer k.Close()
	section, body, err := header.Split(r)
	if err != nil {
		return nil, fmt.Errorf("auth: read: %w", err)
	}
	k.Header(ctx, section)
	if _, err := body.WriteTo(k); err != nil {
		return nil, fmt.Errorf("auth: read: %w", err)
	}
	return k.Verdict(), nil
}
