package pop3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
	"github.com/mailbricks/mailbricks/imap/pop3"
)

// mailbox is a backend where alice has two messages.
func mailbox(ctx context.Context) (imap.Backend, error) {
	backend := &imaptest.Memory{}
	backend.AddUser("alice")
	account, err := backend.OpenAccount(ctx, "alice")
	if err != nil {
		return nil, err
	}
	var msgs []imap.AppendMessage
	for _, s := range []string{"Subject: one\r\n\r\n.\r\n", "Subject: two\r\n\r\nhello\r\n"} {
		msgs = append(msgs, imap.AppendMessage{Size: int64(len(s)), Body: strings.NewReader(s)})
	}
	_, err = account.Appender.Append(ctx, "INBOX", msgs)
	return backend, err
}

// serve serves a backend on a port of loopback, without TLS: a real one has a TLS configuration and leaves
// AllowPlaintextAuth alone.
func serve(ctx context.Context, backend imap.Backend) (net.Addr, error) {
	users := sasl.NewUsers()
	if err := users.Set("alice", "secret"); err != nil {
		return nil, err
	}
	server := &pop3.Server{
		Backend:            backend,
		Authenticator:      &sasl.Limiter{Authenticator: sasl.New(sasl.Plain(users.Check))},
		AllowPlaintextAuth: true,
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Serve(ctx, ln) }()
	return ln.Addr(), nil
}

// A POP3 server over any imap.Backend, the same that IMAP serves.
func ExampleServer() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend, err := mailbox(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	addr, err := serve(ctx, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "USER alice\r\nPASS secret\r\nUIDL 2\r\nTOP 1 0\r\nQUIT\r\n")
	answer, _ := io.ReadAll(conn)
	fmt.Print(strings.ReplaceAll(string(answer), "\r\n", "\n"))
	// Output:
	// +OK POP3 ready
	// +OK and the password?
	// +OK 2 messages (42 octets)
	// +OK 2 1.2
	// +OK top follows
	// Subject: one
	//
	// .
	// +OK good-bye (2 messages left)
}

// Download what has not been downloaded before, and remove it from the server.
func ExampleClient() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend, err := mailbox(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	addr, err := serve(ctx, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	// With a real server: pop3.Dial(ctx, "pop.example.com:995", pop3.Options{TLS: pop3.TLSImplicit}).
	c, err := pop3.Dial(ctx, addr.String(), pop3.Options{TLS: pop3.TLSNone, AllowPlaintextAuth: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Auth(ctx, sasl.Credentials{Username: "alice", Password: "secret"}); err != nil {
		fmt.Println(err)
		return
	}
	seen := map[string]bool{} // kept from one session to the next
	list, err := c.UIDL(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	var done []int
	for _, e := range list {
		if seen[e.UID] {
			continue
		}
		body, err := c.Retr(ctx, e.Number)
		if err != nil {
			fmt.Println(err)
			return
		}
		b, err := io.ReadAll(body) // or io.Copy to a file
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %q\n", e.Number, b)
		seen[e.UID] = true
		done = append(done, e.Number)
	}
	if err := c.Dele(ctx, done...); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.Quit(ctx)) // only now they are removed
	// Output:
	// 1 "Subject: one\r\n\r\n.\r\n"
	// 2 "Subject: two\r\n\r\nhello\r\n"
	// <nil>
}
