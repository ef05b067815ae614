package imapserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// idleEnv makes the process of the tests a client that opens connections to an address, each idling on INBOX, and keeps them
// until its input ends: "127.0.0.1:143 1000".
const idleEnv = "IMAPSERVER_TEST_IDLE"

func TestMain(m *testing.M) {
	if how := os.Getenv(idleEnv); how != "" {
		if err := idleClients(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func idleClients(how string) error {
	var addr string
	var n int
	if _, err := fmt.Sscan(how, &addr, &n); err != nil {
		return err
	}
	for range n {
		c, _, err := idleOn(addr, "alice")
		if err != nil {
			return err
		}
		defer c.Close()
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// idleOn logs in as user and idles on INBOX.
func idleOn(addr, user string) (net.Conn, *bufio.Reader, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(c, 512)
	for _, cmd := range []string{"", "a LOGIN " + user + " x\r\n", "a SELECT INBOX\r\n", "a FETCH 1:* FLAGS\r\n", "a IDLE\r\n"} {
		if _, err := io.WriteString(c, cmd); err != nil {
			return nil, nil, err
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return nil, nil, err
			}
			if cmd == "" || strings.HasPrefix(line, "a OK") || strings.HasPrefix(line, "+ ") {
				break
			}
			if !strings.HasPrefix(line, "* ") {
				return nil, nil, fmt.Errorf("%q: %q", cmd, line)
			}
		}
	}
	return c, r, nil
}

// BenchmarkIdleMemory reports what a connection costs that has read the flags of 100 messages and idles: the memory of the
// process (VmRSS), with the clients in another one.
func BenchmarkIdleMemory(b *testing.B) {
	const conns = 5000
	var perConn float64
	for range b.N {
		s := benchServer(b, 100)
		s.Limits.Conns = -1
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		addr := startOn(b, s, ln)
		before := resident(b)
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", idleEnv, addr, conns))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			b.Fatalf("%q: %v", line, err)
		}
		perConn = float64(resident(b)-before) / conns
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(perConn, "B/conn")
}

// resident returns the memory of the process after a collection.
func resident(b *testing.B) int {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	_, text, _ := strings.Cut(string(status), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(text, &kb); err != nil {
		b.Fatal(err)
	}
	return kb << 10
}

// BenchmarkIdlePush reports how long it takes from the call of Append until one of 1,000 clients that idle, each on a
// mailbox of its own, has read of the message: the median and the slowest hundredth.
func BenchmarkIdlePush(b *testing.B) {
	const clients = 1000
	m := &imaptest.Memory{}
	s := &imapserver.Server{Backend: m, AllowPlaintextAuth: true, Limits: imapserver.Limits{Conns: -1, ConnsPerNetwork: -1},
		Authenticator: sasl.New(sasl.Plain(func(_ context.Context, user, _ string) (string, error) { return user, nil }))}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := startOn(b, s, ln)
	told := make(chan int, clients)
	var accounts []*imap.Account
	var readers sync.WaitGroup
	var conns []net.Conn
	for i := range clients {
		user := fmt.Sprint("user", i)
		m.AddUser(user)
		a, err := m.OpenAccount(b.Context(), user)
		if err != nil {
			b.Fatal(err)
		}
		add(b, a)
		accounts = append(accounts, a)
		c, r, err := idleOn(addr, user)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, c)
		readers.Go(func() {
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasSuffix(line, " EXISTS\r\n") {
					told <- i
				}
			}
		})
	}
	var took []time.Duration
	rnd := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		i := rnd.IntN(clients)
		start := time.Now()
		add(b, accounts[i])
		if got := <-told; got != i {
			b.Fatalf("client %d was told of the mailbox of client %d", got, i)
		}
		took = append(took, time.Since(start))
	}
	for _, c := range conns {
		_ = c.Close()
	}
	readers.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
}

func add(b *testing.B, a *imap.Account) {
	b.Helper()
	const text = "Subject: x\r\n\r\ny\r\n"
	if _, err := a.Appender.Append(b.Context(), "INBOX", []imap.AppendMessage{{Size: int64(len(text)), Body: strings.NewReader(text)}}); err != nil {
		b.Fatal(err)
	}
}
