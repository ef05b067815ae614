package smtptest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Case is hostile or odd input to a server, and what the server should make of it.
type Case struct {
	Name string
	// TLS says that it is played after STARTTLS.
	TLS bool
	// Whole says that each Input must arrive at once; else it may be cut anywhere.
	Whole bool
	// Steps are played in order, after the server's greeting.
	Steps []Step
	// Closed says that the server then closes the connection.
	Closed bool
	// Messages are what reaches the Handler, and nothing else does.
	Messages []Letter
}

// A Step is octets for the server and the replies that they get.
type Step struct {
	Input string
	// Replies has one pattern for each reply: how its last line begins, alternatives separated by "|".
	Replies []string
	// Flood says that Replies are two patterns: any number of replies of the first, then one of the second.
	Flood bool
}

// A Letter is a message as it reaches a Handler.
type Letter struct {
	From string   // a path in brackets
	To   []string // paths in brackets
	Body string   // below the Received fields that the server puts on top
}

// CorpusHandler returns a Recorder as the Corpus wants it: it takes everything but recipients with the local part
// "refused", which get 550 5.1.1.
func CorpusHandler() *Recorder {
	return &Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
		if to.Local == "refused" {
			return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
		}
		return nil
	}}
}

// CorpusUsers returns an Authenticator as the Corpus wants it: PLAIN and LOGIN for the user "user" with the password
// "secret".
func CorpusUsers() sasl.Authenticator {
	users := sasl.NewUsers()
	_ = users.Set("user", "secret") // fails for an empty name or password only
	return sasl.New(sasl.Plain(users.Check), sasl.LoginMechanism(users.Check))
}

// TestServer plays every Case of the Corpus: each in one piece, octet by octet, and cut in pieces of 7 octets, each time on a
// new connection. connect starts a server for h that has TLS, CorpusUsers, no PlaintextAuth, SMTPUTF8, CHUNKING, and a limit
// of 100 MiB or less for a message, and returns a connection to it.
func TestServer(t *testing.T, connect func(t *testing.T, h smtp.Handler) net.Conn) {
	for _, c := range Corpus() {
		t.Run(c.Name, func(t *testing.T) {
			for _, piece := range []int{0, 1, 7} {
				if piece > 0 && (c.Whole || c.size() > 20000) {
					continue
				}
				rec := CorpusHandler()
				if err := c.Play(connect(t, rec), piece); err != nil {
					t.Fatalf("pieces of %d: %v", piece, err)
				}
				if err := c.Check(rec.Messages()); err != nil {
					t.Fatalf("pieces of %d: %v", piece, err)
				}
			}
		})
	}
}

func (c Case) size() (n int) {
	for _, s := range c.Steps {
		n += len(s.Input)
	}
	return n
}

// Play plays c on a new connection to a server and closes it. Input is sent in pieces of so many octets; 0: at once.
func (c Case) Play(conn net.Conn, piece int) error {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	r := smtp.NewReplyReader(conn)
	if err := expectReply(r, "220"); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if c.TLS {
		for _, s := range []Step{{Input: "EHLO client.test\r\n", Replies: []string{"250"}}, {Input: "STARTTLS\r\n", Replies: []string{"220"}}} {
			if err := s.play(conn, r, 0); err != nil {
				return err
			}
		}
		t := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := t.Handshake(); err != nil {
			return err
		}
		conn, r = t, smtp.NewReplyReader(t)
	}
	for i, s := range c.Steps {
		if err := s.play(conn, r, piece); err != nil {
			return fmt.Errorf("step %d, %.60q: %w", i+1, s.Input, err)
		}
	}
	if !c.Closed {
		if err := (Step{Input: "QUIT\r\n", Replies: []string{"221"}}).play(conn, r, 0); err != nil {
			return err
		}
	}
	switch reply, err := r.Read(); {
	case err == nil:
		return fmt.Errorf("%s, want the end of the connection", reply)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the connection stays open: %w", err)
	}
	return nil // a reset is an end, too
}

// play sends the input while it reads the replies, as a server may stop reading until its replies are taken.
func (s Step) play(conn net.Conn, r *smtp.ReplyReader, piece int) error {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// A server that closes early does not take it all. Whether that is right, the replies tell.
		if piece == 0 {
			piece = len(s.Input)
		}
		for part := range slices.Chunk([]byte(s.Input), max(piece, 1)) {
			if _, err := conn.Write(part); err != nil {
				return
			}
		}
	}()
	err := s.replies(r)
	if err != nil {
		_ = conn.Close()
	}
	<-sent
	return err
}

func (s Step) replies(r *smtp.ReplyReader) error {
	if s.Flood {
		for n := 0; ; n++ {
			reply, err := r.Read()
			if err != nil {
				return fmt.Errorf("after %d replies: %w", n, err)
			}
			if matchReply(reply, s.Replies[1]) {
				return nil
			}
			if !matchReply(reply, s.Replies[0]) {
				return fmt.Errorf("reply %d: %s, want %s", n+1, reply, s.Replies[0])
			}
		}
	}
	for i, want := range s.Replies {
		if err := expectReply(r, want); err != nil {
			return fmt.Errorf("reply %d: %w", i+1, err)
		}
	}
	return nil
}

func expectReply(r *smtp.ReplyReader, want string) error {
	reply, err := r.Read()
	if err != nil {
		return fmt.Errorf("%w, want %s", err, want)
	}
	if !matchReply(reply, want) {
		return fmt.Errorf("%s, want %s", reply, want)
	}
	return nil
}

func matchReply(r smtp.Reply, want string) bool {
	for w := range strings.SplitSeq(want, "|") {
		if strings.HasPrefix(r.String()+" ", w+" ") {
			return true
		}
	}
	return false
}

// Check compares what reached the Handler with c.Messages.
func (c Case) Check(got []*Message) error {
	if len(got) != len(c.Messages) {
		return fmt.Errorf("%d messages reached the Handler, want %d", len(got), len(c.Messages))
	}
	for i, m := range got {
		want := c.Messages[i]
		var to []string
		for _, r := range m.Recipients {
			to = append(to, r.To.String())
		}
		if m.From.String() != want.From || !slices.Equal(to, want.To) {
			return fmt.Errorf("message %d from %s to %v, want %s to %v", i+1, m.From, to, want.From, want.To)
		}
		if body := Below(m.Body); string(body) != want.Body {
			return fmt.Errorf("message %d: %.200q, want %.200q", i+1, body, want.Body)
		}
	}
	return nil
}

// Below returns a message without the Received fields on its top.
func Below(message []byte) []byte {
	const name = "received:"
	for len(message) >= len(name) && strings.EqualFold(string(message[:len(name)]), name) {
		for {
			i := bytes.IndexByte(message, '\n')
			if i < 0 {
				return nil
			}
			message = message[i+1:]
			if len(message) == 0 || message[0] != ' ' && message[0] != '\t' {
				break
			}
		}
	}
	return message
}
