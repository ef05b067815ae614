package clitest

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
)

// Build builds the program in a folder ("../store") and returns its path. Where there is no Go command the test is
// skipped.
func Build(t testing.TB, dir string) string {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is needed to build the program: ", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), filepath.Base(abs))
	cmd := exec.CommandContext(t.Context(), tool, "build", "-o", bin, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", dir, err, out)
	}
	return bin
}

// A Process is a server program in a process of its own, which can be killed and started again at the same addresses.
type Process struct {
	t    testing.TB
	bin  string
	args []string
	// addrs are those of its listeners, by name. Once known they take the place of port 0 in args.
	addrs map[string]string
	cmd   *exec.Cmd
	log   *buffer
}

// Spawn starts a built program and waits for its line "ready". In args, a flag whose value ends with ":0" gets the same
// port again when the process is started anew. What it wrote to stderr is logged when the test fails.
func Spawn(t testing.TB, bin string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, bin: bin, args: args, addrs: make(map[string]string), log: &buffer{}}
	p.Start()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(bin), tail(p.log.String(), 20_000))
		}
	})
	return p
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// Start starts the process anew.
func (p *Process) Start() {
	p.t.Helper()
	args := append([]string{}, p.args...)
	for i := range args {
		if addr := p.addrs[strings.TrimLeft(args[max(0, i-1)], "-")]; i > 0 && addr != "" && strings.HasSuffix(args[i], ":0") {
			args[i] = addr
		}
	}
	var err error
	for range 10 { // somebody else may have the port for a moment
		if err = p.start(args); err == nil {
			return
		}
	}
	p.t.Fatalf("%s %s: %v\n%s", p.bin, strings.Join(args, " "), err, tail(p.log.String(), 2000))
}

func (p *Process) start(args []string) error {
	p.cmd = exec.Command(p.bin, args...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	process := p.cmd.Process
	stop := time.AfterFunc(patience, func() { _ = process.Kill() })
	defer stop.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch word := strings.Fields(lines.Text()); {
		case len(word) == 3 && word[0] == "listening":
			p.addrs[word[1]] = word[2]
		case len(word) == 1 && word[0] == "ready":
			return nil
		}
	}
	return errors.Join(errors.New("ended before it was ready"), p.cmd.Wait())
}

// Addr returns the address of a listener.
func (p *Process) Addr(listener string) string {
	p.t.Helper()
	if p.addrs[listener] == "" {
		p.t.Fatalf("%s does not listen for %s", p.bin, listener)
	}
	return p.addrs[listener]
}

// Kill ends the process with SIGKILL, unless it has ended, and waits for its end.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Terminate ends the process with SIGTERM and checks that it ends with status 0 within cli.Grace.
func (p *Process) Terminate() {
	p.t.Helper()
	start := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	err := p.cmd.Wait()
	if took := time.Since(start); took > cli.Grace {
		p.t.Errorf("%s took %v to end", p.bin, took)
	}
	if err != nil {
		p.t.Errorf("%s ended with %v", p.bin, err)
	}
	p.cmd = nil
}
