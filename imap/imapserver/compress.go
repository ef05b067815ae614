package imapserver

import "github.com/mailbricks/mailbricks/imap"

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
