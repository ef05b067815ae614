package imapserver

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

// capabilities lists them separated by spaces, as they are before or after the login.
func (c *session) capabilities() string { return c.capabilityList(false) }

// capabilityList is capabilities, with every those too that other accounts have.
func (c *session) capabilityList(every bool) string {
	b := []byte("IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE LANGUAGE")
	add := func(ok bool, name string) {
		if ok || every {
			b = append(append(b, ' '), name...)
		}
	}
	a := c.account
	if a == nil {
		add(c.s.TLS != nil && c.tlsState() == nil, "STARTTLS")
		mechanisms := c.s.Authenticator.Mechanisms(c.saslConn())
		add(!c.mayShowPassword() || !slices.Contains(mechanisms, "PLAIN"), "LOGINDISABLED") // LOGIN is PLAIN within
		for _, m := range mechanisms {
			add(true, "AUTH="+m)
		}
		for _, name := range c.more.capabilities {
			add(true, name)
		}
		return string(b)
	}
	add(!c.compressed(), "COMPRESS=DEFLATE")
	add(c.s.JMAP != "", "JMAPACCESS")
	add(true, "UIDONLY UIDBATCHES UNAUTHENTICATE NAMESPACE UNSELECT CHILDREN ESEARCH SEARCHRES PARTIAL PREVIEW SORT SORT=DISPLAY ESORT CONTEXT=SEARCH CONTEXT=SORT MULTISEARCH THREAD=ORDEREDSUBJECT THREAD=REFERENCES WITHIN LIST-EXTENDED LIST-STATUS SPECIAL-USE STATUS=SIZE BINARY CONDSTORE QRESYNC OBJECTID SAVEDATE UTF8=ACCEPT NOTIFY INPROGRESS")
	add(true, "I18NLEVEL=1") // by the rules of imap.Searcher
	add(a.Fuzzy != nil, "SEARCH=FUZZY")
	add(a.Quoter != nil, "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE")
	add(a.Quoter != nil && a.QuotaSetter != nil, "QUOTASET")
	add(a.Annotator != nil, "METADATA")
	add(a.Authorizer != nil, "ACL RIGHTS=kxte LIST-MYRIGHTS")
	add(a.Expunger != nil, "UIDPLUS")
	add(a.Mover != nil, "MOVE")
	add(a.Editor != nil, "CREATE-SPECIAL-USE")
	add(a.Replacer != nil, "REPLACE")
	add(a.Appender != nil, "MULTIAPPEND CATENATE APPENDLIMIT="+strconv.FormatInt(c.s.maxMessage(), 10))
	add(c.s.Limits.messageLimit() != "" && !every, c.s.Limits.messageLimit())
	for _, name := range c.more.capabilities {
		add(true, name)
	}
	return string(b)
}

func (c *session) capability() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() == nil {
		c.untagged("CAPABILITY", c.capabilities())
	}
	return nil, nil
}

// mayShowPassword reports whether LOGIN is allowed on this connection.
func (c *session) mayShowPassword() bool { return c.s.AllowPlaintextAuth || c.tlsState() != nil }

func (c *session) saslConn() sasl.Conn {
	return sasl.Conn{Service: "imap", Remote: c.remote(), TLS: c.tlsState(), AllowPlaintext: c.s.AllowPlaintextAuth}
}

// starttls is RFC 9051 §6.2.1.
func (c *session) starttls() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if c.s.TLS == nil || c.tlsState() != nil {
		return nil, badCommand("STARTTLS is not available")
	}
	if c.br.Buffered() > 0 { // sent before TLS to be run within it
		c.over = true
		return nil, badCommand("nothing may follow STARTTLS")
	}
	c.respond(c.tag, &imap.Status{Type: imap.StatusOK, Text: "begin TLS"})
	c.answered = true
	if err := c.bw.Flush(); err != nil {
		c.over = true
		return nil, err
	}
	c.work(c.until)
	if err := c.startTLS(c.ctx, tls.Server(c.nc, c.s.TLS)); err != nil {
		c.log.Debug("TLS handshake", "err", err)
		c.over = true
	}
	return nil, nil
}

// login is RFC 9051 §6.2.3.
func (c *session) login() (*imap.Status, error) {
	if !c.mayShowPassword() { // before a literal with the password is asked for
		return nil, no(imap.CodePrivacy, "TLS is needed first")
	}
	c.d.SP()
	user := c.d.Astring()
	c.d.SP()
	password := c.d.Astring()
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	id, err := sasl.Login(c.ctx, c.s.Authenticator, c.saslConn(), user, password)
	return c.loggedIn(id, err)
}

