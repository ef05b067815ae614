package mailrelay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/queue"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// Config says what a Relay is made of. Hostname, Spool and Next are needed.
type Config struct {
	// Hostname is the name of this host: in greetings, trace fields, notifications, and as authserv-id.
	Hostname string
	// Local are the domains whose mail goes to Deliver.
	Local []string
	// Deliver takes the mail of Local: a client that speaks LMTP, a store. It answers for each recipient.
	Deliver smtp.Handler
	// Next takes the mail of all other domains: a router, a smarthost's client.
	Next smtp.Handler
	// Spool is the queue's storage. It stays the caller's, who closes it after Run has returned.
	Spool queue.Spool
	// Resolver is asked by the checks of incoming mail; SecureResolver, if not nil, in its place, and tells the DNSSEC
	// state.
	Resolver       auth.Resolver
	SecureResolver auth.SecureResolver
	// Policy is what is done about incoming mail.
	Policy Policy
	// Gate asks unknown senders for a capability or postage, behind the checks; its AuthServID is Hostname. Opener lets
	// those answer to whom users write, Aliaser writes to the correspondent of a channel from the channel, Payer pays for
	// users. Each may be nil. Package contacts makes them.
	Gate    *policy.Gate
	Opener  *policy.Opener
	Aliaser *policy.Aliaser
	Payer   *policy.Payer
	// Keys finds what signs the mail of users, and notifications, as policy.Signer does; nil: nothing. See policy.KeyRing.
	Keys func(ctx context.Context, domain string) ([]dkim.Signer, error)

	// Retry, Expire and Warn are those of queue.Config.
	Retry        []time.Duration
	Expire, Warn time.Duration
	// MaxSize is the longest message in bytes, default 64 MiB; MaxRecipients, the most recipients of one, default 100.
	MaxSize       int64
	MaxRecipients int
	// Limits are the further ones of the servers; MessageSize and Recipients are those above.
	Limits smtpserver.Limits
	// Timeouts are those of the servers, XClient the networks whose word is taken by XCLIENT.
	Timeouts smtpserver.Timeouts
	XClient  []netip.Prefix

	// TLS offers STARTTLS on the servers; nil: none.
	TLS *tls.Config
	// Authenticator knows the users of Submission.
	Authenticator sasl.Authenticator
	// AllowPlaintextAuth lets users log in without TLS, which RFC 4954 §4 forbids off loopback.
	AllowPlaintextAuth bool

	// OnEvent, if not nil, is told of each step of a letter through this relay, when the step is over. It is called by
	// several goroutines at once and must not block.
	OnEvent func(Event)
	// OnReport, if not nil, is told what was found out about each incoming message, before it is taken or refused.
	OnReport func(ctx context.Context, r *policy.Report)
	// Logger is told what becomes of each message; nil is silent.
	Logger *slog.Logger
}

// A Policy is what a Relay does about mail from strangers.
type Policy int

// Policies. The zero value is Verify.
const (
	// Verify adds Authentication-Results and obeys the author domain's DMARC policy.
	Verify Policy = iota
	// Open adds Authentication-Results alone.
	Open
)

// DefaultMaxSize is the default of Config.MaxSize.
const DefaultMaxSize = 64 << 20

// A Relay takes mail at MX and Submission and sends it on while Run runs.
type Relay struct {
	c          Config
	log        *slog.Logger
	local      map[string]bool
	queue      *queue.Queue
	mx, submit smtp.Handler
	counts     counts
	start      time.Time
}

// New assembles a Relay. Nothing runs yet.
func New(c Config) (*Relay, error) {
	switch {
	case c.Hostname == "":
		return nil, errors.New("mailrelay: no Hostname")
	case c.Spool == nil:
		return nil, errors.New("mailrelay: no Spool")
	case c.Next == nil:
		return nil, errors.New("mailrelay: no Next")
	case len(c.Local) > 0 && c.Deliver == nil:
		return nil, errors.New("mailrelay: local domains without Deliver")
	case len(c.Local) > 0 && c.Resolver == nil && c.SecureResolver == nil:
		return nil, errors.New("mailrelay: local domains without Resolver")
	case c.Policy != Verify && c.Policy != Open:
		return nil, fmt.Errorf("mailrelay: unknown policy %d", c.Policy)
	}
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if c.MaxRecipients == 0 {
		c.MaxRecipients = 100
	}
	r := &Relay{c: c, log: c.Logger, local: make(map[string]bool), start: time.Now()}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	for _, d := range c.Local {
		r.local[fold(d)] = true
	}
	r.assemble()
	return r, nil
}

// assemble puts the Handlers one before another.
func (r *Relay) assemble() {
	c := &r.c
	limits := policy.Limits{Message: c.MaxSize}
	signer := policy.Signer{Keys: c.Keys, Limits: limits}
	if c.Deliver != nil {
		c.Deliver = r.observe(Deliver, c.Deliver)
	}
	next := r.observe(Next, c.Next)
	if c.Payer != nil {
		next = c.Payer.Handler(next)
	}
	r.queue = queue.New(queue.Config{
		Spool: c.Spool, Next: dispatcher{r, next, signer}, Hostname: c.Hostname,
		Retry: c.Retry, Expire: c.Expire, Warn: c.Warn, MaxSize: roomy(c.MaxSize), Logger: c.Logger,
	})
	var in smtp.Handler = incoming{r}
	if c.Gate != nil {
		gate := *c.Gate
		gate.AuthServID = c.Hostname
		in = gate.Handler(in)
	}
	verifier := policy.Verifier{ID: c.Hostname, Resolver: c.Resolver, SecureResolver: c.SecureResolver, ReportOnly: c.Policy == Open, Limits: limits, Report: r.verified}
	r.mx = r.observe(MX, verifier.Handler(in))
	out := signer.Handler(r.queue)
	if c.Aliaser != nil {
		out = c.Aliaser.Handler(out)
	}
	if c.Opener != nil {
		out = c.Opener.Handler(out)
	}
	r.submit = r.observe(Submission, users{c.Hostname, out})
}

// roomy is the limit of the queue for messages of at most n bytes, to which trace fields and signatures are added.
func roomy(n int64) int64 {
	if n < 0 {
		return n
	}
	return n + 1<<20
}

// fold brings a domain into the form in which domains are compared: A-labels in lower case.
func fold(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		return a
	}
	return strings.ToLower(domain)
}

// isLocal reports whether mail to p goes to Deliver. Postmaster without a domain is ours (RFC 5321 §4.5.1).
func (r *Relay) isLocal(p smtp.Path) bool {
	if p.Domain == "" {
		return len(r.local) > 0 && !p.IsNull()
	}
	return r.local[fold(p.Domain)]
}

// MX returns the Handler of mail from strangers, for local domains.
func (r *Relay) MX() smtp.Handler { return r.mx }

// Submission returns the Handler of mail from authenticated users, for any domain.
func (r *Relay) Submission() smtp.Handler { return r.submit }

// Queue returns the queue.
func (r *Relay) Queue() *queue.Queue { return r.queue }

// Run sends what is in the queue, until ctx ends; it then goes on with what is under way for a few seconds at most,
// stores the outcome and returns nil. It returns an error before that if the Spool does not work any more. It is called
// once.
func (r *Relay) Run(ctx context.Context) error {
	if err := r.queue.Run(ctx); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}
