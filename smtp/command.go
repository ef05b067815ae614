package smtp

import (
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
)

// A Command is one command line taken apart (RFC 5321 §4.1.1).
type Command struct {
	Verb string // upper case
	Args string // what follows the verb and one space, without trailing spaces
}

// ParseCommand takes a command line without its CRLF apart. The error is an *Error with 500 5.5.2: a verb is 1 to 20
// letters and digits, and no control character but TAB may stand in a line.
func ParseCommand(line string) (Command, error) {
	verb, args, _ := strings.Cut(line, " ")
	if verb == "" || len(verb) > 20 {
		return Command{}, NewError(500, EnhancedCode{5, 5, 2}, "Command not recognized")
	}
	for i := range len(verb) {
		c := verb[i] | 0x20
		if (c < 'a' || c > 'z') && (verb[i] < '0' || verb[i] > '9') {
			return Command{}, NewError(500, EnhancedCode{5, 5, 2}, "Command not recognized")
		}
	}
	for i := range len(args) {
		if args[i] < ' ' && args[i] != '\t' || args[i] == 0x7f {
			return Command{}, NewError(500, EnhancedCode{5, 5, 2}, "Control character in command")
		}
	}
	return Command{Verb: strings.ToUpper(verb), Args: strings.TrimRight(args, " \t")}, nil
}

// ParseMail parses the arguments of MAIL, "FROM:<path> parameters". The errors are *Error with 501: 5.1.7 for the
// path, 5.5.4 for the rest. Whether a parameter is offered and UTF-8 is allowed is the server's to say.
func ParseMail(args string) (Path, MailParams, error) {
	p, rest, err := parsePathArg(args, "FROM:", EnhancedCode{5, 1, 7})
	if err != nil {
		return Path{}, MailParams{}, err
	}
	params, err := ParseMailParams(rest)
	return p, params, err
}

// ParseRcpt parses the arguments of RCPT, "TO:<path> parameters". The errors are *Error with 501: 5.1.3 for the
// path, the null path included, 5.5.4 for the rest.
func ParseRcpt(args string) (Path, RcptParams, error) {
	p, rest, err := parsePathArg(args, "TO:", EnhancedCode{5, 1, 3})
	if err != nil {
		return Path{}, RcptParams{}, err
	}
	if p.IsNull() {
		return Path{}, RcptParams{}, pathError("Recipient is missing")
	}
	params, err := ParseRcptParams(rest)
	return p, params, err
}

// parsePathArg parses a keyword, a path and what follows it. Spaces before the path, which RFC 5321 §3.3 warns of, are
// let through because clients send them.
func parsePathArg(args, keyword string, code EnhancedCode) (Path, string, error) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return Path{}, "", NewError(501, EnhancedCode{5, 5, 4}, "Syntax: "+keyword+"<address>")
	}
	p, rest, err := ParsePath(strings.TrimLeft(args[len(keyword):], " "))
	if err != nil {
		e := err.(*Error)
		e.Reply.Enhanced = code
		return Path{}, "", e
	}
	if rest != "" && rest[0] != ' ' {
		return Path{}, "", NewError(501, EnhancedCode{5, 5, 4}, "Space expected after the path")
	}
	return p, rest, nil
}

// ParseHello parses the argument of EHLO, HELO and LHLO: one domain or address literal. Beyond the grammar of RFC
// 5321 §4.1.1.1 it takes what common clients send: names with underscores, and literals without their tag. Anything
// that it returns is printable ASCII without spaces or angle brackets and can be echoed. The error is an *Error with
// 501 5.5.4.
func ParseHello(args string) (string, error) {
	inner := args
	if strings.HasPrefix(args, "[") && strings.HasSuffix(args, "]") && len(args) > 2 {
		inner = args[1 : len(args)-1]
	}
	ok := inner != "" && len(args) <= address.MaxDomain
	for i := range len(inner) {
		c := inner[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' && (c != ':' || inner == args) {
			ok = false
		}
	}
	if !ok {
		return "", NewError(501, EnhancedCode{5, 5, 4}, "Syntax: one domain name or address literal")
	}
	return args, nil
}
