package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// TokenSet returns a sasl.TokenChecker that knows these tokens by their users, one each. What is given is compared with
// all of them in constant time.
func TokenSet(tokens map[string]string) sasl.TokenChecker {
	type entry struct {
		user   string
		digest [sha256.Size]byte
	}
	var set []entry
	for user, token := range tokens {
		if user == "" || token == "" {
			continue
		}
		set = append(set, entry{user, sha256.Sum256([]byte(token))})
	}
	return func(_ context.Context, user, token string) (string, error) {
		given := sha256.Sum256([]byte(token))
		found := ""
		for _, e := range set {
			if subtle.ConstantTimeCompare(e.digest[:], given[:]) == 1 {
				found = e.user
			}
		}
		if found == "" || user != "" && !strings.EqualFold(user, found) {
			return "", sasl.ErrCredentials
		}
		return found, nil
	}
}
