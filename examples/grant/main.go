// Grant issues, narrows, checks and takes back capabilities: package capability at the command line. The store file
// keeps count of uses and revocations; beside it, FILE.key holds the private key that signs.
//
//	go run -C examples ./grant issue -store /tmp/grants -for bob@example.com -sender shop.example -uses 3
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/examples/cli"
)

const usage = `grant gives others the right to write to you, and takes it back.

  grant issue -store grants -for bob@example.com -sender shop.example -uses 3 -expires 30d
  grant attenuate -uses 1 TOKEN
  grant inspect TOKEN
  grant verify -store grants -sender orders@shop.example -recipient bob@example.com -domain shop.example TOKEN
  grant revoke -store grants ID

verify counts as a delivery: a token for one use verifies once. With -peek it does not count.
-sender of issue: an address, a domain, *.domain for subdomains; without it the grant is for whoever holds it.
`

func main() { cli.Main("grant", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *flag.FlagSet, []string, io.Writer) error{
		"issue": issue, "attenuate": attenuate, "inspect": inspect, "verify": verify, "revoke": revoke,
	}
	if len(args) > 0 {
		if do, ok := commands[args[0]]; ok {
			return do(ctx, cli.Flags("grant "+args[0], usage, stderr), args[1:], stdout)
		}
		if args[0] == "channel" {
			return cli.NotBuilt("grant channel")
		}
	}
	if err := cli.Parse(cli.Flags("grant", usage, stderr), args, -1); err != nil {
		return err
	}
	return cli.Usagef("the first word is issue, attenuate, inspect, verify or revoke: try grant -h")
}

// limitFlags are the limits that a grant can be narrowed by at the command line.
func limitFlags(fs *flag.FlagSet) func() (capability.Limits, error) {
	uses := fs.Uint("uses", 0, "number of messages; 0 is any number")
	var expires cli.Duration
	fs.Var(&expires, "expires", "time to live, such as 12h or 30d; without it there is no end")
	return func() (capability.Limits, error) {
		if *uses > 1<<32-1 {
			return capability.Limits{}, cli.Usagef("-uses %d: it takes up to %d", *uses, uint32(1<<32-1))
		}
		l := capability.Limits{Uses: uint32(*uses)}
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
	key, err := loadKey(*store, true)
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
	_, err = fmt.Fprintf(stdout, "id      %s\nfor     %s\nsender  %s\nexpires %s\nuses    %s\nsize    %s\nsealed  %v\n", g.ID, g.Issuer, open(g.Scope == "", g.Scope),
		open(g.Expires.IsZero(), g.Expires.Format(time.RFC3339)), open(g.Uses == 0, fmt.Sprint(g.Uses)), open(g.Size == 0, fmt.Sprint(g.Size)), token.Sealed())
	return err
}

// oneIssuer knows the key of the store's owner, whatever address a grant names: the key decides.
type oneIssuer struct{ key ed25519.PublicKey }

func (o oneIssuer) PublicKey(context.Context, string, uint8) (ed25519.PublicKey, error) {
	return o.key, nil
}

func verify(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	path := fs.String("store", "", "file of uses and revocations")
	sender := fs.String("sender", "", "the sender's address")
	recipient := fs.String("recipient", "", "the recipient's address")
	domain := fs.String("domain", "", "the domain that was authenticated for the sender")
	peek := fs.Bool("peek", false, "do not count this as a use")
	token, err := parse(fs, args)
	if err != nil {
		return refused(stdout, err)
	}
	if *path == "" || *sender == "" || *recipient == "" {
		return cli.Usagef("verify takes -store FILE, -sender ADDR and -recipient ADDR")
	}
	key, err := loadKey(*path, false)
	if err != nil {
		return cli.Undecided(err)
	}
	store, err := capability.OpenFile(*path, nil)
	if err != nil {
		return cli.Undecided(err)
	}
	defer store.Close()
	v := capability.Verifier{Keys: oneIssuer{key.Public().(ed25519.PublicKey)}, Store: store}
	use, err := v.Verify(ctx, token, capability.Request{Sender: *sender, Domain: *domain, Recipient: *recipient})
	if err != nil {
		return refused(stdout, err)
	}
	if *peek {
		err = store.Release(ctx, use)
	} else {
		var message [32]byte // each call is a message of its own
		_, _ = rand.Read(message[:])
		err = store.Commit(ctx, use, message)
	}
	if err != nil {
		return refused(stdout, err)
	}
	_, err = fmt.Fprintln(stdout, "valid")
	return err
}

// refused tells why on stdout. What may change by itself is undecided.
func refused(stdout io.Writer, err error) error {
	var usage *cli.Error
	if errors.As(err, &usage) || errors.Is(err, flag.ErrHelp) {
		return err
	}
	if errors.Is(err, capability.ErrReserved) || errors.Is(err, capability.ErrStore) {
		return cli.Undecided(err)
	}
	fmt.Fprintln(stdout, err)
	return &cli.Error{Status: cli.StatusFailed}
}

func revoke(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	path := fs.String("store", "", "file of uses and revocations")
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if *path == "" || fs.NArg() != 1 {
		return cli.Usagef("revoke takes -store FILE and the ID that inspect shows")
	}
	id, err := capability.ParseID(fs.Arg(0))
	if err != nil {
		return cli.Usagef("%v", err)
	}
	store, err := capability.OpenFile(*path, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Revoke(ctx, capability.Revocation{ID: id}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "revoked", id)
	return err
}

// loadKey reads FILE.key, and makes it if it is absent and may be made.
func loadKey(store string, create bool) (ed25519.PrivateKey, error) {
	path := store + ".key"
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && create {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
		return key, errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(ed25519.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is no Ed25519 key in PEM", path)
}
