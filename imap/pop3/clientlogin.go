package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// maxCommand is the longest command in octets with its CRLF (RFC 2449 §4).
const maxCommand = 255

// hidden stands in a trace for a secret.
const hidden = "****"

// Auth authenticates with the best way that the server offers and the credentials allow: a SASL mechanism, else USER
// and PASS. The error is an *Error with Code "AUTH" for wrong credentials, where the server has such codes, and
// sasl.ErrEncryption or sasl.ErrMechanism where nothing fits.
func (c *Client) Auth(ctx context.Context, credentials sasl.Credentials) error {
	if credentials.Host == "" {
		credentials.Host = c.host
	}
	credentials.AllowPlaintext = credentials.AllowPlaintext || c.o.AllowPlaintextAuth
	mechanism, err := credentials.Client(c.capa["SASL"], c.tls)
	if errors.Is(err, sasl.ErrMechanism) && credentials.Password != "" && credentials.Identity == "" {
		return c.login(ctx, credentials.Username, credentials.Password)
	}
	if err != nil {
		return err
	}
	name, response, err := mechanism.Start()
	if err != nil {
		return err
	}
	end, err := c.command(ctx)
	if err != nil {
		return err
	}
	defer end()
	// RFC 5034 §4: an initial response only where the command stays within its limit.
	l, shown := "AUTH "+name, "AUTH "+name
	if response != nil {
		initial := base64.StdEncoding.EncodeToString(response)
		if initial == "" {
			initial = "="
		}
		if len(l)+1+len(initial)+2 <= maxCommand {
			l, shown, response = l+" "+initial, shown+" "+hidden, nil
		}
	}
	c.send(l, shown)
	for {
		challenge, done, err := c.challenge()
		if err != nil {
			return err
		}
		if done {
			if err := sasl.Proven(mechanism); err != nil {
				return c.lose(fmt.Errorf("pop3: AUTH: %w", err))
			}
			return nil
		}
		if response == nil || len(challenge) > 0 {
			if response, err = mechanism.Next(challenge); err != nil {
				c.send("*", "*")
				_, _, _ = c.challenge()
				return fmt.Errorf("pop3: AUTH: %w", err)
			}
		}
		c.send(base64.StdEncoding.EncodeToString(response), hidden)
		response = nil
	}
}

// challenge reads a challenge, or the end of the exchange.
func (c *Client) challenge() (challenge []byte, done bool, err error) {
	l, err := c.readLine("AUTH")
	if err != nil {
		return nil, false, err
	}
	status, text, _ := strings.Cut(l, " ")
	switch strings.ToUpper(status) {
	case "+OK":
		return nil, true, nil
	case "-ERR":
		return nil, false, newError("AUTH", text)
	case "+":
		if b, err := base64.StdEncoding.Strict().DecodeString(text); err == nil {
			return b, false, nil
		}
	}
	return nil, false, c.lose(&ProtocolError{Place: "AUTH", What: "a challenge that is not base64"})
}

// Login authenticates with USER and PASS. Without TLS it fails with sasl.ErrEncryption unless
// Options.AllowPlaintextAuth is set.
func (c *Client) Login(ctx context.Context, user, password string) error {
	if c.tls == nil && !c.o.AllowPlaintextAuth {
		return sasl.ErrEncryption
	}
	return c.login(ctx, user, password)
}

func (c *Client) login(ctx context.Context, user, password string) error {
	if strings.ContainsAny(user+password, "\r\n\x00") {
		return sasl.ErrMalformed
	}
	end, err := c.command(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, err := c.roundTrip("USER " + user); err != nil {
		return err
	}
	c.send("PASS "+password, "PASS "+hidden)
	_, err = c.reply("PASS")
	return err
}
