package cli

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSecretFile bounds the file behind NAME:@FILE.
const maxSecretFile = 64 << 10

// Users is a repeatable flag of NAME:PASSWORD or NAME:@FILE, for passwords and tokens. FILE holds the password alone;
// one line ending at its end is dropped. NAME ends at the first colon. A name given twice keeps the later value.
type Users struct {
	names   []string
	secrets map[string]string
}

// Set adds one NAME:PASSWORD.
func (u *Users) Set(s string) error {
	name, secret, ok := strings.Cut(s, ":")
	if !ok || name == "" {
		return errors.New("want NAME:PASSWORD or NAME:@FILE") // s may hold a password: not repeated
	}
	if file, ok := strings.CutPrefix(secret, "@"); ok {
		b, err := readSmall(file)
		if err != nil {
			return err
		}
		secret = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	if secret == "" {
		return fmt.Errorf("empty password for %s", name)
	}
	if u.secrets == nil {
		u.secrets = make(map[string]string)
	}
	if _, ok := u.secrets[name]; !ok {
		u.names = append(u.names, name)
	}
	u.secrets[name] = secret
	return nil
}

// String lists the names alone, so that no password is printed as a default or in an error.
func (u *Users) String() string {
	if u == nil {
		return ""
	}
	return strings.Join(u.names, ",")
}

// Names returns the names in the order given.
func (u *Users) Names() []string { return slices.Clone(u.names) }

// Password returns the password of name.
func (u *Users) Password(name string) (string, bool) {
	s, ok := u.secrets[name]
	return s, ok
}

func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSecretFile {
		return nil, fmt.Errorf("%s: more than %d bytes for a password", name, maxSecretFile)
	}
	return os.ReadFile(name)
}

// A List is a repeatable string flag.
type List []string

// Set adds one value.
func (l *List) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// String joins the values with commas.
func (l *List) String() string {
	if l == nil {
		return ""
	}
	return strings.Join(*l, ",")
}

// Fields is a flag of values separated by commas; given again it adds. Space around a value and empty values go.
type Fields []string

// Set adds the values of s.
func (f *Fields) Set(s string) error {
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*f = append(*f, v)
		}
	}
	return nil
}

// String joins the values with commas.
func (f *Fields) String() string {
	if f == nil {
		return ""
	}
	return strings.Join(*f, ",")
}

// A Duration is a flag that takes what time.ParseDuration takes, and whole or broken days as "5d" or "1.5d".
type Duration time.Duration

// Set parses s.
func (d *Duration) Set(s string) error {
	v, err := ParseDuration(s)
	if err == nil {
		*d = Duration(v)
	}
	return err
}

// String returns the duration as time.Duration does.
func (d *Duration) String() string {
	if d == nil {
		return ""
	}
	return time.Duration(*d).String()
}

// Durations is a flag of durations separated by commas, each as for Duration; given again it replaces.
type Durations []time.Duration

// Set parses s.
func (d *Durations) Set(s string) error {
	var out Durations
	for v := range strings.SplitSeq(s, ",") {
		one, err := ParseDuration(strings.TrimSpace(v))
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	*d = out
	return nil
}

// String joins the durations with commas.
func (d *Durations) String() string {
	if d == nil {
		return ""
	}
	var out []string
	for _, v := range *d {
		out = append(out, v.String())
	}
	return strings.Join(out, ",")
}

// ParseDuration parses a duration that is not negative: as time.ParseDuration does, or a number of days ("5d").
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n*float64(24*time.Hour) <= math.MaxInt64/2 {
			return time.Duration(n * float64(24*time.Hour)), nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a duration such as 30s, 5m, 4h or 5d", s)
}

// Networks is a flag of networks in CIDR notation and of addresses, separated by commas; repeatable.
type Networks []netip.Prefix

// Set implements flag.Value.
func (n *Networks) Set(s string) error {
	for text := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(text)
		if a, e := netip.ParseAddr(text); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is not a network such as 192.0.2.0/24", text)
		}
		*n = append(*n, p.Masked())
	}
	return nil
}

// String returns the networks, separated by commas.
func (n *Networks) String() string {
	var all []string
	for _, p := range *n {
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
}
