package queue_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/queue"
)

// printer is a next hop that takes everything.
type printer struct{ done chan struct{} }

func (p printer) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, _ smtp.MailParams) (smtp.Transaction, error) {
	fmt.Println("from", from)
	return &printing{p: p}, nil
}

type printing struct {
	p printer
	n int
}

func (t *printing) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	fmt.Println("to", to)
	t.n++
	return nil
}

func (t *printing) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%q\n", b)
	close(t.p.done)
	return smtp.SameResult(t.n, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "OK")), nil
}

func (t *printing) Close() error { return nil }

// A queue in a directory: mail that it has taken survives the process, and goes on to the next hop while Run runs.
func ExampleQueue() {
	dir, err := os.MkdirTemp("", "queue")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	spool, err := queue.OpenDir(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer spool.Close()

	next := printer{done: make(chan struct{})} // in a relay: a *route.Router
	q := queue.New(queue.Config{Spool: spool, Next: next, Hostname: "mx.example.com"})

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- q.Run(ctx) }()

	_, err = smtp.Deliver(ctx, q, smtp.Envelope{
		From:       smtp.Path{Local: "alice", Domain: "example.com"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.net"}}},
	}, strings.NewReader("Subject: hi\r\n\r\nHello\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	<-next.done
	cancel()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// from <alice@example.com>
	// to <bob@example.net>
	// "Subject: hi\r\n\r\nHello\r\n"
}
