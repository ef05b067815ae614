package sandbox

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// Ports of the hosts of the world.
const (
	portSMTP       = 25
	portLMTP       = 24
	portHTTPS      = 443
	portSubmission = 587
	portIMAPS      = 993
	portPOP3S      = 995
)

// A domain is one of the domains that the world is made of: a name, hosts with addresses, keys, a user.
type domain struct {
	name     string
	user     string // address of its user, who is the account's name too
	password string
	// Addresses of the host that relays, of the one that keeps the mail, and of the one that serves the MTA-STS policy.
	mxAddr, mailAddr, policyAddr netip.Addr
	spf                          string
	algorithm                    dkim.Algorithm
	sts                          mtasts.Policy

	jmap      *jmapclient.Client
	reading   sync.Mutex
	claimed   map[[sha256.Size]byte]bool // messages that letters were found to be, under reading
	relations policystore.MemoryRelations
	wallet    policystore.MemoryWallet
	// postage says that strangers pay postage, or bring a capability.
	postage      bool
	grantKey     crypto.Signer
	capabilities capability.Verifier
	spent        hashcash.MemoryStore
}

// covers reports whether a name is that of the domain or below.
func (d *domain) covers(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == d.name || strings.HasSuffix(name, "."+d.name)
}

func (d *domain) mx() string     { return "mx." + d.name }
func (d *domain) mail() string   { return "mail." + d.name }
func (d *domain) mtasts() string { return "mta-sts." + d.name }

// The three domains. Their addresses are from the ranges for documentation (RFC 5737), their names from the top-level
// domain for examples (RFC 2606 §2).
func newDomains() []*domain {
	make := func(name, user, prefix, spf string, a dkim.Algorithm) *domain {
		addr := func(host string) netip.Addr { return netip.MustParseAddr(prefix + host) }
		d := &domain{name: name, user: user + "@" + name, password: user + "-secret", spf: spf, algorithm: a, claimed: make(map[[sha256.Size]byte]bool),
			mxAddr: addr("25"), mailAddr: addr("143"), policyAddr: addr("80")}
		d.sts = mtasts.Policy{Mode: mtasts.ModeEnforce, MX: []string{d.mx()}, MaxAge: 7 * 24 * 3600e9}
		return d
	}
	all := []*domain{
		make("harbour.example", "alice", "192.0.2.", "v=spf1 mx -all", dkim.RSASHA256),
		make("meadow.example", "bob", "198.51.100.", "v=spf1 ip4:198.51.100.25 -all", dkim.Ed25519SHA256),
		make("summit.example", "carol", "203.0.113.", "v=spf1 a:mx.summit.example -all", dkim.Ed25519SHA256),
	}
	all[2].postage = true
	return all
}

// Hosts that belong to no domain of the world.
var (
	movedAddr    = netip.MustParseAddr("203.0.113.66") // where a relay connects from that SPF does not list
	strangerAddr = netip.MustParseAddr("192.0.2.99")   // a host of somebody who forges
)

// strangerDomain is the domain of somebody who forges. Its own mail is in order.
const strangerDomain = "stranger.example"

// selector is that of all keys.
const selector = "w1"

// publish writes the records of a domain: what someone who sets it up puts into DNS.
func (d *domain) publish(z *dnstest.Zone, key crypto.PublicKey) error {
	z.AddMX(d.name, 10, d.mx())
	z.AddAddr(d.mx(), d.mxAddr)
	z.AddAddr(d.mail(), d.mailAddr)
	z.AddAddr(d.mtasts(), d.policyAddr)
	z.AddPTR(d.mxAddr, d.mx())
	z.AddTXT("_mta-sts."+d.name, string(mtasts.Record{ID: "1"}.Append(nil)))
	return publishSender(z, d.name, d.spf, key)
}

// publishSender writes the three records by which mail of a domain is told from forgeries.
func publishSender(z *dnstest.Zone, name, spf string, key crypto.PublicKey) error {
	rec, err := dkim.AppendRecord(nil, key)
	if err != nil {
		return fmt.Errorf("key of %s: %w", name, err)
	}
	z.AddTXT(name, spf)
	z.AddTXT(selector+"._domainkey."+name, string(rec))
	z.AddTXT("_dmarc."+name, string(dmarc.Record{P: dmarc.PolicyReject}.Append(nil)))
	return nil
}

// Limits of what letters from outside can make the world grow by.
const (
	maxGuests      = 1000
	maxGuestLength = 200 // octets of a name
)

// keys are the signing keys by domain, of those of the world and of guests: domains that letters name as their
// author's, and that get records of their own when the first letter comes.
type keys struct {
	zone    *dnstest.Zone
	home    string // whose relay sends for guests
	mu      sync.Mutex
	signers map[string]dkim.Signer
	guests  int
	wrong   map[dkim.Algorithm]crypto.Signer // keys that are in no record, made when they are asked for
}

func (k *keys) add(name string, key crypto.Signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signers[name] = dkim.Signer{Domain: name, Selector: selector, Key: key}
}

// invite gives a domain what it takes to send mail from the world. It does nothing for a domain that has it already.
func (k *keys) invite(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.signers[name]; ok {
		return nil
	}
	if k.guests == maxGuests || len(name) > maxGuestLength {
		return fmt.Errorf("no room for the domain %s in this world", name[:min(len(name), 60)])
	}
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		return err
	}
	if err := publishSender(k.zone, name, "v=spf1 include:"+k.home+" -all", key.Public()); err != nil {
		return err
	}
	k.zone.AddMX(name, 0, ".") // it takes no mail (RFC 7505)
	k.signers[name] = dkim.Signer{Domain: name, Selector: selector, Key: key}
	k.guests++
	return nil
}

// find returns the signers for an author domain; "" is that of letters that name no author. Those, and letters of domains
// that can have no key, are signed by the first domain, which sends them. wrong asks for a key that is in no record.
func (k *keys) find(name string, wrong bool) ([]dkim.Signer, error) {
	name = strings.ToLower(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.signers[name]
	if !strings.Contains(name, ".") {
		s, ok = k.signers[k.home], true
	}
	if name == "" {
		s.Headers = dkim.DefaultHeaders()
	}
	if !ok {
		return nil, nil
	}
	if wrong {
		key, err := k.wrongKey(s.Key)
		if err != nil {
			return nil, err
		}
		s.Key = key
	}
	return []dkim.Signer{s}, nil
}

// wrongKey returns another key of the same kind.
func (k *keys) wrongKey(right crypto.Signer) (crypto.Signer, error) {
	a := dkim.Ed25519SHA256
	if _, ok := right.Public().(*rsa.PublicKey); ok {
		a = dkim.RSASHA256
	}
	if k.wrong[a] == nil {
		key, err := dkim.GenerateKey(a)
		if err != nil {
			return nil, err
		}
		k.wrong[a] = key
	}
	return k.wrong[a], nil
}
