package imapclient

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// Raw sends a command that this package does not know, for an extension of one's own, and waits for its end. args stands behind the
// name as package imap appends arguments, with the space before the first and literals, {n}, whole; nil: none. data has a function for each
// untagged response that belongs to the command, by its name in upper case: it reads from the Decoder, which stands behind the
// name, to the end of the line; number is what stood before the name, 0 for nothing. Everything else is taken in as during any
// other command.
//
// The result is the tagged OK. ErrArgument: a command that would change the connection, the login or the mailbox that is selected
// without the Client's knowledge, a response that the Client needs itself, or arguments that would not stay within one command.
func (c *Client) Raw(ctx context.Context, name string, args []byte, data map[string]func(number uint32, d *imap.Decoder)) (*imap.Status, error) {
	name = strings.ToUpper(name)
	if !rawName(name) || !validArgs(args) {
		return nil, ErrArgument
	}
	for kind := range data {
		if slices.Contains(ownResponses(), kind) || kind != strings.ToUpper(kind) {
			return nil, ErrArgument
		}
	}
	cmd, err := c.begin(ctx, name)
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var unread error
	status, err := cmd.run(args, func(r response) bool {
		read := data[r.kind]
		if read == nil {
			return false
		}
		_ = c.d.Keyword()
		read(r.number, c.d)
		if c.d.EOL(); c.d.Err() != nil && unread == nil {
			unread = fmt.Errorf("imapclient: %s: %s: %w", name, r.kind, c.d.Err())
		}
		return true
	})
	if err == nil {
		err = unread
	}
	return status, err
}

// rawName reports whether Raw may send a command: a name, or UID and a name.
func rawName(name string) bool {
	word := strings.TrimPrefix(name, "UID ")
	if !imap.Flag(word).Valid() || word[0] == '\\' {
		return false
	}
	switch word {
	case "STARTTLS", "AUTHENTICATE", "LOGIN", "LOGOUT", "COMPRESS", "UNAUTHENTICATE", "ENABLE", "SELECT", "EXAMINE", "CLOSE", "UNSELECT", "IDLE", "NOTIFY", "UID":
		return false
	}
	return true
}

// validArgs reports whether arguments stay within one command as write sends them.
func validArgs(b []byte) bool {
	if len(b) > 0 && b[0] != ' ' {
		return false
	}
	for {
		i := bytes.Index(b, []byte("}\r\n"))
		if i < 0 {
			return !bytes.ContainsAny(b, "\r\n\x00")
		}
		size, ok := literalSize(b[:i])
		if !ok || bytes.ContainsAny(b[:i], "\r\n\x00") || size > int64(len(b)-i-3) {
			return false
		}
		b = b[i+3+int(size):]
	}
}

// ownResponses are those that the Client takes in itself.
func ownResponses() []string {
	return []string{"OK", "NO", "BAD", "BYE", "PREAUTH", "CAPABILITY", "ENABLED", "FLAGS", "EXISTS", "RECENT", "EXPUNGE", "VANISHED", "FETCH", "UIDFETCH"}
}
