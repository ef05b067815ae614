package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// smtpClientRows send to one server, which runs in a process of its own: what counts is what the client costs. The
// connection is kept; each client sends as it does of itself.
func smtpClientRows() ([]row, error) {
	var rows []row
	for _, size := range []int{4 << 10, 100 << 10} {
		rows = append(rows, row{fmt.Sprintf("smtp client %d KiB", size>>10), []impl{
			clientImpl("mailbricks", size, dialOurs),
			clientImpl(version("go-smtp", "github.com/emersion/go-smtp"), size, dialTheirs),
		}})
	}
	return rows, nil
}

// clientImpl sends a letter with what dial returns.
func clientImpl(title string, size int, dial func(addr string, letter []byte) (send, stop func() error, err error)) impl {
	var c *child
	var quit func() error
	im := impl{name: title}
	im.start = func() (op func() error, err error) {
		if c, err = startChild("mailbricks"); err != nil {
			return nil, err
		}
		op, quit, err = dial(c.addr, dkimLetter(size, plainLine))
		return op, err
	}
	im.stop = func() {
		if quit != nil {
			_ = quit()
		}
		if c != nil {
			c.stop()
		}
	}
	return im
}

func dialOurs(addr string, letter []byte) (send, stop func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	conn, err := smtpclient.Dial(ctx, addr, smtpclient.Config{Hostname: "client.test"})
	if err != nil {
		cancel()
		return nil, nil, err
	}
	e := smtp.Envelope{
		From:       smtp.Path{Local: "a", Domain: "bench.test"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "b", Domain: "bench.test"}}},
	}
	body := bytes.NewReader(nil)
	send = func() error {
		body.Reset(letter)
		res, err := conn.Deliver(ctx, e, body)
		if err == nil && !res[0].Reply.OK() {
			err = errors.New(res[0].Reply.String())
		}
		return err
	}
	return send, func() error { defer cancel(); return conn.Close() }, nil
}

func dialTheirs(addr string, letter []byte) (send, stop func() error, err error) {
	c, err := gosmtp.Dial(addr)
	if err != nil {
		return nil, nil, err
	}
	if err := c.Hello("client.test"); err != nil {
		return nil, nil, err
	}
	send = func() error {
		if err := errors.Join(c.Mail("a@bench.test", nil), c.Rcpt("b@bench.test", nil)); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(letter); err != nil {
			return err
		}
		return w.Close()
	}
	return send, c.Quit, nil
}
