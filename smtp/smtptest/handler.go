package smtptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/mailbricks/mailbricks/smtp"
)

// A HandlerTest says how a Handler is to be tested.
type HandlerTest struct {
	// New returns a new Handler. It is called once for each part of the test.
	New func(t *testing.T) smtp.Handler
	// From and To are an envelope that it takes: at least one recipient, better two.
	From smtp.Path
	To   []smtp.Path
	// Refused is a recipient that it refuses at RCPT; the zero Path: it refuses none.
	Refused smtp.Path
	// Taken, if not nil, returns the messages that h has taken, one for each transaction, in any order. A message may have
	// fields on top that the Handler adds, and the CRLF that its last line lacked, and must else be what was sent.
	Taken func(t *testing.T, h smtp.Handler) [][]byte
}

// TestHandler tests that a Handler keeps the rules of smtp.Transaction: a message is taken as it was sent, however it
// is read, and read to its end; one result for each accepted recipient; nothing is taken of a message that was
// abandoned or whose body failed; transactions at once do not mix.
func TestHandler(t *testing.T, h HandlerTest) {
	for _, part := range []struct {
		name string
		run  func(x *handlerTest, t *testing.T)
	}{
		{"bodies", (*handlerTest).bodies},
		{"recipients", (*handlerTest).recipients},
		{"abandoned", (*handlerTest).abandoned},
		{"failing body", (*handlerTest).failing},
		{"ended context", (*handlerTest).ended},
		{"at once", (*handlerTest).atOnce},
		{"whole envelope", (*handlerTest).envelope},
	} {
		t.Run(part.name, func(t *testing.T) {
			x := &handlerTest{HandlerTest: h, h: h.New(t), peer: &smtp.Peer{
				RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000},
				LocalAddr:  &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 25},
				Hello:      "client.test", Protocol: "ESMTP",
			}}
			before := *x.peer
			x.want = make(map[string]int)
			part.run(x, t)
			if !reflect.DeepEqual(*x.peer, before) {
				t.Errorf("the Handler changed its Peer: %+v", *x.peer)
			}
			x.check(t)
		})
	}
}

type handlerTest struct {
	HandlerTest
	h    smtp.Handler
	peer *smtp.Peer

	mu   sync.Mutex
	want map[string]int // messages that must have been taken
}

// letterOf returns a message that no other is the end of.
func letterOf(id, body string) string {
	return "From: a@test.example\r\nTo: b@test.example\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + id + "@test.example>\r\n\r\n" + body
}

// A watched is a body that notes whether its end was seen.
type watched struct {
	io.Reader
	end bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err == io.EOF {
		w.end = true
	}
	return n, err
}

// begin opens a transaction with recipients that are accepted.
func (x *handlerTest) begin(t *testing.T, to ...smtp.Path) smtp.Transaction {
	t.Helper()
	tx, err := x.h.Mail(t.Context(), x.peer, x.From, smtp.MailParams{})
	if err != nil {
		t.Fatalf("Mail: %v", err)
	}
	for _, p := range to {
		if err := tx.Rcpt(t.Context(), p, smtp.RcptParams{}); err != nil {
			t.Fatalf("Rcpt %s: %v", p, err)
		}
	}
	return tx
}

// send has one message taken.
func (x *handlerTest) send(t *testing.T, message string, body io.Reader, to ...smtp.Path) error {
	tx, err := x.h.Mail(t.Context(), x.peer, x.From, smtp.MailParams{})
	if err != nil {
		return fmt.Errorf("Mail: %w", err)
	}
	defer tx.Close()
	for _, p := range to {
		if err := tx.Rcpt(t.Context(), p, smtp.RcptParams{}); err != nil {
			return fmt.Errorf("Rcpt %s: %w", p, err)
		}
	}
	return x.data(t, tx, message, body, len(to))
}

func (x *handlerTest) data(t *testing.T, tx smtp.Transaction, message string, body io.Reader, n int) error {
	w := &watched{Reader: body}
	res, err := tx.Data(t.Context(), w)
	if err != nil {
		return fmt.Errorf("Data: %w", err)
	}
	if !w.end {
		return errors.New("Data succeeded and has not read the body to io.EOF")
	}
	if err := positive(res, n); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.want[message]++
	return nil
}

func positive(res smtp.Results, n int) error {
	if len(res) != n {
		return fmt.Errorf("%d results for %d recipients", len(res), n)
	}
	for i, r := range res {
		if r.Reply.Code/100 != 2 {
			return fmt.Errorf("recipient %d: %s", i, r.Reply)
		}
	}
	return nil
}

// check compares what was taken with what was said to be.
func (x *handlerTest) check(t *testing.T) {
	t.Helper()
	if x.Taken == nil {
		return
	}
	taken := x.Taken(t, x.h)
	n := 0
	for message, times := range x.want {
		n += times
		found := 0
		for _, m := range taken {
			if bytes.HasSuffix(m, []byte(message)) || !strings.HasSuffix(message, "\r\n") && bytes.HasSuffix(m, []byte(message+"\r\n")) {
				found++
			}
		}
		if found != times {
			t.Errorf("a message was acknowledged %d times and taken %d times: %.200q", times, found, message)
		}
	}
	if len(taken) != n {
		t.Errorf("%d messages were taken, %d acknowledged", len(taken), n)
	}
}

