// Package clitest runs the example programs within a test, as their command lines promise: the lines they print, the end
// on a signal, the exit status.
package clitest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
)

// A Run is the run function of a program: see cli.Main.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// A Program is a server program under test.
type Program struct {
	t      testing.TB
	name   string
	addrs  map[string]string
	cancel context.CancelFunc
	done   chan error
	stdout *io.PipeReader
	log    *buffer
	once   sync.Once
}

// Start runs a server program and waits for its line "ready". It is stopped at the end of the test, and then must have
// ended well and in time.
func Start(t testing.TB, name string, run Run, args ...string) *Program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	p := &Program{t: t, name: name, addrs: make(map[string]string), cancel: cancel, done: make(chan error, 1), stdout: r, log: &buffer{}}
	go func() {
		err := run(ctx, args, w, p.log)
		w.CloseWithError(io.EOF)
		p.done <- err
	}()
	lines := bufio.NewScanner(r)
	ready := false
	for !ready && lines.Scan() {
		switch word := strings.Fields(lines.Text()); {
		case len(word) == 3 && word[0] == "listening":
			p.addrs[word[1]] = word[2]
		case len(word) == 1 && word[0] == "ready":
			ready = true
		default:
			t.Errorf("%s printed %q", name, lines.Text())
		}
	}
	if !ready {
		cancel()
		t.Fatalf("%s %s: ended before it was ready: %v\n%s", name, strings.Join(args, " "), <-p.done, p.log)
	}
	go func() {
		for lines.Scan() {
			t.Errorf("%s printed %q", name, lines.Text())
		}
	}()
	t.Cleanup(func() { p.Stop() })
	return p
}

// Addr returns the address of a listener.
func (p *Program) Addr(listener string) string {
	p.t.Helper()
	a := p.addrs[listener]
	if a == "" {
		p.t.Fatalf("%s does not listen for %s", p.name, listener)
	}
	return a
}

// Log returns what the program has written to stderr so far.
func (p *Program) Log() string { return p.log.String() }

// Stop ends the program as a signal does and checks that it ends within cli.Grace, with status 0.
func (p *Program) Stop() {
	p.once.Do(func() {
		p.t.Helper()
		start := time.Now()
		p.cancel()
		err := <-p.done
		if took := time.Since(start); took > cli.Grace {
			p.t.Errorf("%s took %v to end", p.name, took)
		}
		if err != nil {
			p.t.Errorf("%s ended with %v", p.name, err)
		}
		if p.t.Failed() {
			p.t.Logf("%s:\n%s", p.name, p.log)
		}
	})
}

// Status runs a program to its end and returns its exit status and what it printed.
func Status(t testing.TB, name string, run Run, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	status = cli.Report(&errs, name, run(ctx, args, &out, &errs))
	if ctx.Err() != nil {
		t.Errorf("%s %s: did not end", name, strings.Join(args, " "))
	}
	return status, out.String(), errs.String()
}

// Usage checks the rules that all programs share: -h prints a usage text with examples and ends with status 0; each of the
// wrong command lines ends with status 2 and at most one line of complaint beside the hint.
func Usage(t testing.TB, name string, run Run, wrong ...[]string) {
	t.Helper()
	status, stdout, stderr := Status(t, name, run, "-h")
	if status != cli.StatusDone || stdout != "" || strings.Count(stderr, "\n  "+name+" ") < 2 {
		t.Errorf("%s -h: status %d, stdout %q, stderr %q", name, status, stdout, stderr)
	}
	for _, args := range append(wrong, []string{"-no-such-flag"}) {
		status, stdout, stderr := Status(t, name, run, args...)
		if status != cli.StatusUsage || stdout != "" || strings.Count(stderr, "\n") != 2 || !strings.HasPrefix(stderr, name+": ") {
			t.Errorf("%s %s: status %d, stdout %q, stderr %q", name, strings.Join(args, " "), status, stdout, stderr)
		}
	}
}

// A buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
