package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Price is what a refusal asks of an unknown sender. In the text of a reply it stands as
//
//	550-5.7.1 Unknown sender, capability not established
//	550 5.7.1 Postage: scheme=hashcash; bits=20; resource=bob@example.com
type Price struct {
	Scheme string // kind of stamp: SchemeHashcash
	Bits   int    // 1 to 160
	// Resource is what the stamp must be made for; "" is the recipient's address.
	Resource string
}

// SchemeHashcash is the Scheme of package hashcash.
const SchemeHashcash = "hashcash"

const (
	priceMark = "Postage:"
	// maxPrices is how many prices of one reply are read.
	maxPrices = 8
)

// String returns the price as it stands in a reply.
func (p Price) String() string {
	s := fmt.Sprintf("%s scheme=%s; bits=%d", priceMark, p.Scheme, p.Bits)
	if p.Resource != "" {
		s += "; resource=" + p.Resource
	}
	return s
}

// ParsePrices returns the prices that a refusal names: those of a 5yz reply with the code 5.7.1, wherever in its text, the
// first 8. Tags that are not known are skipped; a price without scheme or with bits out of range is none.
func ParsePrices(r smtp.Reply) []Price {
	if !r.Permanent() || r.Enhanced != (smtp.EnhancedCode{5, 7, 1}) {
		return nil
	}
	var out []Price
	words := strings.Fields(r.Text())
	for len(out) < maxPrices {
		i := slices.Index(words, priceMark)
		if i < 0 {
			break
		}
		words = words[i+1:]
		n := 0
		for n < len(words) && words[n] != priceMark {
			n++
			if !strings.HasSuffix(words[n-1], ";") { // the last tag
				break
			}
		}
		if p, ok := parsePrice(words[:n]); ok {
			out = append(out, p)
		}
	}
	return out
}

func parsePrice(tags []string) (p Price, ok bool) {
	seen := make(map[string]bool)
	for _, tag := range tags {
		name, value, found := strings.Cut(strings.TrimSuffix(tag, ";"), "=")
		if !found || name == "" || value == "" || seen[name] {
			return Price{}, false
		}
		seen[name] = true
		switch name {
		case "scheme":
			p.Scheme = value
		case "bits":
			n, err := strconv.Atoi(value)
			if err != nil || strconv.Itoa(n) != value || n < 1 || n > hashcash.MaxBits {
				return Price{}, false
			}
			p.Bits = n
		case "resource":
			p.Resource = value
		}
	}
	return p, p.Scheme != "" && p.Bits != 0
}

// resource returns the address of a recipient as it stands in a stamp: what cannot stand there is written as %XX.
func resource(to smtp.Path) string {
	var b strings.Builder
	for _, c := range []byte(to.Address()) {
		if c <= ' ' || c > '~' || c == ':' || c == ';' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return strings.ToLower(b.String())
}
