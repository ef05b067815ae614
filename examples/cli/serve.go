package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Grace is how long a program may take to end after a signal.
const Grace = 5 * time.Second

// A Service is one listener of a server program.
type Service struct {
	// Name is the name of the flag that asked for it: "mx", "imap".
	Name string
	// Addr is the address to listen on, as for Listen. A Service with an empty Addr was not asked for and is left out.
	Addr string
	// Serve accepts from ln until ctx ends, finishes what it acknowledged, and returns. An error it returns after
	// ctx has ended does not count. It may or may not close ln.
	Serve func(ctx context.Context, ln net.Listener) error
}

// Listen listens on a TCP address; without a host ("" before the colon) on 127.0.0.1, so that only an address that
// says so leaves the machine ("0.0.0.0:25", "[::]:25"). Port 0 picks a free port.
func Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, Usagef("%q is not HOST:PORT", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// Serve opens all listeners, prints "listening NAME ADDRESS" for each and then "ready" on stdout, and runs the
// services until ctx ends or one of them fails; then it ends them all and returns within Grace. The error is that of
// the service that failed first, nil after ctx ended.
func Serve(ctx context.Context, stdout io.Writer, services ...Service) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	listeners := make([]net.Listener, len(services))
	closeAll := func() {
		for _, ln := range listeners {
			if ln != nil {
				ln.Close()
			}
		}
	}
	defer closeAll()
	for i, s := range services {
		if s.Addr == "" {
			continue
		}
		ln, err := Listen(s.Addr)
		if err != nil {
			return fmt.Errorf("-%s: %w", s.Name, err)
		}
		listeners[i] = ln
	}
	for i, ln := range listeners {
		if ln != nil {
			fmt.Fprintf(stdout, "listening %s %s\n", services[i].Name, ln.Addr())
		}
	}
	fmt.Fprintln(stdout, "ready")

	var wg sync.WaitGroup
	for i, ln := range listeners {
		if ln == nil {
			continue
		}
		wg.Go(func() {
			err := services[i].Serve(ctx, ln)
			if err == nil {
				err = errors.New("ended by itself")
			}
			cancel(failed{fmt.Errorf("-%s: %w", services[i].Name, err)})
		})
	}
	<-ctx.Done()
	closeAll()
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(Grace - 500*time.Millisecond): // the rest is for what the program itself has to close
	}
	if f, ok := errors.AsType[failed](context.Cause(ctx)); ok {
		return f.error
	}
	return nil
}

// failed marks a cause that is a service's own error, not the end of the caller's context.
type failed struct{ error }
