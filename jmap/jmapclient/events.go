package jmapclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/backoff"
	"github.com/mailbricks/mailbricks/jmap"
)

// How events are read.
const (
	pingInterval  = 60 // seconds
	silence       = 3 * pingInterval * time.Second
	maxEvent      = 1 << 20 // octets
	firstWait     = time.Second
	longestWait   = time.Minute
	anyEventTypes = "*"
)

var errSilence = errors.New("jmapclient: the server sends no pings")

// Events yields what changes, pushed (RFC 8620 §7.3), until ctx ends or the loop is left. types are names of data
// types ("Email"); none is all.
//
// The first value has no Changed: it says that the subscription stands, so what is fetched from now on misses nothing.
// A connection that breaks or falls silent is made again, with growing waits, and goes on where it was. An error that
// another attempt would not mend is yielded and ends the sequence.
func (c *Client) Events(ctx context.Context, types ...string) iter.Seq2[*jmap.StateChange, error] {
	return func(yield func(*jmap.StateChange, error) bool) {
		e := &events{client: c, types: strings.Join(types, ","), yield: yield}
		if len(types) == 0 {
			e.types = anyEventTypes
		}
		schedule := backoff.Exponential(firstWait, longestWait)
		failures := 0
		for ctx.Err() == nil {
			alive, err := e.connect(ctx)
			switch {
			case e.left || ctx.Err() != nil:
				return
			case err != nil && !temporary(err) && !errors.Is(err, errSilence):
				yield(nil, err)
				return
			case alive:
				failures = 0
			}
			failures++
			select {
			case <-ctx.Done():
			case <-time.After(schedule.Delay(failures, rand.Float64)):
			}
		}
	}
}

// events is one subscription.
type events struct {
	client *Client
	types  string
	yield  func(*jmap.StateChange, error) bool
	lastID string
	begun  bool // the first value was yielded
	left   bool // the loop
}

// connect serves one connection. alive says that an event came.
func (e *events) connect(ctx context.Context) (alive bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilence) })
	defer watchdog.Stop()
	s, err := e.client.current(ctx)
	if err != nil {
		return false, err
	}
	u, err := s.url(jmap.ExpandURL(s.EventSourceURL, "types", e.types, "closeafter", "no", "ping", fmt.Sprint(pingInterval)))
	if err != nil {
		return false, err
	}
	if u.Scheme != "https" && !e.client.AllowPlaintext && !loopback(u.Hostname()) {
		return false, fmt.Errorf("%w: %s", errPlaintext, u.Host)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return false, err
	}
	r.Header.Set("Accept", "text/event-stream")
	if e.lastID != "" {
		r.Header.Set("Last-Event-ID", e.lastID)
	}
	resp, err := e.client.send(r)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if !e.begun {
		e.begun = true
		if e.left = !e.yield(new(jmap.StateChange), nil); e.left {
			return true, nil
		}
	}
	err = e.read(resp.Body, func() { alive = true; watchdog.Reset(silence) })
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return alive, err
}

// read reads events until the connection ends or the loop is left.
func (e *events) read(r io.Reader, sign func()) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var name string
	var data []string
	size := 0
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		sign()
		if line == "" {
			if name == "state" && len(data) > 0 {
				change := new(jmap.StateChange)
				if err := jmap.Unmarshal([]byte(strings.Join(data, "\n")), change); err != nil {
					return fmt.Errorf("jmapclient: event: %w", err)
				}
				if e.left = !e.yield(change, nil); e.left {
					return nil
				}
			}
			name, data, size = "", nil, 0
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if size += len(value); size > maxEvent {
			return errTooLarge
		}
		switch field {
		case "event":
			name = value
		case "data":
			data = append(data, value)
		case "id":
			e.lastID = value
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("jmapclient: events: %w: %w", io.ErrUnexpectedEOF, err) // whatever broke it, another connection may last
	} else if err != nil {
		return err
	}
	return io.EOF
}
