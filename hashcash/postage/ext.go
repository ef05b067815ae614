package postage

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/hashcash"
)

// digestCode is strict: of two spellings of one digest, one would be another stamp.
var digestCode = base64.RawURLEncoding.Strict()

// Ext returns what a binding but the recipient is in the extension field of a stamp: "from=example.org;digest=...", the
// digest in base64url. A domain of other than letters, digits, hyphens, dots and underscores is ErrDemand.
func (b Binding) Ext() (string, error) {
	var parts []string
	if b.Sender != "" {
		for _, c := range []byte(b.Sender) {
			if c >= 0x80 || !(c == '-' || c == '.' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z') {
				return "", fmt.Errorf("%w: %q is no domain", ErrDemand, b.Sender)
			}
		}
		parts = append(parts, "from="+strings.ToLower(b.Sender))
	}
	if b.Digest != ([32]byte{}) {
		parts = append(parts, "digest="+digestCode.EncodeToString(b.Digest[:]))
	}
	return strings.Join(parts, ";"), nil
}

// ParseExt reads the extension field of a stamp for recipient. Other extensions are left alone; a binding twice, or a
// digest that is none, is hashcash.ErrSyntax.
func ParseExt(recipient, ext string) (Binding, error) {
	b := Binding{Recipient: recipient}
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(ext, ";") {
		name, value, _ := strings.Cut(part, "=")
		if name != "from" && name != "digest" {
			continue
		}
		if seen[name] || value == "" {
			return Binding{}, fmt.Errorf("%w: extension %q", hashcash.ErrSyntax, part)
		}
		seen[name] = true
		if name == "from" {
			b.Sender = value
			continue
		}
		sum, err := digestCode.DecodeString(value)
		if err != nil || len(sum) != len(b.Digest) {
			return Binding{}, fmt.Errorf("%w: digest %q", hashcash.ErrSyntax, value)
		}
		copy(b.Digest[:], sum)
	}
	return b, nil
}
