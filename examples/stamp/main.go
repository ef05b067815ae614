// Stamp mints and checks postage: packages hashcash and equihash at the command line.
//
//	go run -C examples ./stamp mint -bits 20 bob@example.com
//	go run -C examples ./stamp mint -scheme equihash bob@example.com
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage/equihash"
)

const usage = `stamp mints and checks postage for mail.

  stamp mint -bits 20 bob@example.com         one stamp on stdout
  stamp mint -bits 24 -x bob@example.com      the whole X-Hashcash header field
  stamp mint -scheme equihash bob@example.com a stamp that takes memory, too: 120 MiB
  stamp check -bits 20 -resource bob@example.com -db spent.txt STAMP
  stamp bench -seconds 2                      hashes a second and core, for each kernel
`

func main() { cli.Main("stamp", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "mint":
			return mint(ctx, args[1:], stdout, stderr)
		case "check":
			return check(ctx, args[1:], stdout, stderr)
		case "bench":
			return bench(ctx, args[1:], stdout, stderr)
		}
	}
	fs := cli.Flags("stamp", usage, stderr)
	if err := cli.Parse(fs, args, -1); err != nil {
		return err
	}
	return cli.Usagef("the first word is mint, check or bench: try stamp -h")
}

// price resolves -scheme and -bits; less than 0 is the scheme's default.
func price(scheme string, bits int) (int, error) {
	least, most, usual := 1, 64, hashcash.DefaultBits
	switch scheme {
	case "hashcash":
	case "equihash":
		least, most, usual = 0, equihash.MaxBits, 0
	default:
		return 0, cli.Usagef("-scheme %s: there are hashcash and equihash", scheme)
	}
	if bits == unset {
		bits = usual
	}
	if bits < least || bits > most {
		return 0, cli.Usagef("-bits %d: %s takes %d to %d", bits, scheme, least, most)
	}
	return bits, nil
}

const (
	unset     = -1
	bitsUsage = "price in bits; one more doubles the work (default 20 for hashcash, 0 for equihash)"
)

func mint(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("stamp mint", usage, stderr)
	bits := fs.Int("bits", unset, bitsUsage)
	scheme := fs.String("scheme", "hashcash", "kind of stamp: hashcash or equihash")
	workers := fs.Int("workers", runtime.GOMAXPROCS(0), "cores to use; equihash uses one")
	header := fs.Bool("x", false, "print the whole header field")
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return cli.Usagef("mint takes the recipient's address")
	}
	n, err := price(*scheme, *bits)
	if err != nil {
		return err
	}
	if *scheme == "equihash" {
		if *header {
			return cli.Usagef("-x: a stamp of equihash has no header field")
		}
		return mintEquihash(ctx, n, fs.Arg(0), stdout, stderr)
	}
	m := hashcash.Minter{Bits: n, Workers: *workers}
	if cli.Colour(stderr) {
		m.Progress = func(p hashcash.Progress) { fmt.Fprint(stderr, "\r\x1b[K", progress(p)) }
		defer fmt.Fprint(stderr, "\r\x1b[K")
	}
	s, err := m.Mint(ctx, fs.Arg(0), "")
	switch {
	case errors.Is(err, hashcash.ErrResource):
		return cli.Usagef("%v", err)
	case errors.Is(err, context.Canceled):
		return errors.New("stopped before a stamp was found")
	case err != nil:
		return err
	case *header:
		_, err = stdout.Write(hashcash.AppendHeader(nil, s))
	default:
		_, err = fmt.Fprintln(stdout, s)
	}
	return err
}

// progress tells how a search goes. It has no memory: the time to go does not shrink, so there is no bar from 0 to 100 %.
func progress(p hashcash.Progress) string {
	round := func(d time.Duration) time.Duration {
		return d.Round(max(100*time.Millisecond, d.Truncate(time.Minute)/1000))
	}
	return fmt.Sprintf("%.1f M attempts/s, %.0f %% of searches are done by now, to go: half within %s, 90 %% within %s",
		p.Rate/1e6, 100*p.Chance, round(p.P50), round(p.P90))
}

func check(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("stamp check", usage, stderr)
	bits := fs.Int("bits", unset, bitsUsage)
	resource := fs.String("resource", "", "the recipient's address that the stamp must be for")
	db := fs.String("db", "", "file of spent stamps; without it a stamp is good any number of times")
	scheme := fs.String("scheme", "hashcash", "kind of stamp: hashcash or equihash")
	if err := cli.Parse(fs, args, 1); err != nil {
		return err
	}
	if *resource == "" || fs.NArg() != 1 {
		return cli.Usagef("check takes -resource ADDRESS and one stamp")
	}
	n, err := price(*scheme, *bits)
	if err != nil {
		return err
	}
	v := hashcash.Verifier{Bits: n, AllowReplay: true}
	if *db != "" {
		store, err := hashcash.OpenFile(*db, nil)
		if err != nil {
			return cli.Undecided(err)
		}
		defer store.Close()
		v.Spent, v.AllowReplay = store, false
	}
	// The header field that mint -x prints is taken too.
	text := strings.Join(strings.Fields(fs.Arg(0)), "")
	if name, value, _ := strings.Cut(text, ":"); strings.EqualFold(name, hashcash.HeaderName) {
		text = value
	}
	if *scheme == "equihash" {
		err = verifyEquihash(ctx, n, v, text, *resource)
	} else {
		_, err = v.Verify(ctx, text, *resource)
	}
	switch {
	case errors.Is(err, hashcash.ErrStore):
		return cli.Undecided(err)
	case err != nil:
		fmt.Fprintln(stdout, err)
		return &cli.Error{Status: cli.StatusFailed}
	}
	_, err = fmt.Fprintln(stdout, "valid")
	return err
}

// A kernel is one way to hash, and its rate.
type kernel struct {
	Kernel   string  `json:"kernel"`
	PerCore  float64 `json:"hashes_per_second_per_core"`
	Attempts uint64  `json:"attempts"`
}

func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("stamp bench", usage, stderr)
	seconds := fs.Float64("seconds", 1, "how long each kernel runs")
	asJSON := fs.Bool("json", false, "print one JSON document")
	if err := cli.Parse(fs, args, 0); err != nil {
		return err
	}
	if *seconds <= 0 || *seconds > 3600 {
		return cli.Usagef("-seconds %v: it takes up to 3600", *seconds)
	}
	var all []kernel
	for _, name := range hashcash.Kernels() {
		k, err := measure(ctx, name, time.Duration(*seconds*float64(time.Second)))
		if err != nil {
			return err
		}
		all = append(all, k)
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(map[string]any{"kernels": all})
	}
	for _, k := range all {
		if _, err := fmt.Fprintf(stdout, "%-10s %8.2f M hashes/s a core\n", k.Kernel, k.PerCore/1e6); err != nil {
			return err
		}
	}
	return nil
}

// measure has one worker search a stamp that nobody finds, for so long and until there is something to tell, and tells
// how fast it was.
func measure(ctx context.Context, name string, d time.Duration) (kernel, error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	k := kernel{Kernel: name}
	end := time.Now().Add(d)
	m := hashcash.Minter{Bits: 64, Workers: 1, Kernel: name, Interval: d / 10,
		Progress: func(p hashcash.Progress) {
			k.PerCore, k.Attempts = p.Rate, p.Attempts
			if p.Attempts > 0 && p.Rate > 0 && !time.Now().Before(end) {
				cancel()
			}
		}}
	if _, err := m.Mint(limited, "bench@example.com", ""); !errors.Is(err, context.Canceled) || ctx.Err() != nil {
		return k, err
	}
	return k, nil
}
