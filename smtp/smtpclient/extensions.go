package smtpclient

import (
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/smtp"
)

// Extensions are the service extensions that a server offered in its last EHLO reply: keyword in upper case and the
// rest of the line as given (RFC 5321 §4.1.1.1).
type Extensions map[string]string

// Has reports whether a keyword, in upper case, is offered.
func (e Extensions) Has(keyword string) bool {
	_, ok := e[keyword]
	return ok
}

// MaxSize returns the longest message that the server takes in octets (RFC 1870), 0 if it names none.
func (e Extensions) MaxSize() int64 {
	n, err := strconv.ParseInt(e["SIZE"], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Limit returns one of the LIMITS (RFC 9422) such as "RCPTMAX", 0 if the server names none.
func (e Extensions) Limit(name string) int {
	for word := range strings.FieldsSeq(e["LIMITS"]) {
		if k, v, ok := strings.Cut(word, "="); ok && strings.EqualFold(k, name) {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				return n
			}
		}
	}
	return 0
}

// mechanisms returns those of AUTH, also from the form "AUTH=PLAIN" that old servers have.
func (e Extensions) mechanisms() []string {
	return strings.Fields(e["AUTH"])
}

func parseExtensions(r smtp.Reply) Extensions {
	e := make(Extensions, len(r.Lines))
	for _, l := range r.Lines[min(1, len(r.Lines)):] {
		keyword, args, _ := strings.Cut(strings.TrimSpace(l), " ")
		keyword = strings.ToUpper(keyword)
		if mech, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			keyword, args = "AUTH", mech+" "+args
		}
		if old := e[keyword]; keyword == "AUTH" && old != "" {
			args = old + " " + args
		}
		if keyword != "" {
			e[keyword] = strings.TrimSpace(args)
		}
	}
	return e
}

// keyword returns the EHLO keyword under which a parameter of MAIL or RCPT is offered, which is the parameter's name
// but for these.
func keyword(param string) string {
	switch param {
	case "SOLICIT":
		return "NO-SOLICITING" // RFC 3865
	case "MTRK":
		return "MTRK" // RFC 3885
	case "CAP", "POSTAGE":
		return "X" + param // package smtp/policy
	}
	return param
}

// offered returns the parameters that the server knows.
func (e Extensions) offered(list []smtp.Param) []smtp.Param {
	for i, p := range list {
		if !e.Has(keyword(strings.ToUpper(p.Keyword))) {
			out := append([]smtp.Param(nil), list[:i]...)
			for _, p := range list[i+1:] {
				if e.Has(keyword(strings.ToUpper(p.Keyword))) {
					out = append(out, p)
				}
			}
			return out
		}
	}
	return list
}
