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

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/examples/cli"
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
	key, err := loadKey(*path, false)
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
