// Package floors holds the import rules of the project as a table that a test walks.
//
// A family is a top-level directory, a floor is a height in it. A package imports lower floors, and its parent
// directory's package where that stands no higher; never another of its own floor. Test files are free.
// Packages under examples/ import public packages only.
package floors

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Module is the import path of the root module.
const Module = "github.com/mailbricks/mailbricks"

// Table says on which floor each package of the root module stands. Conformance suites (XXtest) stand on the
// floor of what they test.
var table = map[string]int{
	"smtp/message":           0,
	"smtp/proxyproto":        0,
	"internal/line":          0,
	"internal/header":        0,
	"internal/address":       0,
	"internal/spool":         0,
	"internal/deflate":       0,
	"internal/netguard":      0,
	"internal/packed":        0,
	"internal/backoff":       0,
	"internal/disk":          0,
	"internal/disk/disktest": 0,
	"internal/floors":        0,
	"internal/linelog":       0,
	"internal/dnsquery":      0,
	"internal/serve":         0,
	"internal/suites":        0,

	"smtp":                 1,
	"smtp/dsn":             1,
	"imap":                 1,
	"jmap":                 1,
	"jmap/blob":            1,
	"jmap/blob/blobtest":   1,
	"jmap/search":          1,
	"jmap/push/webpush":    1,
	"auth/sasl":            1,
	"auth/authres":         1,
	"dkim":                 1,
	"spf":                  1,
	"dmarc":                1,
	"dmarc/report":         1,
	"mtasts":               1,
	"mtasts/dane":          1,
	"mtasts/tlsrpt":        1,
	"hashcash":             1,
	"hashcash/spenttest":   1,
	"capability":           1,
	"capability/granttest": 1,
	"capability/grantdns":  1,

	"smtp/smtpclient":                2,
	"smtp/smtpserver":                2,
	"smtp/milter":                    2,
	"imap/imapclient":                2,
	"imap/imapserver":                2,
	"imap/pop3":                      2,
	"jmap/mail":                      2,
	"jmap/contact":                   2,
	"jmap/push":                      2,
	"jmap/jmapclient":                2,
	"jmap/jmapserver":                2,
	"auth/resolver":                  2,
	"auth/dnstest":                   2,
	"auth/arc":                       2,
	"auth/reputation":                2,
	"hashcash/postage":               2,
	"hashcash/postage/equihash":      2,
	"hashcash/postage/mbound":        2,
	"hashcash/postage/postagetest":   2,
	"hashcash/postage/ticket":        2,
	"hashcash/postage/payword":       2,
	"hashcash/postage/l402":          2,
	"capability/channel":             2,
	"capability/channel/channeltest": 2,
	"capability/e2ee":                2,

	"auth":                 3,
	"jmap/outbox":          3,
	"smtp/route":           3,
	"smtp/queue":           3,
	"smtp/queue/queuetest": 3,
	"smtp/smtptest":        3,
	"imap/imaptest":        3,

	"smtp/policy":             4,
	"smtp/policy/policystore": 4,
	"smtp/policy/policytest":  4,
	"smtp/httpmail":           4,
	"jmap/mailserver":         4,
	"jmap/contactserver":      4,
	"jmap/jmaptest":           4,
}

// thirdParty lists which packages of the root module may import which foreign path prefix; "*" is any package.
var thirdParty = map[string][]string{
	"github.com/emersion/go-message":     {"smtp/dsn", "jmap/mail", "jmap/mailserver", "smtp/httpmail", "dmarc", "capability/e2ee"},
	"github.com/emersion/go-sasl":        {"auth/sasl", "smtp/smtpclient", "smtp/smtpserver", "imap/imapclient", "imap/imapserver", "imap/pop3"},
	"github.com/miekg/dns":               {"internal/dnsquery", "auth/resolver", "auth/dnstest"},
	"golang.org/x/net/idna":              {"*"},
	"golang.org/x/net/publicsuffix":      {"dmarc", "dkim"},
	"golang.org/x/net/http2":             {"jmap/jmapserver", "smtp/httpmail"},
	"golang.org/x/crypto":                {"*"},
	"golang.org/x/text":                  {"*"},
	"golang.org/x/sys/cpu":               {"hashcash", "hashcash/postage/equihash"},
	"github.com/go-json-experiment/json": {"jmap"},
	"github.com/coder/websocket":         {"jmap/jmapclient", "jmap/push"},
	"github.com/cloudflare/circl":        {"hashcash/postage/ticket"},
}

// A Violation is one import that the table forbids.
type Violation struct {
	File   string // slash-separated, from the root of the tree
	Import string // empty where the package itself has no floor
	Rule   string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.File, v.Import, v.Rule) }

// Check walks every Go file of every module below fsys, test files left out, and returns the violations.
func Check(fsys fs.FS) ([]Violation, error) {
	var out []Violation
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(p)
		if nested(fsys, dir) && !strings.HasPrefix(dir+"/", "examples/") {
			return nil // generators and measuring: nested modules that stand on no floor
		}
		if _, ok := table[dir]; !ok && !strings.HasPrefix(dir+"/", "examples/") {
			out = append(out, Violation{File: p, Rule: "package stands on no floor"})
			return nil
		}
		for _, im := range f.Imports {
			imp := strings.Trim(im.Path.Value, `"`)
			if rule := forbidden(dir, imp); rule != "" {
				out = append(out, Violation{File: p, Import: imp, Rule: rule})
			}
		}
		return nil
	})
	return out, err
}

// nested reports whether dir belongs to a module other than the root one.
func nested(fsys fs.FS, dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, err := fs.Stat(fsys, dir+"/go.mod"); err == nil {
			return true
		}
	}
	return false
}

// forbidden returns the rule that an import of imp by the package in dir breaks, or "".
func forbidden(dir, imp string) string {
	if imp == "C" || imp == "unsafe" {
		return "no cgo, no unsafe"
	}
	to, ours := strings.CutPrefix(imp, Module+"/")
	example := strings.HasPrefix(dir+"/", "examples/")
	switch {
	case example && ours && (strings.HasPrefix(to, "internal/") || strings.Contains(to, "/internal/")):
		return "an example imports internal/"
	case example:
		return ""
	case ours:
		high, ok := table[to]
		if !ok {
			return "imports a package that stands on no floor"
		}
		parent := path.Dir(dir) == to
		if high < table[dir] || parent && high == table[dir] {
			return ""
		}
		return fmt.Sprintf("floor %d imports floor %d", table[dir], high)
	case strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
		for prefix, who := range thirdParty {
			if (imp == prefix || strings.HasPrefix(imp, prefix+"/")) && (slices.Contains(who, "*") || slices.Contains(who, dir)) {
				return ""
			}
		}
		return "third-party import that is not on this package's list"
	}
	return ""
}
