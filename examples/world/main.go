// World is the whole mail world on one machine: three domains with DNS, keys, relays and stores, and a page that shows
// every hop of every letter.
//
//	go run -C examples ./world                            the page
//	go run -C examples ./world -once "$PWD/letter.eml"    one letter, there and back
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/world/page"
	"github.com/mailbricks/mailbricks/examples/world/sandbox"
)

const usage = `world runs three mail domains on this machine and shows every hop of every letter.

  world                                     the page at http://127.0.0.1:8025/, mail by SMTP at 127.0.0.1:1025
  world -http 127.0.0.1:0 -smtp 127.0.0.1:0 the same on free ports
  world -once letter.eml                    sends a file across two domains, reads it back and compares it
  world -json -once *.eml                   the same for several, as JSON
`

func main() { cli.Main("world", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("world", usage, stderr)
	httpAddr := fs.String("http", "127.0.0.1:8025", "address of the page")
	smtpAddr := fs.String("smtp", "127.0.0.1:1025", "address that takes mail from other programs")
	once := fs.Bool("once", false, "send the files, read them back, and end")
	asJSON := fs.Bool("json", false, "with -once: print JSON")
	verbose := fs.Bool("v", false, "print every line of every dialogue with -once, and what the hosts log without it")
	if err := cli.Parse(fs, args, -1); err != nil {
		return err
	}
	switch {
	case *once && fs.NArg() == 0:
		return cli.Usagef("-once needs a file: world -once letter.eml")
	case !*once && fs.NArg() > 0:
		return cli.Usagef("%q: files go with -once", fs.Arg(0))
	case !*once && *asJSON:
		return cli.Usagef("-json goes with -once")
	}
	if *once {
		return sendOnce(ctx, fs.Args(), printer{out: stdout, json: *asJSON, verbose: *verbose, colour: cli.Colour(stdout)})
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = cli.Logger(stderr)
	}
	return show(ctx, *httpAddr, *smtpAddr, log, stdout, stderr)
}

// show runs a world with its page until ctx ends.
func show(ctx context.Context, httpAddr, smtpAddr string, log *slog.Logger, stdout, stderr io.Writer) error {
	w, err := sandbox.New(log)
	if err != nil {
		return err
	}
	defer w.Close() // what it held was for this run alone
	smtp, err := w.SMTP()
	if err != nil {
		return err
	}
	taken := make(chan string, 1) // where mail is taken, for the lines to copy
	if smtpAddr == "" {
		taken <- ""
	}
	return cli.Serve(ctx, stdout,
		cli.Service{Name: "smtp", Addr: smtpAddr, Serve: func(ctx context.Context, ln net.Listener) error {
			taken <- ln.Addr().String()
			return smtp.Serve(ctx, ln)
		}},
		cli.Service{Name: "http", Addr: httpAddr, Serve: func(ctx context.Context, ln net.Listener) error {
			h, err := page.New(w, <-taken)
			if err != nil {
				return err
			}
			fmt.Fprintf(stderr, "open http://%s/\n", ln.Addr())
			return serveHTTP(ctx, ln, h)
		}})
}

// serveHTTP serves the page until ctx ends.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx }} // pushed events end with it
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if s.Shutdown(end) != nil {
			s.Close()
		}
	})
	defer stop()
	if err := s.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}
