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

// A Push is a way in which changes are pushed.
type Push int

// The ways. PushAny is the WebSocket where the Session offers pushes over one, else events.
const (
	PushAny         Push = iota
	PushEventSource      // RFC 8620 §7.3
	PushWebSocket        // RFC 8887 §4.3.5
)

// Events yields what changes, pushed, until ctx ends or the loop is left. types are names of data types ("Email"); none
// is all.
//
// A value without Changed says that the subscription stands, so that what is fetched from now on misses nothing. It
// comes first, and again after a pause that the server cannot tell about, because nothing before it said where to go
// on. A connection that breaks or falls silent is made again, with growing waits, and goes on where it was. An error
// that another attempt would not mend is yielded and ends the sequence.
func (c *Client) Events(ctx context.Context, types ...string) iter.Seq2[*jmap.StateChange, error] {
	return func(yield func(*jmap.StateChange, error) bool) {
		e := &events{client: c, types: types, yield: yield}
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
	types  []string
	yield  func(*jmap.StateChange, error) bool
	place  string // where to go on: the id of the last event, or the last pushState
	begun  bool   // a connection stood
	left   bool   // the loop
}

// connect serves one connection. alive says that something came.
func (e *events) connect(ctx context.Context) (alive bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilence) })
	defer watchdog.Stop()
	s, err := e.client.current(ctx)
	if err != nil {
		return false, err
	}
	sign := func() { alive = true; watchdog.Reset(silence) }
	address := s.webSocket()
	if e.client.Push == PushEventSource || e.client.Push == PushAny && address == "" {
		err = e.source(ctx, s, sign)
	} else {
		err = e.socket(ctx, s, address, sign, func() { watchdog.Reset(silence) })
		if _, refused := errors.AsType[*jmap.RequestError](err); refused && e.client.Push == PushAny && !alive && !temporary(err) {
			err = e.source(ctx, s, sign) // something between lets no WebSocket through
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return alive, err
}

// stands says that a subscription stands, where that is news. It reports whether more is wanted.
func (e *events) stands() bool {
	if e.begun && e.place != "" {
		return true
	}
	e.begun = true
	return e.tell(new(jmap.StateChange))
}

func (e *events) tell(change *jmap.StateChange) bool {
	e.left = !e.yield(change, nil)
	return !e.left
}

// source serves one connection to the event source.
func (e *events) source(ctx context.Context, s *session, sign func()) error {
	types := anyEventTypes
	if len(e.types) > 0 {
		types = strings.Join(e.types, ",")
	}
	u, err := s.url(jmap.ExpandURL(s.EventSourceURL, "types", types, "closeafter", "no", "ping", fmt.Sprint(pingInterval)))
	if err != nil {
		return err
	}
	if err := e.client.safe(u); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Accept-Encoding", "identity") // nothing is held back until it is worth compressing
	if e.place != "" {
		r.Header.Set("Last-Event-ID", e.place)
	}
	resp, err := e.client.send(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent { // which asks not to come back
		return refusal(resp)
	}
	if sign(); !e.stands() {
		return nil
	}
	return e.read(resp.Body, sign)
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
				if !e.tell(change) {
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
			e.place = value
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("jmapclient: events: %w: %w", io.ErrUnexpectedEOF, err) // whatever broke it, another connection may last
	} else if err != nil {
		return err
	}
	return io.EOF
}
