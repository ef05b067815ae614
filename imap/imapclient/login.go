package imapclient

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/deflate"
)

// hidden stands in a trace for a secret.
const hidden = "****"

// simple runs a command without data of its own.
func (c *Client) simple(ctx context.Context, name string, args []byte) (*imap.Status, error) {
	cmd, err := c.begin(ctx, name)
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	return cmd.run(args, nil)
}

// Capabilities returns what the server has announced for the present state of the session.
func (c *Client) Capabilities() Capabilities { return maps.Clone(c.caps) }

// needCapabilities asks for the capabilities if the server has not told them.
func (c *Client) needCapabilities(ctx context.Context) error {
	if c.caps != nil {
		return nil
	}
	if _, err := c.simple(ctx, "CAPABILITY", nil); err != nil {
		return err
	}
	if c.caps == nil {
		c.caps = Capabilities{}
	}
	return nil
}

// Login authenticates with LOGIN. It fails with sasl.ErrEncryption without TLS, unless Options.AllowPlaintextAuth is
// set. Wrong credentials are an *Error, with CodeAuthFailed from most servers.
func (c *Client) Login(ctx context.Context, user, password string) error {
	switch {
	case c.tls == nil && !c.o.AllowPlaintextAuth:
		return sasl.ErrEncryption
	case c.caps.Has("LOGINDISABLED"):
		return ErrUnsupported
	case strings.IndexByte(user+password, 0) >= 0:
		return sasl.ErrMalformed
	}
	cmd, err := c.begin(ctx, "LOGIN")
	if err != nil {
		return err
	}
	defer cmd.end()
	args := imap.AppendAString([]byte{' '}, user)
	args = imap.AppendAString(append(args, ' '), password)
	c.told = false
	if err := cmd.send(args, " "+hidden+" "+hidden); err != nil {
		return err
	}
	if _, err := cmd.wait(nil); err != nil {
		return err
	}
	cmd.end()
	return c.newCapabilities(ctx)
}

// newCapabilities asks for the capabilities after a login, if the server has not told them with it.
func (c *Client) newCapabilities(ctx context.Context) error {
	if !c.told {
		c.caps = nil
	}
	return c.needCapabilities(ctx)
}

// Authenticate authenticates with the best mechanism that the server offers and the credentials allow, else with
// LOGIN. The error is sasl.ErrEncryption or sasl.ErrMechanism where nothing fits.
func (c *Client) Authenticate(ctx context.Context, credentials sasl.Credentials) error {
	if credentials.Host == "" {
		credentials.Host = c.host
	}
	credentials.AllowPlaintext = credentials.AllowPlaintext || c.o.AllowPlaintextAuth
	mechanism, err := credentials.Client(c.caps.mechanisms(), c.tls)
	if errors.Is(err, sasl.ErrMechanism) && credentials.Password != "" && credentials.Identity == "" && !c.caps.Has("LOGINDISABLED") {
		return c.Login(ctx, credentials.Username, credentials.Password)
	}
	if err != nil {
		return err
	}
	name, response, err := mechanism.Start()
	if err != nil {
		return err
	}
	cmd, err := c.begin(ctx, "AUTHENTICATE")
	if err != nil {
		return err
	}
	defer cmd.end()
	c.told = false
	args, shown := " "+name, " "+name
	if response != nil && c.caps.Has("SASL-IR") { // RFC 4959
		args, shown, response = args+" "+encodeInitial(response), shown+" "+hidden, nil
	}
	if err := cmd.send([]byte(args), shown); err != nil {
		return err
	}
	if err := cmd.exchange(mechanism, response); err != nil {
		return err
	}
	cmd.end()
	if err := sasl.Proven(mechanism); err != nil {
		_ = c.Close() // logged in with whom?
		return fmt.Errorf("imapclient: AUTHENTICATE: %w", err)
	}
	return c.newCapabilities(ctx)
}

func encodeInitial(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// exchange answers challenges until the command is over. response is the initial one if it has not been sent.
func (cmd *command) exchange(mechanism interface{ Next([]byte) ([]byte, error) }, response []byte) error {
	for {
		if err := cmd.goAhead(); err != nil {
			return err
		}
		if cmd.done != nil {
			_, err := cmd.wait(nil)
			return err
		}
		text := strings.TrimSpace(cmd.c.d.Line())
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return cmd.broken("a challenge that is not base64", err)
		}
		if response == nil || len(challenge) > 0 {
			if response, err = mechanism.Next(challenge); err != nil {
				if err := cmd.write([]byte("*\r\n"), true, true); err == nil {
					_, _ = cmd.wait(nil)
				}
				return fmt.Errorf("imapclient: AUTHENTICATE: %w", err)
			}
		}
		if cmd.c.o.Trace != nil {
			cmd.c.o.Trace(true, []byte(hidden+"\r\n"))
		}
		if err := cmd.write([]byte(base64.StdEncoding.EncodeToString(response)+"\r\n"), false, true); err != nil {
			return err
		}
		response = nil
	}
}

// Enable switches extensions on (RFC 5161) and returns those that the server has switched on. With IMAP4REV2 or
// UTF8=ACCEPT names are in UTF-8 from then on.
func (c *Client) Enable(ctx context.Context, extensions ...string) ([]string, error) {
	var args []byte
	for _, e := range extensions {
		if !imap.Flag(e).Valid() {
			return nil, ErrArgument
		}
		args = append(append(args, ' '), e...)
	}
	if args == nil {
		return nil, ErrArgument
	}
	cmd, err := c.begin(ctx, "ENABLE")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var on []string
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != "ENABLED" {
			return false
		}
		_ = c.d.Keyword()
		on = append(on, slices.Sorted(maps.Keys(parseCapabilities(c.d.Line())))...)
		return true
	})
	for _, e := range on {
		if c.enabled == nil {
			c.enabled = Capabilities{}
		}
		c.enabled[e] = true
	}
	return on, err
}

