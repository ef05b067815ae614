package jmapclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/mailbricks/mailbricks/jmap"
)

var errNoWebSocket = errors.New("jmapclient: the server pushes nothing over a WebSocket")

// webSocket returns where pushes over a WebSocket are offered (RFC 8887 §3), "" for nowhere.
func (s *session) webSocket() string {
	var can struct {
		URL          string `json:"url"`
		SupportsPush bool   `json:"supportsPush"`
	}
	if raw := s.Capabilities[jmap.CapabilityWebSocket]; raw == nil || jmap.Unmarshal(raw, &can) != nil || !can.SupportsPush {
		return ""
	}
	return can.URL
}

// A pushEnable asks for pushes (RFC 8887 §4.3.5.2).
type pushEnable struct {
	Type      string                `json:"@type"`
	DataTypes jmap.NullList[string] `json:"dataTypes"`
	PushState string                `json:"pushState,omitzero"`
}

// socket serves one connection to the WebSocket at an address. sign is called for each message, pong for each answer to
// a ping.
func (e *events) socket(ctx context.Context, s *session, address string, sign, pong func()) error {
	if address == "" {
		return errNoWebSocket
	}
	u, err := s.url(address)
	if err != nil {
		return err
	}
	if err := e.client.safe(u); err != nil {
		return err
	}
	conn, err := e.client.dial(ctx, u.String())
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxEvent)
	enable, err := jmap.Marshal(pushEnable{"WebSocketPushEnable", e.types, e.place})
	if err != nil {
		return err
	}
	// The echo comes back when the server has heard both.
	for _, m := range []string{string(enable), `{"@type":"Request","id":"stands","using":["` + jmap.CapabilityCore + `"],"methodCalls":[["Core/echo",{},"0"]]}`} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			return broken(err)
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { ping(ctx, conn, pong) })
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return broken(err)
		}
		sign()
		if err := e.message(b); err != nil || e.left {
			return err
		}
	}
}

// message serves what the server says.
func (e *events) message(b []byte) error {
	var m struct {
		jmap.StateChange
		PushState string  `json:"pushState"`
		RequestID *string `json:"requestId"`
		Status    int     `json:"status"`
		Detail    string  `json:"detail"`
	}
	if err := jmap.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("jmapclient: web socket: %w", err)
	}
	switch m.Type {
	case "StateChange":
		if m.PushState != "" {
			e.place = m.PushState
		}
		e.tell(&m.StateChange)
	case "Response":
		e.stands()
	case "RequestError":
		return &jmap.RequestError{Status: m.Status, Type: "about:blank", Detail: m.Detail}
	}
	return nil
}

// dial connects to a WebSocket. A server that refuses gives a *jmap.RequestError.
func (c *Client) dial(ctx context.Context, address string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	r := &http.Request{Header: make(http.Header)}
	if c.Auth != nil {
		c.Auth(r)
	}
	conn, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: c.HTTP, HTTPHeader: r.Header, Subprotocols: []string{"jmap"}})
	switch {
	case err != nil && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, refusal(resp)
	case err != nil:
		return nil, err
	case conn.Subprotocol() != "jmap":
		_ = conn.CloseNow()
		return nil, errNoWebSocket
	}
	return conn, nil
}

// ping pings until ctx ends. A server that does not answer loses the connection.
func ping(ctx context.Context, conn *websocket.Conn, pong func()) {
	tick := time.NewTicker(pingInterval * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, pingInterval*time.Second)
		err := conn.Ping(within)
		cancel()
		if err != nil {
			_ = conn.CloseNow()
			return
		}
		pong()
	}
}

// broken marks the end of a connection as one that another may mend, unless the server says that it is the client's
// fault.
func broken(err error) error {
	switch websocket.CloseStatus(err) {
	case websocket.StatusPolicyViolation, websocket.StatusUnsupportedData, websocket.StatusProtocolError:
		return fmt.Errorf("jmapclient: web socket: %w", err)
	}
	return fmt.Errorf("jmapclient: web socket: %w: %w", io.ErrUnexpectedEOF, err)
}
