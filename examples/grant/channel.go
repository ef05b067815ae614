package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/contacts"
)

// channels makes, lists and ends addresses for one correspondent each.
func channels(ctx context.Context, flags *flag.FlagSet, args []string, stdout io.Writer) error {
	do := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		do, args = args[0], args[1:]
	}
	path := flags.String("store", "", "file of grants; the channels are in FILE.channels, the key of their addresses in FILE.tagkey")
	owner := flags.String("for", "", "the mailbox")
	note := flags.String("note", "", "what the channel is for")
	bare := flags.Bool("bare", false, "an address that does not tell the mailbox")
	uses := flags.Uint("uses", 0, "number of messages; 0 is any number")
	var rate capability.Rate
	flags.TextVar(&rate, "rate", capability.Rate{}, "messages in any time of a length, such as 10/24h")
	var class capability.Class
	flags.TextVar(&class, "class", capability.Class(0), "loudest mail: personal, transactional or bulk; without it any")
	var expires cli.Duration
	flags.Var(&expires, "expires", "time to live, such as 12h or 30d; without it there is no end")
	if err := cli.Parse(flags, args, 1); err != nil {
		return err
	}
	want := map[string]int{"new": flags.NArg(), "list": 0, "disconnect": 1}
	if n, ok := want[do]; !ok || flags.NArg() != n {
		return cli.Usagef("channel takes new [CORRESPONDENT], list, or disconnect ADDRESS")
	}
	if *path == "" || *owner == "" || *uses > 1<<32-1 {
		return cli.Usagef("channel takes -store FILE and -for USER@HOST; -uses up to %d", uint32(1<<32-1))
	}
	key, err := contacts.TagKey(*path, do == "new")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // without a key there are no channels yet
		return err
	}
	store, err := channel.OpenFile(*path + ".channels")
	if err != nil {
		return err
	}
	defer store.Close()
	book := channel.Book{Store: store, Tags: contacts.Tags(key)}
	switch do {
	case "list":
		return list(ctx, book, *owner, stdout)
	case "disconnect":
		return disconnect(ctx, book, *owner, flags.Arg(0), stdout)
	}
	c := channel.Channel{Owner: *owner, Note: *note, Peer: flags.Arg(0), Max: uint32(*uses), Rate: rate, Class: class}
	if expires > 0 {
		c.Expires = time.Now().Add(time.Duration(expires))
	}
	make1 := book.New
	if *bare {
		make1 = book.NewBare
	}
	c, err = make1(ctx, c)
	if errors.Is(err, channel.ErrChannel) || errors.Is(err, capability.ErrSyntax) {
		return cli.Usagef("%v", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, c.Address)
	return err
}

func list(ctx context.Context, book channel.Book, owner string, stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tSTATE\tBELONGS TO\tUSES\tLEAKS\tLAST USE\tNOTE")
	for c, err := range book.Store.List(ctx, owner) {
		if err != nil {
			return err
		}
		state, last := string(c.State), "never"
		if errors.Is(c.Usable(time.Now()), channel.ErrClosed) && c.State != channel.Disconnected {
			state = "expired"
		}
		if !c.LastUse.IsZero() {
			last = c.LastUse.Format(time.RFC3339)
		}
		whom := c.Grant().Scope
		if whom == "" {
			whom = "the first who writes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%q\n", c.Address, state, whom, c.Uses, c.Leaks, last, c.Note)
	}
	return w.Flush()
}

func disconnect(ctx context.Context, book channel.Book, owner, address string, stdout io.Writer) error {
	c, err := book.Find(ctx, address)
	if err == nil && !strings.EqualFold(c.Owner, owner) {
		err = channel.ErrUnknown
	}
	if errors.Is(err, channel.ErrUnknown) {
		return fmt.Errorf("%s is no channel of %s", address, owner)
	}
	if err != nil {
		return err
	}
	if err := book.Disconnect(ctx, c.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "disconnected", c.Address)
	return err
}
