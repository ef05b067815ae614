package channel

import (
	"net/mail"
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
)

// Rewrite returns a header section in which From, Sender and Reply-To name alias instead of owner, so that an answer takes
// the channel. Display names and other addresses stay; fields without owner stay as they are, to the octet. A letter that
// goes to others too would show them the alias, so it is for letters to the one correspondent. Sign after it, not before.
func Rewrite(section []byte, owner, alias string) []byte {
	out := make([]byte, 0, len(section)+len(alias))
	n := 0
	for f := range header.Fields(section) {
		n += len(f.Raw)
		list, ok := renamed(f, address.Canonical(owner), alias)
		if !ok {
			out = append(out, f.Raw...)
			continue
		}
		out = append(append(out, f.Name...), ':')
		for i, a := range list {
			if i > 0 {
				out = append(out, ",\r\n"...)
			}
			out = append(append(out, ' '), a.String()...)
		}
		out = append(out, "\r\n"...)
	}
	return append(out, section[n:]...)
}

// renamed returns the addresses of a field with alias for owner; ok is false if owner is not among them.
func renamed(f header.Field, owner, alias string) (list []*mail.Address, ok bool) {
	if !f.Is("From") && !f.Is("Sender") && !f.Is("Reply-To") {
		return nil, false
	}
	list, err := mail.ParseAddressList(strings.NewReplacer("\r", "", "\n", "").Replace(string(f.Value)))
	if err != nil {
		return nil, false
	}
	for _, a := range list {
		if address.Canonical(a.Address) == owner {
			a.Address, ok = alias, true
		}
	}
	return list, ok
}
