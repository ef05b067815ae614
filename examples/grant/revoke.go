package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

func revoke(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	path := fs.String("store", "", "file of uses and revocations")
	owner := fs.String("for", "", "the mailbox whose correspondent is named in place of an ID; whom it knows is in FILE.relations")
	block := fs.Bool("block", false, "take nothing more from the correspondent, paid or not")
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if *path == "" || fs.NArg() != 1 || *block && *owner == "" {
		return cli.Usagef("revoke takes -store FILE and the ID that inspect shows, or -for USER@HOST and a correspondent")
	}
	store, err := capability.OpenFile(*path, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	if *owner != "" {
		return disown(ctx, *path, store, *owner, fs.Arg(0), *block, stdout)
	}
	id, err := capability.ParseID(fs.Arg(0))
	if err != nil {
		return cli.Usagef("%v", err)
	}
	if err := store.Revoke(ctx, capability.Revocation{ID: id}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "revoked", id)
	return err
}

// disown ends what an owner has with a correspondent.
func disown(ctx context.Context, path string, store *capability.FileStore, owner, correspondent string, block bool, stdout io.Writer) error {
	for _, a := range []string{owner, correspondent} {
		if _, err := smtp.ParseMailbox(a); err != nil {
			return cli.Usagef("%q is not an address", a)
		}
	}
	relations, err := policystore.OpenRelations(path + ".relations")
	if err != nil {
		return err
	}
	defer relations.Close()
	if err := (policy.Opener{Relations: relations, Revoked: store}).Disconnect(ctx, owner, correspondent, block); err != nil {
		return err
	}
	word := "disconnected"
	if block {
		word = "blocked"
	}
	_, err = fmt.Fprintln(stdout, word, correspondent)
	return err
}
