// Package cli holds what the example programs have in common at the command line, so that all of them behave alike:
// the exit statuses, the flag values, the lines a server prints, and the end on a signal.
//
//	func main() { cli.Main("relay", run) }
//
//	func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
//		fs := cli.Flags("relay", usage, stderr)
//		addr := fs.String("mx", "", "address for mail from other servers")
//		var users cli.Users
//		fs.Var(&users, "user", "NAME:PASSWORD or NAME:@FILE, repeatable")
//		if err := cli.Parse(fs, args, 0); err != nil {
//			return err
//		}
//		...
//		return cli.Serve(ctx, stdout, cli.Service{Name: "mx", Addr: *addr, Serve: server.Serve})
//	}
//
// A test calls run with its own arguments and writers and so runs the very program.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit statuses of every program.
const (
	StatusDone      = 0 // done, or a positive verdict
	StatusFailed    = 1 // failed, or a negative verdict
	StatusUsage     = 2 // wrong usage, or a part that is not built yet
	StatusUndecided = 3 // could not decide: a DNS failure, say
)

// An Error ends a program with a Status. Err is the line for stderr; nil prints nothing, because the program has
// said all there is to say on stdout.
type Error struct {
	Status int
	Err    error
}

// Error returns the text of Err.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error with StatusUsage. It should say what to change.
func Usagef(format string, args ...any) error {
	return &Error{Status: StatusUsage, Err: fmt.Errorf(format, args...)}
}

// NotBuilt returns the error for a part of a command line that is promised and not there yet: "-policy capability".
func NotBuilt(what string) error { return Usagef("%s is not built yet", what) }

// Undecided returns an error with StatusUndecided.
func Undecided(err error) error { return &Error{Status: StatusUndecided, Err: err} }

// Status returns the exit status for what a program's run function returned.
func Status(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return StatusDone
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return StatusFailed
}

// Report writes err as one line to stderr, if there is anything to say, and returns its exit status.
func Report(stderr io.Writer, name string, err error) int {
	status := Status(err)
	if status == StatusDone {
		return status
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Err == nil {
		return status
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	if status == StatusUsage {
		fmt.Fprintf(stderr, "%s: run with -h for the flags and examples\n", name)
	}
	return status
}

// Main runs a program and exits with its status. The context ends with SIGTERM or SIGINT; a second signal kills.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(Report(os.Stderr, name, run(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

// Flags returns the flag set of a program or subcommand. usage comes before the list of flags with -h, and holds two
// or three real command lines to copy.
func Flags(name, usage string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), strings.TrimSpace(usage))
		fmt.Fprintln(fs.Output(), "\nFlags:")
		fs.PrintDefaults()
	}
	return fs
}

// Parse parses args and checks that between 0 and maxOperands operands follow the flags; a negative maxOperands is no
// limit. A wrong flag gives one line with StatusUsage, -h the usage text and flag.ErrHelp.
func Parse(fs *flag.FlagSet, args []string, maxOperands int) error {
	out, usage := fs.Output(), fs.Usage
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	fs.SetOutput(out)
	fs.Usage = usage
	switch {
	case errors.Is(err, flag.ErrHelp):
		fs.Usage()
		return flag.ErrHelp
	case err != nil:
		return Usagef("%w", err)
	case maxOperands >= 0 && fs.NArg() > maxOperands:
		return Usagef("unexpected operand %q: flags come before operands", fs.Arg(maxOperands))
	}
	return nil
}

// Logger returns the logger of a program: text on stderr.
func Logger(stderr io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(stderr, nil)) }

// Colour reports whether w is a terminal that may be sent colours and progress (https://no-color.org).
func Colour(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice|os.ModeCharDevice && f.Name() != os.DevNull
}
