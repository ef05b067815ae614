package imapserver_test

import (
	"context"
	"io"
	"iter"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// A piped is a session over net.Pipe within a bubble of synctest.
type piped struct {
	*peer
	cancel context.CancelFunc
	done   chan error
	drips  sync.WaitGroup
}

// drip sends an octet every ten seconds, until the connection is closed.
func (p *piped) drip() {
	p.drips.Go(func() {
		for {
			<-time.After(10 * time.Second)
			if _, err := p.Write([]byte("x")); err != nil {
				return
			}
		}
	})
}

func pipe(t *testing.T, s *imapserver.Server) *piped {
	client, conn := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	p := &piped{peer: newPeer(t, client), cancel: cancel, done: make(chan error, 1)}
	go func() { p.done <- s.ServeConn(ctx, conn) }()
	return p
}

// read is line without a deadline of its own.
func (p *piped) read() string {
	s, err := p.r.ReadString('\n')
	if err != nil {
		return "<closed>"
	}
	return strings.TrimSuffix(s, "\r\n")
}

func (p *piped) expect(pattern string) {
	p.t.Helper()
	if got := p.read(); !matches(pattern, got) {
		p.t.Errorf("got %s, want %s", got, pattern)
	}
}

func (p *piped) login() {
	p.t.Helper()
	p.expect("* OK ...")
	p.send("a LOGIN alice secret\r\n")
	p.expect("a OK ...")
}

func (p *piped) pick() {
	p.t.Helper()
	p.send("s SELECT INBOX\r\n")
	for !strings.HasPrefix(p.read(), "s OK") {
	}
}

func TestTimeouts(t *testing.T) {
	bubble := func(name string, f func(t *testing.T, p *piped)) {
		s := server(t) // hashing passwords takes no time in the bubble
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipe(t, s)
				f(t, p)
				p.Close()
				<-p.done
				p.cancel()
				p.drips.Wait()
			})
		})
	}
	took := func(t *testing.T, begin time.Time, want time.Duration) {
		t.Helper()
		if got := time.Since(begin); got != want {
			t.Errorf("took %v, want %v", got, want)
		}
	}
	bubble("before the login", func(t *testing.T, p *piped) {
		begin := time.Now()
		p.expect("* OK ...")
		p.expect("* BYE autologout...")
		p.expect("<closed>")
		took(t, begin, time.Minute)
	})
	bubble("octet by octet before the login", func(t *testing.T, p *piped) {
		begin := time.Now()
		p.expect("* OK ...")
		p.drip()
		p.expect("* BYE autologout...")
		took(t, begin, time.Minute)
	})
	bubble("in the middle of AUTHENTICATE", func(t *testing.T, p *piped) {
		begin := time.Now()
		p.expect("* OK ...")
		p.send("a AUTHENTICATE PLAIN\r\n")
		p.expect("+ ")
		p.expect("* BYE ...")
		took(t, begin, time.Minute)
	})
	bubble("idle", func(t *testing.T, p *piped) {
		p.login()
		<-time.After(29 * time.Minute)
		p.send("b NOOP\r\n")
		p.expect("b OK ...")
		begin := time.Now()
		p.expect("* BYE autologout...")
		took(t, begin, 30*time.Minute)
	})
	bubble("IDLE", func(t *testing.T, p *piped) {
		p.login()
		p.pick()
		p.send("b IDLE\r\n")
		p.expect("+ idling")
		begin := time.Now()
		p.expect("* BYE autologout...")
		took(t, begin, 30*time.Minute)
	})
	bubble("a literal octet by octet", func(t *testing.T, p *piped) {
		p.login()
		begin := time.Now()
		p.send("b APPEND INBOX {1000}\r\n")
		p.expect("+ ...")
		p.drip()
		for p.read() != "<closed>" {
		}
		took(t, begin, 5*time.Minute)
	})
	bubble("a peer that does not read", func(t *testing.T, p *piped) {
		p.login()
		p.pick()
		begin := time.Now()
		go p.Write([]byte(strings.Repeat("b FETCH 1:3 BODY.PEEK[]\r\n", 100)))
		<-p.done
		took(t, begin, time.Minute)
		p.done <- nil
	})
}

