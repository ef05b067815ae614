package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/equihash"
)

// mintEquihash prints one stamp.
func mintEquihash(ctx context.Context, bits int, resource string, stdout, stderr io.Writer) error {
	s := &equihash.Scheme{Bits: bits, MaxBits: equihash.MaxBits}
	if cli.Colour(stderr) {
		start := time.Now()
		s.Progress = func(runs int) {
			fmt.Fprintf(stderr, "\r\x1b[K%d runs in %s, two solutions a run", runs, time.Since(start).Round(100*time.Millisecond))
		}
		defer fmt.Fprint(stderr, "\r\x1b[K")
	}
	d, err := s.Quote(ctx, postage.Binding{Recipient: resource})
	if err != nil {
		return cli.Usagef("%v", err)
	}
	stamp, err := s.Pay(ctx, d)
	switch {
	case errors.Is(err, hashcash.ErrResource):
		return cli.Usagef("%v", err)
	case errors.Is(err, context.Canceled):
		return errors.New("stopped before a stamp was found")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintln(stdout, stamp)
	return err
}

// verifyEquihash checks a stamp by the rules of v.
func verifyEquihash(ctx context.Context, bits int, v hashcash.Verifier, text, resource string) error {
	s := &equihash.Scheme{Bits: bits, Spent: v.Spent, AllowReplay: v.AllowReplay}
	d, err := s.Quote(ctx, postage.Binding{Recipient: resource})
	if err == nil {
		_, err = s.Verify(ctx, d, text)
	}
	return err
}