// bodies sends bodies of many kinds, read in many ways.
func (x *handlerTest) bodies(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "line": "Hello.\r\n", "dots": ".\r\n..\r\n.a\r\n", "no-last-end": "Hello.", "eight-bit": "Gr\xc3\xbc\xff\r\n",
		"long-line": strings.Repeat("x", 50000) + "\r\n", "long": strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 10000),
		"many-ends": strings.Repeat("\r\n", 1000),
	} {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"whole":     func(r io.Reader) io.Reader { return r },
			"octets":    iotest.OneByteReader,
			"halves":    iotest.HalfReader,
			"early-end": iotest.DataErrReader, // the last octets come together with io.EOF
		} {
			if how == "octets" && len(body) > 100000 {
				continue
			}
			message := letterOf(name+"-"+how, body)
			if err := x.send(t, message, reader(strings.NewReader(message)), x.To...); err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
	}
}

// recipients has results for each accepted recipient only, for one that comes twice twice.
func (x *handlerTest) recipients(t *testing.T) {
	to := append([]smtp.Path{x.To[0]}, x.To...)
	message := letterOf("twice", "x\r\n")
	if err := x.send(t, message, strings.NewReader(message), to...); err != nil {
		t.Errorf("the same recipient twice: %v", err)
	}
	if x.Refused.IsNull() {
		return
	}
	message = letterOf("refused", "x\r\n")
	tx := x.begin(t)
	defer tx.Close()
	for _, p := range []smtp.Path{x.Refused, x.To[0], x.Refused} {
		err := tx.Rcpt(t.Context(), p, smtp.RcptParams{})
		if (err != nil) != (p == x.Refused) {
			t.Errorf("Rcpt %s: %v", p, err)
		}
		if err != nil && smtp.ReplyOf(err).OK() {
			t.Errorf("Rcpt %s refuses with %s", p, smtp.ReplyOf(err))
		}
	}
	if err := x.data(t, tx, message, strings.NewReader(message), 1); err != nil {
		t.Errorf("one recipient among refused ones: %v", err)
	}
}

// abandoned closes transactions that have no Data.
func (x *handlerTest) abandoned(t *testing.T) {
	for n := range len(x.To) + 1 {
		if err := x.begin(t, x.To[:n]...).Close(); err != nil {
			t.Errorf("Close without Data, %d recipients: %v", n, err)
		}
	}
	message := letterOf("after", "x\r\n")
	if err := x.send(t, message, strings.NewReader(message), x.To...); err != nil {
		t.Errorf("after an abandoned transaction: %v", err)
	}
}

var errBody = errors.New("smtptest: the body fails")

// failing has bodies that fail at the start, in the header, in the text, and where the end would be.
func (x *handlerTest) failing(t *testing.T) {
	long := letterOf("failing", strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 20000))
	for _, n := range []int{0, 1, 20, 300, 5000, len(long)} {
		for _, cause := range []error{errBody, io.ErrUnexpectedEOF, smtp.NewError(550, smtp.EnhancedCode{5, 6, 11}, "Bare LF")} {
			tx := x.begin(t, x.To...)
			res, err := tx.Data(t.Context(), io.MultiReader(strings.NewReader(long[:n]), iotest.ErrReader(cause)))
			if err == nil {
				t.Errorf("body failed after %d octets with %v: Data succeeded with %v", n, cause, res)
			} else if smtp.ReplyOf(err).OK() {
				t.Errorf("body failed after %d octets with %v: Data refuses with %s", n, cause, smtp.ReplyOf(err))
			}
			_ = tx.Close() // must not panic; what it says is the Handler's affair
		}
	}
}

// ended calls with a context that is over: success or not, it must end, and be true.
func (x *handlerTest) ended(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := x.h.Mail(ctx, x.peer, x.From, smtp.MailParams{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	n := 0
	for _, p := range x.To {
		if tx.Rcpt(ctx, p, smtp.RcptParams{}) == nil {
			n++
		}
	}
	cancel()
	if n == 0 {
		return
	}
	message := letterOf("ended", "x\r\n")
	res, err := tx.Data(ctx, strings.NewReader(message))
	if err == nil && positive(res, n) == nil {
		x.want[message]++
	}
}

// atOnce has several goroutines send at once.
func (x *handlerTest) atOnce(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 4 {
				message := letterOf(fmt.Sprintf("%d-%d", i, k), strings.Repeat(fmt.Sprintf("%d %d\r\n", i, k), 500))
				if err := x.send(t, message, iotest.HalfReader(strings.NewReader(message)), x.To...); err != nil {
					t.Errorf("sender %d, message %d: %v", i, k, err)
				}
			}
		})
	}
	all.Wait()
}

// envelope goes through smtp.Deliver, which uses a batching method where there is one.
func (x *handlerTest) envelope(t *testing.T) {
	e := smtp.Envelope{Peer: x.peer, From: x.From}
	for _, p := range x.To {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: p})
	}
	if !x.Refused.IsNull() {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: x.Refused})
	}
	message := letterOf("envelope", "x\r\n")
	res, err := smtp.Deliver(t.Context(), x.h, e, strings.NewReader(message))
	if err != nil || len(res) != len(e.Recipients) {
		t.Fatalf("Deliver: %d results, %v", len(res), err)
	}
	if err := positive(res[:len(x.To)], len(x.To)); err != nil {
		t.Errorf("Deliver: %v", err)
	}
	if !x.Refused.IsNull() && res[len(x.To)].Reply.OK() {
		t.Errorf("Deliver: the refused recipient got %s", res[len(x.To)].Reply)
	}
	x.want[message]++
	if res, err := smtp.Deliver(t.Context(), x.h, e, iotest.ErrReader(errBody)); err == nil && len(res) > 0 && res[0].Reply.OK() {
		t.Errorf("Deliver of a failing body: %v", res)
	}
}
