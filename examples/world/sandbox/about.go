package sandbox

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Domain is what there is to know of one of the world's domains.
type Domain struct {
	Name     string    `json:"name"`
	About    string    `json:"about"`
	User     string    `json:"user"`
	Password string    `json:"password"`
	Postage  bool      `json:"postage"` // strangers pay
	Bits     int       `json:"bits"`    // how much
	Services []Service `json:"services"`
	Records  []string  `json:"records"` // in DNS
}

// A Service is a port of a host, and where programs on this machine reach it.
type Service struct {
	Name    string `json:"name"`
	Host    string `json:"host"`
	Address string `json:"address"`
}

// Users returns the addresses of the users.
func (w *World) Users() []string {
	var out []string
	for _, d := range w.domains {
		out = append(out, d.user)
	}
	return out
}

// DNS returns the address of the world's DNS server, host and port, over UDP and TCP.
func (w *World) DNS() string { return w.dns.Addr() }

// CA returns the certificate of the authority that everybody in the world trusts, in PEM.
func (w *World) CA() []byte { return w.ca.pem }

// Domains returns what there is to know of the domains.
func (w *World) Domains() []Domain {
	var out []Domain
	for i, d := range w.domains {
		x := Domain{Name: d.name, User: d.user, Password: d.password, Postage: d.postage, Records: w.records(d)}
		switch {
		case d.postage:
			x.Bits = Postage
			x.About = "asks strangers for postage, or a capability"
		case i == 0:
			x.About = "also sends for domains that the world does not know"
		default:
			x.About = "takes mail whose author is who it says"
		}
		for _, s := range []struct {
			name, host string
			addr       netip.Addr
			port       uint16
		}{
			{"submission", d.mx(), d.mxAddr, portSubmission}, {"mx", d.mx(), d.mxAddr, portSMTP}, {"imaps", d.mail(), d.mailAddr, portIMAPS},
			{"pop3s", d.mail(), d.mailAddr, portPOP3S}, {"jmap", d.mail(), d.mailAddr, portHTTPS}, {"lmtp", d.mail(), d.mailAddr, portLMTP},
		} {
			x.Services = append(x.Services, Service{s.name, s.host, w.net.Loopback(s.addr, s.port)})
		}
		out = append(out, x)
	}
	return out
}

// records returns the records of a domain as its zone file would have them.
func (w *World) records(d *domain) []string {
	out := []string{
		fmt.Sprintf("%s. MX 10 %s.", d.name, d.mx()),
		fmt.Sprintf("%s. A %s", d.mx(), d.mxAddr), fmt.Sprintf("%s. A %s", d.mail(), d.mailAddr), fmt.Sprintf("%s. A %s", d.mtasts(), d.policyAddr),
	}
	for _, name := range []string{d.name, "_dmarc." + d.name, "_mta-sts." + d.name, selector + "._domainkey." + d.name} {
		txt, err := w.zone.LookupTXT(w.ctx, name)
		for _, t := range txt {
			if err == nil {
				out = append(out, fmt.Sprintf("%s. TXT %q", name, t))
			}
		}
	}
	return out
}

// Lines returns command lines to copy, by what they do.
func (w *World) Lines(smtp string) [][2]string {
	a, b := w.domains[0], w.domains[1]
	host, port, _ := strings.Cut(w.dns.Addr(), ":")
	out := [][2]string{{"Ask the world's DNS", fmt.Sprintf("dig @%s -p %s %s MX", host, port, b.name)}}
	if smtp != "" {
		out = append([][2]string{
			{"Send a letter with curl", fmt.Sprintf(`printf 'From: %s\nTo: %s\nSubject: by curl\n\nHello\n' | curl smtp://%s --mail-from %s --mail-rcpt %s --upload-file - --crlf`,
				a.user, b.user, smtp, a.user, b.user)},
			{"Send a letter with swaks", fmt.Sprintf("swaks --server %s --from %s --to %s", smtp, a.user, b.user)},
		}, out...)
	}
	imap := w.net.Loopback(b.mailAddr, portIMAPS)
	pop := w.net.Loopback(b.mailAddr, portPOP3S)
	return append(out,
		[2]string{"Read a mailbox over IMAP", fmt.Sprintf("curl --insecure --user %s:%s 'imaps://%s/INBOX;MAILINDEX=1'", b.user, b.password, imap)},
		[2]string{"Read a mailbox over POP3", fmt.Sprintf("curl --insecure --user %s:%s pop3s://%s/1", b.user, b.password, pop)},
		[2]string{"Speak to a relay", fmt.Sprintf("openssl s_client -quiet -starttls smtp -connect %s", w.net.Loopback(b.mxAddr, portSMTP))})
}