// authenticate is RFC 9051 §6.2.2, with an initial response as of RFC 4959.
func (c *session) authenticate() (*imap.Status, error) {
	c.d.SP()
	mechanism := c.d.Keyword()
	var response []byte
	if c.d.Accept(' ') {
		response = c.base64(c.d.Line())
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	offered := slices.Contains(c.s.Authenticator.Mechanisms(c.saslConn()), mechanism)
	x, err := c.s.Authenticator.Start(c.ctx, c.saslConn(), mechanism)
	if err != nil {
		if !offered {
			return nil, err // a question, not a guess
		}
		return c.loggedIn(sasl.Identity{}, err)
	}
	for {
		challenge, done, err := x.Next(response)
		if err != nil || done && len(challenge) == 0 {
			return c.loggedIn(x.Identity(), err)
		}
		if response, err = c.challenge(challenge); err != nil {
			return nil, err
		}
		if done { // the last challenge has been acknowledged
			return c.loggedIn(x.Identity(), nil)
		}
	}
}

// challenge sends a challenge and reads the response.
func (c *session) challenge(challenge []byte) ([]byte, error) {
	b := append(c.bw.AvailableBuffer(), "+ "...)
	b = base64.StdEncoding.AppendEncode(b, challenge)
	_, _ = c.bw.Write(append(b, "\r\n"...))
	if err := c.bw.Flush(); err != nil {
		return nil, err
	}
	if err := c.d.Next(); err != nil {
		return nil, err
	}
	line := c.d.Line()
	if line == "*" {
		return nil, badCommand("cancelled")
	}
	if line == "" {
		return []byte{}, c.d.Err()
	}
	response := c.base64(line)
	return response, c.d.Err()
}

// base64 decodes a response; "=" is an empty one (RFC 4959 §3).
func (c *session) base64(s string) []byte {
	if s == "=" {
		return []byte{}
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || s == "" {
		c.d.Want("base64")
		return nil
	}
	return b
}

// loggedIn opens the account of who has authenticated, or counts a failure.
func (c *session) loggedIn(id sasl.Identity, err error) (*imap.Status, error) {
	if err != nil {
		c.log.Info("login failed", "user", id.Name, "mechanism", id.Mechanism, "err", err)
		if c.fail++; c.fail >= def(c.s.Limits.FailedLogins, 5) {
			c.over = true
		}
		return nil, err
	}
	a, err := c.s.Backend.OpenAccount(c.ctx, id.Name)
	if errors.Is(err, imap.ErrNonexistent) {
		return nil, no(imap.CodeAuthzFailed, "no mailboxes for this user")
	} else if err != nil {
		return nil, err
	}
	if err := a.Check(); err != nil {
		return nil, err
	}
	c.account, c.user, c.more = a, id.Name, c.s.add(a)
	c.d.SetOptions(c.s.options(true, c.ask))
	c.log.Info("login", "user", id.Name, "mechanism", id.Mechanism, "tls", c.tlsState() != nil)
	return &imap.Status{Type: imap.StatusOK, Code: imap.CodeCapability, Args: c.capabilities(), Text: "logged in"}, nil
}

// unauthenticate is RFC 8437: the session is as it was before the login. With COMPRESS its end could not be found, so the
// connection ends instead (§4.1 has both sides end their compression).
func (c *session) unauthenticate() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if c.compressed() {
		c.over, c.answered = true, true
		c.respond("*", &imap.Status{Type: imap.StatusBye, Text: "compression cannot be left"})
		return nil, nil
	}
	c.leave()
	c.endNotify()
	c.log.Info("unauthenticated", "user", c.user)
	c.account, c.user, c.more = nil, "", c.s.add(nil)
	c.rev2, c.utf8, c.accept, c.condstore, c.qresync, c.uidOnly = false, false, false, false, false, false
	c.until = time.Now().Add(def(c.s.Timeouts.Login, time.Minute))
	c.d.SetOptions(c.s.options(false, c.ask))
	return &imap.Status{Type: imap.StatusOK, Code: imap.CodeCapability, Args: c.capabilities(), Text: "UNAUTHENTICATE completed"}, nil
}

// jmapAccess is GETJMAPACCESS (RFC 9698 §4).
func (c *session) jmapAccess() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if c.s.JMAP == "" {
		return nil, badCommand("there is no JMAP")
	}
	c.untagged("JMAPACCESS", string(imap.AppendQuoted(nil, c.s.JMAP)))
	return nil, nil
}

// compress is COMPRESS DEFLATE (RFC 4978). Limits count what comes out of it.
func (c *session) compress() (*imap.Status, error) {
	c.d.SP()
	name := c.d.Keyword()
	switch c.d.EOL(); {
	case c.d.Err() != nil:
		return nil, nil
	case name != "DEFLATE":
		return nil, badCommand("DEFLATE is all there is")
	case c.compressed():
		return nil, &imap.Status{Type: imap.StatusNo, Code: imap.CodeCompressionActive, Text: "DEFLATE is active already"}
	case c.br.Buffered() > 0: // RFC 4978 §3: the client waits for the result
		c.over = true
		return nil, badCommand("nothing may follow COMPRESS")
	}
	c.respond(c.tag, &imap.Status{Type: imap.StatusOK, Text: "DEFLATE active"})
	c.answered = true
	if err := c.bw.Flush(); err != nil {
		c.over = true
		return nil, err
	}
	c.startDeflate(&c.s.deflaters)
	return nil, nil
}