func TestShutdown(t *testing.T) {
	s := server(t)
	for name, c := range map[string]struct {
		before func(*piped)
		want   []string
	}{
		"before the login": {func(p *piped) { p.expect("* OK ...") }, []string{"* BYE [UNAVAILABLE] ..."}},
		"between commands": {func(p *piped) { p.login() }, []string{"* BYE [UNAVAILABLE] ..."}},
		"IDLE":             {func(p *piped) { p.login(); p.pick(); p.send("b IDLE\r\n"); p.expect("+ ...") }, []string{"* BYE [UNAVAILABLE] ..."}},
		"within a literal": {func(p *piped) { p.login(); p.send("b APPEND INBOX {20}\r\n"); p.expect("+ ...") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipe(t, s)
				c.before(p)
				synctest.Wait()
				begin := time.Now()
				p.cancel()
				if c.want == nil { // what has begun may end within Grace
					synctest.Wait()
					p.send("Subject: x\r\n\r\nbody\r\n\r\n")
					p.expect("b OK [APPENDUID ...")
					p.expect("* BYE [UNAVAILABLE] ...")
				}
				for _, w := range c.want {
					p.expect(w)
				}
				p.expect("<closed>")
				if err := <-p.done; err != nil || time.Since(begin) != 0 {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
			})
		})
	}
	t.Run("a peer that does nothing within Grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pipe(t, s)
			p.login()
			p.send("b APPEND INBOX {20}\r\n")
			p.expect("+ ...")
			begin := time.Now()
			p.cancel()
			<-p.done
			if time.Since(begin) != 3*time.Second {
				t.Errorf("ended after %v", time.Since(begin))
			}
		})
	})
}

// TestIdleWithoutPolling sees that a change is told without any time passing.
func TestIdleWithoutPolling(t *testing.T) {
	s := server(t)
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, s)
		p.login()
		p.pick()
		p.send("b IDLE\r\n")
		p.expect("+ idling")
		a, err := s.Backend.OpenAccount(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for i := range 3 {
			if _, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Body: strings.NewReader("x"), Size: 1}}); err != nil {
				t.Fatal(err)
			}
			p.expect([]string{"* 4 EXISTS", "* 5 EXISTS", "* 6 EXISTS"}[i])
		}
		if time.Since(begin) != 0 {
			t.Errorf("told after %v", time.Since(begin))
		}
		p.send("DONE\r\n")
		p.expect("b OK ...")
		p.send("c LOGOUT\r\n")
		io.Copy(io.Discard, p)
		p.cancel()
		<-p.done
	})
}

// slow takes a second for each message.
type slow struct{ imap.Mailbox }

func (m slow) Messages(ctx context.Context, uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	return func(yield func(*imap.Message, error) bool) {
		for x, err := range m.Mailbox.Messages(ctx, uids, want) {
			if want != imap.FieldModSeq { // that of SELECT
				time.Sleep(time.Second)
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

type slowStore struct{ imap.Store }

func (s slowStore) OpenMailbox(ctx context.Context, name string) (imap.Mailbox, error) {
	m, err := s.Store.OpenMailbox(ctx, name)
	return slow{m}, err
}

// TestProgress: a search that takes long says how far it has come (RFC 9585), unless that is not wanted.
func TestProgress(t *testing.T) {
	for every, want := range map[time.Duration][]string{
		0:           {`* OK [INPROGRESS ("b" 15 43)] still at work`, `* OK [INPROGRESS ("b" 31 43)] still at work`, "* SEARCH", "b OK SEARCH completed"},
		time.Minute: {"* SEARCH", "b OK SEARCH completed"},
		-1:          {"* SEARCH", "b OK SEARCH completed"},
	} {
		s := server(t)
		s.Timeouts.Progress = every
		m := memory(t)
		a, err := m.OpenAccount(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			if _, err := a.Appender.Append(t.Context(), "INBOX", []imap.AppendMessage{{Size: 1, Body: strings.NewReader("x")}}); err != nil {
				t.Fatal(err)
			}
		}
		s.Backend = wrapped{m, func(a *imap.Account) { a.Store, a.Searcher = slowStore{a.Store}, nil }}
		synctest.Test(t, func(t *testing.T) {
			p := pipe(t, s)
			p.login()
			p.pick()
			p.send("b SEARCH SUBJECT nosuch\r\n")
			for _, line := range want {
				p.expect(line)
			}
			p.Close()
			<-p.done
			p.cancel()
		})
	}
}
