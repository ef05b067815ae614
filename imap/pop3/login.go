package pop3

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/line"
)

// offersSTLS reports whether STLS is permitted now.
func (s *session) offersSTLS() bool {
	return s.srv.TLS != nil && s.tls == nil && s.drop == nil && !s.utf8
}

// stls starts TLS (RFC 2595 §4). A client that has sent more already is closed: those octets came in the clear, from
// whoever could write them, and must not be taken for commands of what is encrypted.
func (s *session) stls([]byte) {
	switch {
	case !s.offersSTLS():
		s.badCommand("no STLS here")
		return
	case s.r.Buffered() > 0:
		s.fail("", "commands behind STLS")
		s.over = true
		return
	}
	s.ok("begin TLS")
	if err := s.w.Flush(); err != nil {
		s.over = true
		return
	}
	if !s.handshake(tls.Server(s.raw, s.srv.TLS)) {
		s.over = true
		return
	}
	s.r.Reset(flushReader{s})
	s.name = ""
}

// enableUTF8 is the UTF8 command (RFC 6856 §2.1).
func (s *session) enableUTF8([]byte) {
	s.utf8 = true
	s.ok("UTF-8 it is")
}

// user takes the name, of whom nothing is told before the password.
func (s *session) user(arg []byte) {
	switch {
	case s.tls == nil && !s.srv.AllowPlaintextAuth:
		s.fail("", "TLS first")
	case !utf8.Valid(arg) || len(arg) == 0:
		s.badCommand("not a name")
	default:
		s.name = string(arg)
		s.ok("and the password?")
	}
}

// pass takes the password: everything behind the first space.
func (s *session) pass(arg []byte) {
	name := s.name
	s.name = ""
	if name == "" {
		s.badCommand("USER first")
		return
	}
	ctx, cancel := context.WithDeadline(s.hard, s.login)
	defer cancel()
	id, err := sasl.Login(ctx, s.srv.Authenticator, s.saslConn(), name, string(arg))
	if err != nil && id.Name == "" {
		id = sasl.Identity{Name: name, Mechanism: "PLAIN"}
	}
	s.authenticated(id, err)
}

// auth runs a SASL exchange (RFC 5034 §4).
func (s *session) auth(arg []byte) {
	s.name = ""
	mechanism, initial, hasInitial := strings.Cut(string(arg), " ")
	var response []byte
	if hasInitial {
		var err error
		if response, err = decodeBase64(initial, true); err != nil {
			s.badCommand("not base64")
			return
		}
	}
	ctx, cancel := context.WithDeadline(s.hard, s.login)
	defer cancel()
	e, err := s.srv.Authenticator.Start(ctx, s.saslConn(), strings.ToUpper(mechanism))
	if err != nil {
		s.authenticated(sasl.Identity{}, err)
		return
	}
	for {
		challenge, done, err := e.Next(response)
		if err != nil || done {
			s.authenticated(e.Identity(), err)
			return
		}
		if response = s.challenge(challenge); response == nil {
			return
		}
	}
}

// challenge sends a challenge and returns the response, nil if there is none.
func (s *session) challenge(c []byte) []byte {
	_, _ = s.w.WriteString("+ " + base64.StdEncoding.EncodeToString(c) + "\r\n")
	s.readUntil(s.login)
	l, err := s.r.ReadLine(orDefault(s.srv.Limits.SASLLine, 16<<10))
	if !s.readFailed(err) {
		if _, ok := errors.AsType[*line.TooLongError](err); ok {
			s.over = true // what follows might be the rest of a secret
		}
		return nil
	}
	if len(l) == 1 && l[0] == '*' {
		s.fail("", "cancelled")
		return nil
	}
	response, err := decodeBase64(string(l), false)
	if err != nil {
		s.badCommand("not base64")
		return nil
	}
	return response
}

// decodeBase64 never returns nil without an error. "=" is an empty initial response.
func decodeBase64(b string, initial bool) ([]byte, error) {
	if initial && b == "=" {
		return []byte{}, nil
	}
	if initial && b == "" {
		return nil, base64.CorruptInputError(0)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(out, []byte(b))
	return out[:n], err
}

// authenticated goes to the TRANSACTION state, or says why not.
func (s *session) authenticated(id sasl.Identity, err error) {
	if err == nil {
		err = s.open(id)
		if err == nil {
			return
		}
	}
	s.log(slog.LevelWarn, "login failed", "user", id.Name, "mechanism", id.Mechanism, "err", err)
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		s.fail("", "TLS first")
		return
	case errors.Is(err, sasl.ErrMechanism):
		s.badCommand("no such mechanism")
		return
	case errors.Is(err, sasl.ErrCredentials), errors.Is(err, sasl.ErrMalformed):
		s.fail("AUTH", "wrong name or password")
	case errors.Is(err, sasl.ErrLocked):
		s.fail("SYS/TEMP", "too many failures, try again later")
	case errors.Is(err, errTooSoon):
		s.fail("LOGIN-DELAY", "the last login was not long ago")
		return
	case errors.Is(err, imap.ErrNonexistent):
		s.fail("SYS/PERM", "no mailbox for this user")
	default:
		s.fail("SYS/TEMP", "not possible now")
	}
	if s.failures--; s.failures <= 0 {
		s.over = true
	}
}

var errTooSoon = errors.New("pop3: login before LoginDelay is over")

// open takes the snapshot of the maildrop.
func (s *session) open(id sasl.Identity) error {
	ctx, cancel := context.WithTimeout(s.hard, orDefault(s.srv.Timeouts.Backend, 2*time.Minute))
	defer cancel()
	account, err := s.srv.Backend.OpenAccount(ctx, id.Name)
	if err != nil {
		return err
	}
	if err := account.Check(); err != nil {
		return err
	}
	drop, err := openMaildrop(ctx, account, orDefault(s.srv.Limits.Messages, 1_000_000))
	if err != nil {
		return err
	}
	if !s.srv.mayLogin(id.Name) {
		return errTooSoon
	}
	s.drop = drop
	s.log(slog.LevelInfo, "login", "user", id.Name, "mechanism", id.Mechanism, "messages", len(drop.messages))
	s.ok("%d messages (%d octets)", drop.left, drop.size)
	return nil
}
