package smtpclient_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// peer starts a program that serves SMTP on the address which make is given, and waits until it answers.
func peer(t *testing.T, make func(addr string) *exec.Cmd) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	ln.Close()
	cmd := make(addr)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	for range 200 {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return addr, stop
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%v does not answer: %s", cmd.Args, &out)
	return "", nil
}

// sink starts Postfix's smtp-sink. What it takes is dumped into dir.
func sink(t *testing.T, flags ...string) (addr, dir string, stop func()) {
	t.Helper()
	program := suites.Program(t, "smtp-sink", "postfix")
	dir, err := os.MkdirTemp("", "sink") // t.TempDir is for its owner alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		flags = append(flags, "-u", "nobody")
	}
	addr, stop = peer(t, func(addr string) *exec.Cmd {
		cmd := exec.Command(program, append(flags, "-d", "m.", addr, "100")...)
		cmd.Dir = dir
		return cmd
	})
	return addr, dir, stop
}

// dumped returns what a sink kept, the oldest first: without its own fields, with the line ends that it drops.
func dumped(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "m.*"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) time.Time {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Or(at(a).Compare(at(b)), strings.Compare(a, b)) })
	var out []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 { // begun, and no message came
			continue
		}
		_, msg, ok := strings.Cut(string(b), "\nReceived: ")
		for i := 0; ok && i < 3; i++ { // three lines
			_, msg, ok = strings.Cut(msg, "\n")
		}
		if !ok || !strings.HasSuffix(msg, "\n") {
			t.Fatalf("dump %q", b)
		}
		out = append(out, strings.ReplaceAll(strings.TrimSuffix(msg, "\n"), "\n", "\r\n"))
	}
	return out
}

// letters are messages with CRLF: some of ours, and those of a public suite that can be sent as they are.
func letters(t *testing.T) []string {
	out := []string{
		"Subject: hi\r\n\r\nHello\r\n", "Subject: hi\r\n\r\n.\r\n..\r\n.x\r\n", "X: y\r\n\r\n", "\r\n\xff\xfe\r\n", "\r\n" + strings.Repeat("long", 5000) + "\r\n",
		"\r\n" + strings.Repeat("0123456789abcdef\r\n", 100_000),
	}
	dir := suites.Dir(t, "mime")
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
		if strings.Contains(strings.ReplaceAll(s, "\r\n", ""), "\r") || strings.Contains(s, "\x00") || len(s) == 0 || len(s) > 1<<20 {
			return nil
		}
		if !strings.HasSuffix(s, "\r\n") {
			s += "\r\n"
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out[:min(len(out), 300)]
}

// TestSink sends letters to smtp-sink in every way that it can be spoken to, and compares what it took.
func TestSink(t *testing.T) {
	all := letters(t)
	for _, flags := range [][]string{nil, {"-p"}, {"-L"}, {"-L", "-p"}, {"-e"}, {"-8"}, {"-N", "-E", "-a"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			addr, dir, stop := sink(t, flags...)
			client := &smtpclient.Client{Addr: addr, Config: smtpclient.Config{LMTP: slices.Contains(flags, "-L")}}
			ascii := slices.Contains(flags, "-8") || slices.Contains(flags, "-e")
			want := make(map[string]int)
			for _, l := range all {
				res, err := client.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test", "c@y.test"), strings.NewReader(l))
				if ascii && strings.ContainsFunc(l, func(r rune) bool { return r >= 0x80 }) {
					if !errors.Is(err, smtpclient.ErrEightBit) {
						t.Fatalf("%.40q: %v, %v", l, res, err)
					}
					continue
				}
				if err != nil || len(res) != 2 || res[0].Reply.Code != 250 || res[1].Reply.Code != 250 {
					t.Fatalf("%.40q: %v, %v", l, res, err)
				}
				want[l]++
			}
			client.Close()
			stop()
			for _, got := range dumped(t, dir) {
				if want[got]--; want[got] < 0 {
					t.Fatalf("taken, but never sent: %.200q", got)
				}
			}
			for l, n := range want {
				if n != 0 {
					t.Errorf("not taken: %.200q", l)
				}
			}
		})
	}
}

