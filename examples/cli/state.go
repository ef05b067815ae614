package cli

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// StateDir returns the folder where a program keeps what must outlive it, unless it is told another one: names below
// $XDG_STATE_HOME/mailbricks, by default ~/.local/state/mailbricks. It is not made here.
func StateDir(names ...string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".local", "state")
	}
	base = filepath.Join(base, "mailbricks")
	for _, name := range names {
		name = strings.Map(func(r rune) rune {
			if r == '/' || r == '\\' || r == ':' || r < ' ' {
				return '_'
			}
			return r
		}, name)
		if name == "." || name == ".." || name == "" {
			name = "_"
		}
		base = filepath.Join(base, name)
	}
	return base, nil
}

// Loopback reports whether an address to listen on, as for Listen, stays on this machine.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