// maxID is how many fields ID has at most (RFC 2971 §3.3).
const maxID = 30

// ID tells the server who the client is, nil for nothing, and returns who the server is (RFC 2971): "name", "version".
func (c *Client) ID(ctx context.Context, fields map[string]string) (map[string]string, error) {
	args := []byte(" NIL")
	if len(fields) > 0 {
		args = []byte(" (")
		for i, k := range slices.Sorted(maps.Keys(fields)) {
			if i > 0 {
				args = append(args, ' ')
			}
			if strings.IndexByte(k+fields[k], 0) >= 0 || i == maxID {
				return nil, ErrArgument
			}
			args = imap.AppendString(args, k)
			args = imap.AppendNString(append(args, ' '), fields[k])
		}
		args = append(args, ')')
	}
	cmd, err := c.begin(ctx, "ID")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	server := map[string]string{}
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != "ID" {
			return false
		}
		_ = c.d.Keyword()
		c.d.SP()
		if c.d.Peek() == '(' {
			c.d.List(func() {
				k := c.d.IString()
				c.d.SP()
				v, _ := c.d.Nstring()
				if len(server) < maxID {
					server[strings.ToLower(k)] = v
				}
			})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return server, nil
}

// Noop does nothing, and lets the server tell what is new.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.simple(ctx, "NOOP", nil)
	return err
}

// Compress compresses the connection from here on, both ways (RFC 4978). Limits count what comes out of it. Over TLS, whoever
// can have text of theirs sent beside a secret may guess at the secret from the lengths; do it after the login.
// ErrUnsupported: the server does not offer it, or it is on.
func (c *Client) Compress(ctx context.Context) error {
	if !c.caps.Has("COMPRESS=DEFLATE") || c.compressed {
		return ErrUnsupported
	}
	cmd, err := c.begin(ctx, "COMPRESS")
	if err != nil {
		return err
	}
	defer cmd.end()
	if _, err := cmd.run([]byte(" DEFLATE"), nil); err != nil {
		return err
	}
	// What came in one piece with the reply is compressed already.
	early, err := c.r.Peek(c.r.Buffered())
	if err != nil {
		return cmd.lose(cmd.fault(err))
	}
	c.src = deflate.NewReader(&rest{head: append([]byte(nil), early...), conn: c.conn})
	c.r.Reset(c.in)
	c.w = bufio.NewWriterSize(deflate.NewWriter(c.conn), 4<<10)
	c.compressed = true
	return nil
}

// A rest reads head and then conn.
type rest struct {
	head []byte
	conn interface{ Read([]byte) (int, error) }
}

func (r *rest) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.conn.Read(p)
}

// Unauthenticate makes the connection what it was before the login (RFC 8437), for another one. ErrUnsupported: the server does
// not offer it, or the connection is compressed.
func (c *Client) Unauthenticate(ctx context.Context) error {
	if !c.caps.Has("UNAUTHENTICATE") || c.compressed {
		return ErrUnsupported
	}
	c.told = false
	if _, err := c.simple(ctx, "UNAUTHENTICATE", nil); err != nil {
		return err
	}
	c.endContexts()
	c.selected, c.enabled = nil, nil
	return c.newCapabilities(ctx)
}

// JMAPAccess returns the URL of the JMAP session resource with the same mail (RFC 9698). ErrUnsupported: the server offers none.
func (c *Client) JMAPAccess(ctx context.Context) (string, error) {
	if !c.caps.Has("JMAPACCESS") {
		return "", ErrUnsupported
	}
	cmd, err := c.begin(ctx, "GETJMAPACCESS")
	if err != nil {
		return "", err
	}
	defer cmd.end()
	url := ""
	_, err = cmd.run(nil, func(r response) bool {
		if r.kind != "JMAPACCESS" {
			return false
		}
		_ = c.d.Keyword()
		c.d.SP()
		url = c.d.Astring()
		return true
	})
	return url, err
}

// Language asks that the server's texts for people be in the first of some language ranges (RFC 4647: "de-AT", "*") that it has,
// and returns the tag of that language; "default" is the server's own. Without ranges it returns the tags of all
// languages that the server has (RFC 5255 §3). An imap.Status of NO says that it has none of these. ErrUnsupported: it does not say.
// The choice ends with Unauthenticate and is made best before the login.
func (c *Client) Language(ctx context.Context, ranges ...string) ([]string, error) {
	if !c.caps.Has("LANGUAGE") {
		return nil, ErrUnsupported
	}
	var args []byte
	for _, r := range ranges {
		if strings.ContainsFunc(r, unicode.IsControl) {
			return nil, ErrArgument
		}
		args = imap.AppendAString(append(args, ' '), r)
	}
	cmd, err := c.begin(ctx, "LANGUAGE")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var tags []string
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != "LANGUAGE" {
			return false
		}
		_ = c.d.Keyword()
		c.d.SP()
		tags = nil
		c.d.List(func() { tags = append(tags, c.d.Astring()) })
		return true
	})
	return tags, err
}
