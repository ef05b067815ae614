package pop3

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// An Entry is one message of a listing.
type Entry struct {
	Number int    // from 1, within this connection
	Size   int64  // octets; List
	UID    string // the same in every session; UIDL
}

// Stat returns how many messages there are, those marked by Dele left out, and their octets.
func (c *Client) Stat(ctx context.Context) (messages int, octets int64, err error) {
	end, err := c.command(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer end()
	text, err := c.roundTrip("STAT")
	if err != nil {
		return 0, 0, err
	}
	n, rest, _ := strings.Cut(text, " ")
	size, _, _ := strings.Cut(rest, " ")
	messages, ok := number(n)
	octets, ok2 := octetCount(size)
	if !ok || !ok2 {
		return 0, 0, c.lose(&ProtocolError{Place: "STAT", What: "want +OK and two numbers"})
	}
	return messages, octets, nil
}

// List returns number and size of every message.
func (c *Client) List(ctx context.Context) ([]Entry, error) {
	return c.listing(ctx, "LIST", func(e *Entry, value string) (ok bool) {
		e.Size, ok = octetCount(value)
		return ok
	})
}

// UIDL returns number and unique id of every message.
func (c *Client) UIDL(ctx context.Context) ([]Entry, error) {
	return c.listing(ctx, "UIDL", func(e *Entry, value string) bool {
		e.UID = value
		return 0 < len(value) && len(value) <= 255 // RFC 1939 §7 says 70; there are servers with more
	})
}

func (c *Client) listing(ctx context.Context, command string, set func(e *Entry, value string) bool) ([]Entry, error) {
	end, err := c.command(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if _, err := c.roundTrip(command); err != nil {
		return nil, err
	}
	var out []Entry
	err = c.lines(command, c.o.MaxMessages, func(l string) error {
		n, rest, _ := strings.Cut(l, " ")
		value, _, _ := strings.Cut(rest, " ")
		var e Entry
		var ok bool
		if e.Number, ok = number(n); !ok || e.Number == 0 || !set(&e, value) {
			return &ProtocolError{Place: command, What: "a line of the listing is not one"}
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

func octetCount(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// Dele marks messages, which Quit removes. Where the server has PIPELINING it takes one round trip for many. The error
// is that of the first message that could not be marked; those behind it are marked all the same.
func (c *Client) Dele(ctx context.Context, numbers ...int) error {
	end, err := c.command(ctx)
	if err != nil {
		return err
	}
	defer end()
	window := 1
	if c.capa.Has("PIPELINING") {
		window = 64 // 64 replies fit into any send buffer, so that neither side waits for the other
	}
	var first error
	for len(numbers) > 0 {
		batch := numbers[:min(window, len(numbers))]
		numbers = numbers[len(batch):]
		for _, n := range batch {
			l := "DELE " + strconv.Itoa(n)
			c.send(l, l)
		}
		for range batch {
			if _, err := c.reply("DELE"); err != nil && first == nil {
				first = err
			}
			if c.err != nil {
				return c.err
			}
		}
	}
	return first
}

// Rset takes back the marks.
func (c *Client) Rset(ctx context.Context) error { return c.simple(ctx, "RSET") }

// Noop does nothing, and keeps the connection alive.
func (c *Client) Noop(ctx context.Context) error { return c.simple(ctx, "NOOP") }

// Lang asks for replies in a language: a language range, or "*" for the server's own choice. It returns the tag of the language
// that is spoken from then on (RFC 6856 §3).
func (c *Client) Lang(ctx context.Context, language string) (tag string, err error) {
	if language == "" || strings.ContainsAny(language, " \t\r\n") {
		return "", fmt.Errorf("pop3: LANG: %q is no language range", language)
	}
	end, err := c.command(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	text, err := c.roundTrip("LANG " + language)
	tag, _, _ = strings.Cut(text, " ")
	return tag, err
}

// UTF8 asks for messages with UTF-8 in their headers as they are (RFC 6856), before the login and after STLS.
func (c *Client) UTF8(ctx context.Context) error { return c.simple(ctx, "UTF8") }

func (c *Client) simple(ctx context.Context, command string) error {
	end, err := c.command(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = c.roundTrip(command)
	return err
}

// Quit removes the messages marked by Dele and ends the session. They are gone for good only if there is no error. The
// connection is closed in any case.
func (c *Client) Quit(ctx context.Context) error {
	err := c.simple(ctx, "QUIT")
	_ = c.Close()
	return err
}
