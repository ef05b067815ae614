package report

import (
	"errors"
	"net/netip"
	"time"

	"github.com/mailbricks/mailbricks/dmarc"
)

// Limits of a report that is read.
const (
	MaxReport   = 64 << 20 // octets of XML
	MaxMessage  = 16 << 20 // octets of the mail that carries it
	MaxRecords  = 200000
	MaxRowParts = 100  // signatures, SPF results or reasons of one record (RFC 9990 §3.1.3)
	MaxText     = 4096 // octets of one element; what is longer is cut
	maxDepth    = 32
	maxProblems = 100
)

// Why a report is refused. They are wrapped with the cause and the place.
var (
	ErrReport   = errors.New("report: malformed report")
	ErrLimit    = errors.New("report: report is over a limit")
	ErrNoReport = errors.New("report: no report in the message")
)

// An Aggregate is an aggregate report (RFC 9990 §3.1.1).
type Aggregate struct {
	Organization string // who reports
	Contact      string // an address of theirs
	ExtraContact string
	ID           string
	Begin, End   time.Time
	Errors       []string // about the domain's DMARC record
	Generator    string
	Policy       Published
	Records      []Record
	// Problems lists what a report that was read has wrong, for people.
	Problems []string
}

// Published is the policy that a receiver found (RFC 9990 §3.1.1.5).
type Published struct {
	Domain                string
	Discovery             string // "treewalk", or "psl" for the way of RFC 7489; "" if not told
	P, SP, NP             dmarc.Policy
	StrictDKIM, StrictSPF bool
	Testing               bool
	FO                    string // failure reporting options
}

// A Record is the messages from one address that went the same way (RFC 9990 §3.1.1.7).
type Record struct {
	SourceIP netip.Addr
	Count    int64
	// Disposition is what was done: "none", "pass", "quarantine" or "reject".
	Disposition string
	// DKIM and SPF say whether an aligned domain was authenticated: dmarc.Pass or dmarc.Fail.
	DKIM, SPF dmarc.Value
	Reasons   []Reason
	// HeaderFrom is the author domain, EnvelopeFrom that of MAIL FROM, EnvelopeTo that of RCPT TO.
	HeaderFrom, EnvelopeFrom, EnvelopeTo string
	// Signatures and Sender are the results themselves, aligned or not.
	Signatures []Signature
	Sender     []Sender // one at most since RFC 9990
}

// A Reason is why something else was done than the policy asks for (RFC 9990 §3.1.6).
type Reason struct {
	Type    string // "local_policy", "mailing_list", "other", "policy_test_mode" or "trusted_forwarder"
	Comment string
}

// A Signature is a result of DKIM.
type Signature struct {
	Domain, Selector string
	Result           string // keyword of RFC 8601 §2.7.1
	Human            string
}

// A Sender is a result of SPF.
type Sender struct {
	Domain string
	Scope  string // "mfrom", "helo" before RFC 9990
	Result string // keyword of RFC 8601 §2.7.2
	Human  string
}