// TestSinkFails lets smtp-sink fail at each verb in turn.
func TestSinkFails(t *testing.T) {
	for _, tt := range []struct {
		flag, verb string
		op, reply  string // "" as op: in the results
	}{
		{"-q", "CONNECT", "greeting", "451 4.4.2"}, {"-q", "EHLO", "EHLO", "451 4.4.2"}, {"-q", "MAIL", "MAIL", "451 4.4.2"}, {"-q", "RCPT", "RCPT", "451 4.4.2"},
		{"-q", "DATA", "DATA", "451 4.4.2"}, {"-q", ".", "end of data", "451 4.4.2"},
		{"-Q", "EHLO", "EHLO", "421"}, {"-Q", "MAIL", "MAIL", "421"}, {"-Q", "RCPT", "RCPT", "421"}, {"-Q", "DATA", "DATA", "421"}, {"-Q", ".", "", "421"},
		{"-r", "CONNECT", "greeting", "450 4.3.0"}, {"-r", "MAIL", "MAIL", "450 4.3.0"}, {"-r", "RCPT", "", "450 4.3.0"}, {"-r", "DATA", "DATA", "450 4.3.0"}, {"-r", ".", "", "450 4.3.0"},
		{"-f", "CONNECT", "greeting", "500 5.3.0"}, {"-f", "MAIL", "MAIL", "500 5.3.0"}, {"-f", "RCPT", "", "500 5.3.0"}, {"-f", "DATA", "DATA", "500 5.3.0"}, {"-f", ".", "", "500 5.3.0"},
	} {
		for _, lmtp := range []bool{false, true} {
			if lmtp && tt.verb == "EHLO" {
				continue
			}
			flags := []string{tt.flag, tt.verb}
			if lmtp {
				flags = append(flags, "-L")
			}
			addr, dir, stop := sink(t, flags...)
			res, err := sendOnce(t, addr, smtpclient.Config{LMTP: lmtp})
			if e, ok := errors.AsType[*smtpclient.Error](err); ok {
				if e.Op != tt.op || !strings.HasPrefix(short(smtp.ReplyOf(err)), tt.reply) {
					t.Errorf("%s %s: %v, %s; want %s, %s", tt.flag, tt.verb, err, smtp.ReplyOf(err), tt.op, tt.reply)
				}
				if theirs := tt.flag != "-q"; theirs != (smtp.ResultOf(err).RemoteMTA != "") {
					t.Errorf("%s %s: said by %q", tt.flag, tt.verb, smtp.ResultOf(err).RemoteMTA)
				}
			} else if err != nil || tt.op != "" || !strings.HasPrefix(short(res[0].Reply), tt.reply) || res[0].RemoteMTA == "" {
				t.Errorf("%s %s: %v, %v; want %s, %s", tt.flag, tt.verb, res, err, tt.op, tt.reply)
			}
			stop()
			if len(dumped(t, dir)) != 0 && tt.verb != "." {
				t.Errorf("%s %s: taken", tt.flag, tt.verb)
			}
		}
	}
}

// aiosmtpd is a server that appends what it takes to a file, a NUL behind each message.
const aiosmtpd = `
import asyncio, sys
from aiosmtpd.smtp import SMTP
from aiosmtpd.lmtp import LMTP
kept = []
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('bad'):
            return '550 5.1.1 No such user'
        envelope.rcpt_tos.append(address)
        return '250 2.1.5 OK'
    async def handle_DATA(self, server, session, envelope):
        with open(sys.argv[3], 'ab') as f:
            f.write(envelope.content + b'\0')
        return '250 2.0.0 kept'
async def main():
    loop = asyncio.get_running_loop()
    make = LMTP if sys.argv[4] == 'lmtp' else SMTP
    server = await loop.create_server(lambda: make(Handler(), hostname='aio', enable_SMTPUTF8=True, data_size_limit=None), sys.argv[1], int(sys.argv[2]))
    await server.serve_forever()
asyncio.run(main())
`

// TestAiosmtpd sends to aiosmtpd, which knows no PIPELINING but SMTPUTF8.
func TestAiosmtpd(t *testing.T) {
	python := suites.Program(t, "/usr/bin/python3", "python3")
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		suites.Program(t, "aiosmtpd", "python3-aiosmtpd")
	}
	all := letters(t)
	all = all[:min(len(all), 60)]
	for _, mode := range []string{"smtp", "lmtp"} {
		kept := filepath.Join(t.TempDir(), "kept")
		addr, stop := peer(t, func(addr string) *exec.Cmd {
			host, port, _ := net.SplitHostPort(addr)
			return exec.CommandContext(context.Background(), python, "-c", aiosmtpd, host, port, kept, mode)
		})
		client := &smtpclient.Client{Addr: addr, Config: smtpclient.Config{LMTP: mode == "lmtp"}}
		var want []string
		for i, l := range all {
			if slices.ContainsFunc(strings.Split(l, "\r\n"), func(s string) bool { return len(s) > 998 }) { // which aiosmtpd refuses
				continue
			}
			e := envelope(t, "a@x.test", "b@y.test", "bad@y.test")
			if i == 0 {
				e.Recipients[0].To.Local = "grüße"
			}
			res, err := client.Deliver(t.Context(), e, strings.NewReader(l))
			if err != nil || res[0].Reply.Code != 250 || short(res[1].Reply) != "550 5.1.1" {
				t.Fatalf("%s: %.40q: %v, %v", mode, l, res, err)
			}
			want = append(want, l)
		}
		client.Close()
		stop()
		b, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"); !slices.Equal(got, want) {
			t.Errorf("%s: %d letters taken, or others than the %d sent", mode, len(got), len(want))
		}
	}
}
