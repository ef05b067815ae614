package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/contacts"
)

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
	key, err := contacts.Key(*path, false)
	if err != nil {
		return cli.Undecided(err)
	}
	store, err := capability.OpenFile(*path, nil)
	if err != nil {
		return cli.Undecided(err)
	}
	defer store.Close()
	v := capability.Verifier{Keys: capability.OneKey(key.Public().(ed25519.PublicKey)), Store: store}
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
