// Grant issues, narrows, checks and takes back capabilities: package capability at the command line. The store file
// keeps count of uses and revocations; beside it, FILE.key holds the private key that signs.
//
//	go run -C examples ./grant issue -store /tmp/grants -for bob@example.com -sender shop.example -uses 3
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/contacts"
)

const usage = `grant gives others the right to write to you, and takes it back.

  grant issue -store grants -for bob@example.com -sender shop.example -uses 3 -expires 30d
  grant issue -store grants -for bob@example.com -sender shop.example -rate 10/24h -class transactional
  grant attenuate -uses 1 TOKEN
  grant inspect TOKEN
  grant verify -store grants -sender orders@shop.example -recipient bob@example.com -domain shop.example TOKEN
  grant revoke -store grants ID
  grant revoke -store grants -for bob@example.com [-block] alice@example.net
  grant channel new -store grants -for bob@example.com -note "shoes" shop.example
  grant channel list -store grants -for bob@example.com
  grant channel disconnect -store grants -for bob@example.com bob+TAG@example.com
  grant form -store grants -for bob@example.com -name Bob -http :8026

verify counts as a delivery: a token for one use verifies once. With -peek it does not count.
revoke takes back one grant by its ID, or all that -for has with one correspondent, who is a stranger again, or blocked.
channel new makes an address for one correspondent: the one that is named, else the first who writes and is authenticated.
form serves a page that gives each visitor an address for one letter, in place of yours.
-sender of issue: an address, a domain, *.domain for subdomains; without it the grant is for whoever holds it.
`

func main() { cli.Main("grant", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *flag.FlagSet, []string, io.Writer) error{
		"issue": issue, "attenuate": attenuate, "inspect": inspect, "verify": verify, "revoke": revoke, "channel": channels, "form": form,
	}
	if len(args) > 0 {
		if do, ok := commands[args[0]]; ok {
			return do(ctx, cli.Flags("grant "+args[0], usage, stderr), args[1:], stdout)
		}
	}
	if err := cli.Parse(cli.Flags("grant", usage, stderr), args, -1); err != nil {
		return err
	}
	return cli.Usagef("the first word is issue, attenuate, inspect, verify, revoke, channel or form: try grant -h")
}

// limitFlags are the limits that a grant can be narrowed by at the command line.
func limitFlags(fs *flag.FlagSet) func() (capability.Limits, error) {
	uses := fs.Uint("uses", 0, "number of messages; 0 is any number")
	var expires cli.Duration
	fs.Var(&expires, "expires", "time to live, such as 12h or 30d; without it there is no end")
	size := fs.Uint64("size", 0, "largest message in octets; 0 is any")
	var rate capability.Rate
	fs.TextVar(&rate, "rate", capability.Rate{}, "messages in any time of a length, such as 10/24h")
	var class capability.Class
	fs.TextVar(&class, "class", capability.Class(0), "loudest mail: personal, transactional or bulk; without it any")
	return func() (capability.Limits, error) {
		if *uses > 1<<32-1 {
			return capability.Limits{}, cli.Usagef("-uses %d: it takes up to %d", *uses, uint32(1<<32-1))
		}
		l := capability.Limits{Uses: uint32(*uses), Size: *size, Rate: rate, Class: class}
		if expires > 0 {
			l.Expires = time.Now().Add(time.Duration(expires)).Truncate(time.Second).UTC()
		}
		return l, nil
	}
}

func issue(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	store := fs.String("store", "", "file of uses and revocations; FILE.key is made if it is absent")
	issuer := fs.String("for", "", "the address that the grant lets write to")
	sender := fs.String("sender", "", "who may write: an address, a domain, *.domain")
	limits := limitFlags(fs)
	if err := cli.Parse(fs, args, 0); err != nil {
		return err
	}
	if *store == "" || *issuer == "" {
		return cli.Usagef("issue takes -store FILE and -for USER@HOST")
	}
	l, err := limits()
	if err != nil {
		return err
	}
	l.Scope = *sender
	key, err := contacts.Key(*store, true)
	if err != nil {
		return err
	}
	token, err := capability.Issue(capability.Grant{Issuer: *issuer, Limits: l}, key)
	if errors.Is(err, capability.ErrSyntax) {
		return cli.Usagef("%v", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

func parse(fs *flag.FlagSet, args []string) (capability.Token, error) {
	if err := cli.Parse(fs, args, 1); err != nil {
		return capability.Token{}, err
	}
	if fs.NArg() != 1 {
		return capability.Token{}, cli.Usagef("%s takes one token", fs.Name())
	}
	return capability.ParseToken(strings.TrimSpace(fs.Arg(0)))
}

func attenuate(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	sender := fs.String("sender", "", "narrower scope")
	limits := limitFlags(fs)
	token, err := parse(fs, args)
	if err != nil {
		return err
	}
	l, err := limits()
	if err != nil {
		return err
	}
	l.Scope = *sender
	if token, err = token.Attenuate(l); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

func inspect(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	token, err := parse(fs, args)
	if err != nil {
		return err
	}
	g := token.Grant()
	open := func(zero bool, s string) string {
		if zero {
			return "any"
		}
		return s
	}
	_, err = fmt.Fprintf(stdout, "id      %s\nfor     %s\nsender  %s\nexpires %s\nuses    %s\nsize    %s\nrate    %s\nclass   %s\nsealed  %v\n", g.ID, g.Issuer, open(g.Scope == "", g.Scope),
		open(g.Expires.IsZero(), g.Expires.Format(time.RFC3339)), open(g.Uses == 0, fmt.Sprint(g.Uses)), open(g.Size == 0, fmt.Sprint(g.Size)),
		open(g.Rate == capability.Rate{}, g.Rate.String()), open(g.Class == 0, g.Class.String()), token.Sealed())
	return err
}
