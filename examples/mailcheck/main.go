// Mailcheck tells who a message is from, and makes what others need to tell: packages auth, spf, dkim and dmarc at the
// command line.
//
//	go run -C examples ./mailcheck verify -ip 192.0.2.1 -from ann@example.com "$PWD/letter.eml"
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/dmarc"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/spf"
)

const usage = `mailcheck tells who a message is from, and makes what others need to tell.

  mailcheck verify -ip 192.0.2.1 -helo mail.example.com -from ann@example.com letter.eml
  mailcheck verify -zone zone.txt -json letter.eml         the DNS in a file, the verdict in JSON
  mailcheck spf -ip 192.0.2.1 -helo mail.example.com -from ann@example.com
  mailcheck dkim -resolver 127.0.0.1:53 letter.eml
  mailcheck arc letter.eml                                 whether the chain of hosts that sealed it holds
  mailcheck arcseal -domain example.net -selector s1 -key key.pem -authserv-id mx.example.net letter.eml > sealed.eml
  mailcheck keygen -type ed25519 -out key.pem
  mailcheck records -domain example.com -selector s1 -key key.pem -mx mail.example.com -ip 192.0.2.1
  mailcheck sign -domain example.com -selector s1 -key key.pem letter.eml > signed.eml
  mailcheck domain example.com                             what a domain publishes, and how to mend it
  mailcheck report 'example.net!example.com!1777593600!1777679999.xml.gz'

verify prints the Authentication-Results field, then each question to DNS, its answer, and the rule that decided. Its
verdict is that of DMARC: it passes where SPF or DKIM speaks for the author's domain, and that has a policy.
Exit status: 0 for pass, 1 for any other verdict, 3 where DNS did not answer.
Files may have LF or CRLF line ends; they are read as they would travel, with CRLF.
`

func main() { cli.Main("mailcheck", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *flag.FlagSet, []string, io.Writer) error{
		"verify": verify, "spf": checkSPF, "dkim": checkDKIM, "arc": checkARC, "arcseal": arcSeal, "sign": sign, "keygen": keygen, "records": records, "domain": checkDomain, "report": readReport,
	}
	if len(args) > 0 {
		if do, ok := commands[args[0]]; ok {
			return do(ctx, cli.Flags("mailcheck "+args[0], usage, stderr), args[1:], stdout)
		}
	}
	if err := cli.Parse(cli.Flags("mailcheck", usage, stderr), args, -1); err != nil {
		return err
	}
	return cli.Usagef("the first word is verify, spf, dkim, arc, arcseal, sign, keygen, records, domain or report: try mailcheck -h")
}

// verify checks a message in all ways.
func verify(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	dns, asJSON, conn := dnsFlags(fs), jsonFlag(fs), connectionFlags(fs)
	id := fs.String("authserv-id", "localhost", "who the Authentication-Results field says it is from")
	if err := parseFile(fs, args); err != nil {
		return err
	}
	c := auth.Checker{ID: *id}
	from, err := conn()
	if err != nil {
		return err
	}
	if c.SecureResolver, err = dns(); err != nil {
		return err
	}
	file, err := openMessage(fs.Arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	v, err := c.Check(ctx, from, file)
	if err != nil {
		return err
	}
	if *asJSON {
		err = writeJSON(stdout, v)
	} else {
		fmt.Fprintln(stdout, strings.ReplaceAll(string(v.Field), "\r", ""))
		_, err = stdout.Write(auth.AppendTrace(nil, v.Trace()))
	}
	if err != nil {
		return err
	}
	return status(v.DMARC.Value == dmarc.Pass, v.Undecided())
}

// checkSPF checks a connection.
func checkSPF(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	dns, asJSON, conn := dnsFlags(fs), jsonFlag(fs), connectionFlags(fs)
	if err := cli.Parse(fs, args, 0); err != nil {
		return err
	}
	from, err := conn()
	if err != nil {
		return err
	}
	if !from.IP.IsValid() || from.HELO == "" && from.MailFrom == "" {
		return cli.Usagef("spf takes -ip IP, and -from ADDR or -helo NAME or both")
	}
	c := auth.Checker{ID: "localhost"}
	if c.SecureResolver, err = dns(); err != nil {
		return err
	}
	check := c.Begin(ctx, from)
	defer check.Close()
	v := check.Verdict() // of a message without header: SPF alone
	r := v.SPF
	if *asJSON {
		out := spfJSON{Result: string(r.Result), Mechanism: r.Mechanism, Explanation: r.Explanation, Queries: r.Queries}
		if r.Err != nil {
			out.Error = r.Err.Error()
		}
		err = writeJSON(stdout, out)
	} else {
		fmt.Fprintln(stdout, strings.ReplaceAll(string(r.AppendReceived(nil, c.ID)), "\r", ""))
		if r.Explanation != "" {
			fmt.Fprintf(stdout, "%s explains: %s\n\n", r.Domain, r.Explanation)
		}
		_, err = stdout.Write(auth.AppendTrace(nil, slices.DeleteFunc(v.Trace(), func(s auth.Step) bool { return s.Check != "spf" })))
	}
	if err != nil {
		return err
	}
	return status(r.Result == spf.Pass, r.Result == spf.TempError)
}

// checkDKIM checks the signatures of a message.
func checkDKIM(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	dns, asJSON := dnsFlags(fs), jsonFlag(fs)
	if err := parseFile(fs, args); err != nil {
		return err
	}
	resolver, err := dns()
	if err != nil {
		return err
	}
	file, err := openMessage(fs.Arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	results, err := dkim.Verifier{SecureResolver: resolver}.Verify(ctx, file)
	if err != nil {
		return err
	}
	has := func(value dkim.Value) bool {
		return slices.ContainsFunc(results, func(r dkim.Result) bool { return r.Value == value })
	}
	if *asJSON {
		err = writeJSON(stdout, map[string]any{"signatures": signaturesJSON(results)})
	} else {
		err = writeSignatures(stdout, results)
	}
	if err != nil {
		return err
	}
	return status(has(dkim.Pass), has(dkim.TempError))
}

// status returns what ends the program with the status of a verdict that has been printed.
func status(pass, undecided bool) error {
	switch {
	case pass:
		return nil
	case undecided:
		return &cli.Error{Status: cli.StatusUndecided}
	}
	return &cli.Error{Status: cli.StatusFailed}
}
