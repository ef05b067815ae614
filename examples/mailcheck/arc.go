package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/examples/cli"
)

type arcJSON struct {
	Result    string `json:"result"`
	Instances int    `json:"instances"`
	Reason    string `json:"reason"`
}

// checkARC validates the chain of a message.
func checkARC(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	dns, asJSON := dnsFlags(fs), jsonFlag(fs)
	if err := parseFile(fs, args); err != nil {
		return err
	}
	resolver, err := dns()
	if err != nil {
		return err
	}
	r, err := validate(ctx, resolver, fs.Arg(0))
	if err != nil {
		return err
	}
	if *asJSON {
		err = writeJSON(stdout, arcJSON{string(r.Value), len(r.Sets), r.Reason()})
	} else {
		err = writeChain(stdout, r)
	}
	if err != nil {
		return err
	}
	return status(r.Value == arc.Pass, r.Temporary())
}

func validate(ctx context.Context, resolver interface {
	LookupTXTSecure(ctx context.Context, name string) ([]string, bool, error)
}, name string) (*arc.Result, error) {
	file, err := openMessage(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return arc.Verifier{SecureResolver: resolver}.Verify(ctx, file)
}

// writeChain prints the verdict, each set with what its host had found, and the questions.
func writeChain(w io.Writer, r *arc.Result) error {
	var b strings.Builder
	b.WriteString(string(r.Value))
	if r.Value == arc.None {
		b.WriteString(": the message has no chain")
	} else if reason := r.Reason(); reason != "" {
		fmt.Fprintf(&b, ": %s", printable(reason))
	}
	b.WriteByte('\n')
	for i := len(r.Sets); i > 0; i-- {
		s := r.Sets[i-1]
		fmt.Fprintf(&b, "  i=%d d=%s s=%s cv=%s\n      %s\n", i, printable(s.Seal.Domain), printable(s.Seal.Selector), printable(string(s.CV)),
			printable(strings.Join(strings.Fields(s.Results), " ")))
	}
	for _, s := range r.Steps {
		if s.Question != "" {
			fmt.Fprintf(&b, "  ? %s\n      %s\n", printable(s.Question), printable(s.Answer))
		} else {
			fmt.Fprintf(&b, "  => %s\n", printable(s.Rule))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// arcSeal prints a message with a set of its own on top. What was found out is what the message says of it in fields of
// -authserv-id.
func arcSeal(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	signer, dns := keyFlags(fs), dnsFlags(fs)
	id := fs.String("authserv-id", "localhost", "whose Authentication-Results fields are taken over, and who the set says it is from")
	if err := parseFile(fs, args); err != nil {
		return err
	}
	s, err := signer()
	if err != nil {
		return err
	}
	resolver, err := dns()
	if err != nil {
		return err
	}
	chain, err := validate(ctx, resolver, fs.Arg(0))
	if err != nil {
		return err
	}
	if chain.Temporary() { // a chain that is sealed as broken stays so
		return &cli.Error{Status: cli.StatusUndecided, Err: chain.Err}
	}
	file, err := openMessage(fs.Arg(0))
	if err != nil {
		return err
	}
	set, err := arc.Sealer{Domain: s.Domain, Selector: s.Selector, Key: s.Key, ID: *id}.Seal(file, chain.Value)
	_ = file.Close()
	if err != nil {
		return err
	}
	if file, err = openMessage(fs.Arg(0)); err != nil {
		return err
	}
	defer file.Close()
	if _, err := stdout.Write(set); err != nil {
		return err
	}
	_, err = io.Copy(stdout, file)
	return err
}
