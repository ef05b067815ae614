package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/contactform"
	"github.com/mailbricks/mailbricks/examples/contacts"
)

// form serves a page that gives visitors channels.
func form(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	path := fs.String("store", "", "file of grants; the channels are in FILE.channels")
	owner := fs.String("for", "", "the mailbox")
	addr := fs.String("http", "", "address to serve the page on; behind a proxy, all visitors come from one network")
	name := fs.String("name", "", "what the page calls the owner")
	uses := fs.Uint("uses", 1, "letters that each address takes")
	expires := cli.Duration(7 * 24 * time.Hour)
	fs.Var(&expires, "expires", "how long each address lives, such as 12h or 30d")
	waiting := fs.Int("waiting", 100, "most addresses that wait for their first letter")
	perHour := fs.Int("per-hour", 5, "how often one network may ask in an hour")
	if err := cli.Parse(fs, args, 0); err != nil {
		return err
	}
	if *path == "" || *owner == "" || *addr == "" || *uses < 1 || *uses > 1<<32-1 || expires <= 0 || *waiting < 1 || *perHour < 1 {
		return cli.Usagef("form takes -store FILE, -for USER@HOST and -http ADDR; -uses, -waiting and -per-hour from 1")
	}
	key, err := contacts.TagKey(*path, true)
	if err != nil {
		return err
	}
	store, err := channel.OpenFile(*path + ".channels")
	if err != nil {
		return err
	}
	defer store.Close()
	page, err := contactform.Form{Book: channel.Book{Store: store, Tags: contacts.Tags(key)}, Owner: *owner, Name: *name, Life: time.Duration(expires),
		Uses: uint32(*uses), Waiting: *waiting, PerHour: *perHour, Logger: cli.Logger(fs.Output())}.Handler()
	if err != nil {
		return cli.Usagef("-for %q is not an address (%w)", *owner, err)
	}
	return cli.Serve(ctx, stdout, cli.Service{Name: "http", Addr: *addr, Serve: func(ctx context.Context, ln net.Listener) error {
		return servePage(ctx, netutil.LimitListener(ln, 200), page)
	}})
}

// servePage serves until ctx ends.
func servePage(ctx context.Context, ln net.Listener, page http.Handler) error {
	s := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cli.Grace/2)
		defer cancel()
		if s.Shutdown(end) != nil {
			_ = s.Close()
		}
	})
	err := s.Serve(ln)
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("form: %w", err)
}
