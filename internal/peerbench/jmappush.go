package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// How many sockets there are, each of its own account; how many changes one percentile is taken of; how many sockets are
// opened at a time to see what an idle one takes.
const (
	pushSockets  = 1000
	pushSample   = 200
	idleSockets  = 200
	pushPatience = 10 * time.Second
)

// pushServers keep the mail of many users in memory, each known by a token that is the name.
var pushServers = map[string]func(net.Listener) error{
	"jmap push": func(ln net.Listener) error {
		users := make([]string, pushSockets)
		for i := range users {
			users[i] = pushUser(i)
		}
		auth := jmapserver.Auth{AllowPlaintext: true, Token: func(_ context.Context, token string) (string, error) { return token, nil }}
		return (&http.Server{Handler: mailserver.NewServer(jmaptest.NewStore(users...), auth.User), ReadHeaderTimeout: pushPatience}).Serve(ln)
	},
}

// A pushServer is program store with many accounts.
type pushServer struct {
	url     string
	stop    func()
	inboxes []jmap.ID // by user
	ids     []jmap.ID // of accounts
	open    []*websocket.Conn
}

// jmapPushRows ask program store alone: Cyrus of Debian has no WebSocket.
func jmapPushRows() ([]row, error) {
	var once sync.Once
	var s *pushServer
	var failed error
	start := func() error {
		once.Do(func() { s, failed = openPush() })
		return failed
	}
	stop := func() {
		if s != nil {
			s.close()
			s = nil
		}
	}
	var clock time.Duration // what the percentiles add up to
	at := 0
	latency := impl{name: "mailbricks store", program: true, stop: stop,
		start: func() (func() error, error) {
			if err := start(); err != nil {
				return nil, err
			}
			for i := range pushSockets {
				if err := s.connect(i); err != nil {
					return nil, err
				}
			}
			return func() error {
				took := make([]time.Duration, pushSample)
				for i := range took {
					var err error
					if took[i], err = s.change(at % pushSockets); err != nil {
						return err
					}
					at += 7
				}
				clock += percentile(took, 99)
				return nil
			}, nil
		},
		cpu:    func() (time.Duration, error) { return clock, nil },
		memory: func() (mallocs, size uint64, err error) { return 0, 0, nil },
	}
	var c *child
	var opened time.Duration
	idle := impl{name: "mailbricks",
		start: func() (func() error, error) {
			var err error
			if c, err = startChild("jmap push"); err != nil {
				return nil, err
			}
			s := &pushServer{url: "http://" + c.addr, stop: c.stop, inboxes: make([]jmap.ID, pushSockets), ids: make([]jmap.ID, pushSockets)}
			return func() error {
				for i := range idleSockets {
					if err := s.connect(i); err != nil {
						return err
					}
				}
				opened += 100 * time.Millisecond // one sample is one operation
				return nil
			}, nil
		},
		cpu: func() (time.Duration, error) { return opened, nil },
		memory: func() (mallocs, size uint64, err error) {
			_, _, size, err = c.used()
			return 0, size / idleSockets, err
		},
		stop: func() { c.stop() },
	}
	return []row{
		{name: fmt.Sprintf("jmap request that changes one account of %d to its WebSocket, p99 of %d, wall clock", pushSockets, pushSample), impls: []impl{latency}},
		{name: "jmap idle WebSocket, heap and stacks", impls: []impl{idle}},
	}, nil
}

func openPush() (*pushServer, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args := []string{"-jmap", addr, "-max-connections", "20000"}
	for i := range pushSockets {
		args = append(args, "-token", pushUser(i)+":"+pushUser(i))
	}
	s := &pushServer{url: "http://" + addr, inboxes: make([]jmap.ID, pushSockets), ids: make([]jmap.ID, pushSockets)}
	_, s.stop, err = startStore([]string{addr}, args...)
	return s, err
}

func (s *pushServer) close() {
	for _, c := range s.open {
		_ = c.CloseNow()
	}
	s.stop()
}

// as returns a client of one user.
func (s *pushServer) as(i int) *jmapServer {
	return &jmapServer{url: s.url + "/jmap/api", account: s.ids[i], client: http.Client{}, auth: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+pushUser(i)) }}
}

// connect opens a socket of a user and has changes pushed.
func (s *pushServer) connect(i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), pushPatience)
	defer cancel()
	if s.ids[i] == "" {
		c := s.as(i)
		var boxes jmap.GetResponse[mail.Mailbox]
		var err error
		if s.ids[i], err = c.primary(); err != nil {
			return err
		}
		if err := c.call("Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: s.ids[i]}, &boxes); err != nil {
			return err
		}
		s.inboxes[i] = boxes.List[0].ID
	}
	conn, _, err := websocket.Dial(ctx, s.url+"/jmap/ws", &websocket.DialOptions{Subprotocols: []string{"jmap"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + pushUser(i)}}})
	if err != nil {
		return err
	}
	s.open = append(s.open, conn)
	for _, m := range []string{`{"@type":"WebSocketPushEnable","dataTypes":["Mailbox"]}`, `{"@type":"Request","using":["` + jmap.CapabilityCore + `"],"methodCalls":[["Core/echo",{},"0"]]}`} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			return err
		}
	}
	_, _, err = conn.Read(ctx)
	return err
}

// change changes one account and returns how long after the request was sent its socket knew: more than the time from the
// commit on.
func (s *pushServer) change(i int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pushPatience)
	defer cancel()
	began := time.Now()
	told := make(chan error, 1)
	var took time.Duration
	go func() {
		_, _, err := s.open[i].Read(ctx)
		took = time.Since(began)
		told <- err
	}()
	err := s.as(i).ask(fmt.Sprintf(`["Mailbox/set",{"accountId":%q,"update":{%q:{"sortOrder":%d}}},"0"]`, s.ids[i], s.inboxes[i], began.UnixNano()%1_000_000), `"updated":{"`, 1)
	if err != nil {
		return 0, err
	}
	err = <-told
	return took, err
}
