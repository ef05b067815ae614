package smtpserver

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
)

// maxAuthLine is the longest AUTH command and response with its CRLF (RFC 4954 §4).
const maxAuthLine = 12288

// auth does AUTH (RFC 4954 §4).
func (s *session) auth(args string) {
	switch {
	case s.srv.Authenticator == nil || slices.Contains(s.srv.Without, "AUTH"):
		s.fault("502 5.5.1 AUTH is not offered\r\n")
		return
	case !s.extended:
		s.fault("503 5.5.1 EHLO first\r\n")
		return
	case s.identity != "":
		s.fault("503 5.5.1 Authenticated already\r\n")
		return
	case s.tx != nil:
		s.fault("503 5.5.1 Not within a transaction\r\n")
		return
	}
	name, initial, has := strings.Cut(args, " ")
	if name == "" {
		s.fault("501 5.5.4 Syntax: AUTH mechanism\r\n")
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	exchange, err := s.srv.Authenticator.Start(ctx, s.srv.saslConn(s.peer(false)), strings.ToUpper(name))
	if err != nil {
		s.authFailed(err, "")
		return
	}
	var response []byte
	if has {
		if response, err = decodeResponse(initial); err != nil {
			s.authFailed(err, "")
			return
		}
	}
	for {
		challenge, done, err := exchange.Next(response)
		if err != nil {
			s.authFailed(err, exchange.Identity().Name)
			return
		}
		if done && len(challenge) == 0 {
			break
		}
		if response, err = s.ask(challenge); err != nil {
			s.authFailed(err, exchange.Identity().Name)
			return
		}
		if done { // what goes with success is told as a challenge, and answered by nothing (RFC 4954 §4)
			if len(response) > 0 {
				s.authFailed(sasl.ErrMalformed, exchange.Identity().Name)
				return
			}
			break
		}
	}
	if s.identity = exchange.Identity().Name; s.identity == "" {
		s.authFailed(errors.New("sasl: success without a name"), "")
		return
	}
	s.peers = [2]*smtp.Peer{}
	s.w.say("235 2.7.0 Authenticated\r\n")
}

var (
	errCancelled = errors.New("smtpserver: authentication cancelled")
	errBase64    = errors.New("smtpserver: not base64")
	errTold      = errors.New("smtpserver: told already")
)

// ask tells a challenge and returns the response.
func (s *session) ask(challenge []byte) ([]byte, error) {
	s.w.out = append(s.w.out, "334 "...)
	s.w.out = base64.StdEncoding.AppendEncode(s.w.out, challenge)
	s.w.say("\r\n")
	l, ok := s.line("500 5.5.6 Response too long\r\n")
	switch {
	case !ok:
		return nil, errTold
	case string(l) == "*":
		return nil, errCancelled
	case len(l) == 0:
		return []byte{}, nil
	}
	return decodeBase64(string(l))
}

// decodeResponse decodes an initial response: "=" is an empty one.
func decodeResponse(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	return decodeBase64(text)
}

func decodeBase64(text string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, errBase64
	}
	return b, nil
}

// authFailed says why (RFC 4954 §6). name is who tried, for the log.
func (s *session) authFailed(err error, name string) {
	if err == errTold {
		return
	}
	s.log(slog.LevelInfo, "authentication failed", "user", name, "err", err)
	switch {
	case errors.Is(err, errBase64), errors.Is(err, sasl.ErrMalformed):
		s.fault("501 5.5.2 Malformed response\r\n")
	case errors.Is(err, errCancelled):
		s.fault("501 5.7.0 Authentication cancelled\r\n")
	case errors.Is(err, sasl.ErrMechanism):
		s.fault("504 5.5.4 Mechanism not available\r\n")
	case errors.Is(err, sasl.ErrEncryption):
		s.fault("538 5.7.11 Encryption required\r\n")
	case errors.Is(err, sasl.ErrCredentials):
		s.fault("535 5.7.8 Authentication credentials invalid\r\n")
	case errors.Is(err, sasl.ErrLocked):
		s.fault("454 4.7.0 Too many failures, try again later\r\n")
	default:
		s.fault("454 4.7.0 Temporary authentication failure\r\n")
	}
}
