package imapserver

import (
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// states in which a command is allowed.
type state uint8

const (
	anyState state = iota
	beforeLogin
	afterLogin
	selected
)

// A handler reads the arguments of a command, runs it, and returns its tagged OK, nil for the usual one. An error is
// answered as (*session).status says.
type handler func(c *session) (*imap.Status, error)

// takesNumbers reports a command that has a form with UID and one without.
func takesNumbers(name string) bool {
	switch name {
	case "FETCH", "STORE", "COPY", "MOVE", "SEARCH", "SORT", "THREAD", "REPLACE":
		return true
	}
	return false
}

func errUIDRequired() error {
	return &imap.Status{Type: imap.StatusBad, Code: imap.CodeUIDRequired, Text: "no message numbers once UIDONLY is enabled"}
}

func lookup(name string, uid bool) (handler, state) {
	switch name {
	case "FETCH":
		return (*session).fetch, selected
	case "STORE":
		return (*session).store, selected
	case "COPY":
		return (*session).copy, selected
	case "MOVE":
		return (*session).move, selected
	case "SEARCH":
		return (*session).search, selected
	case "SORT":
		return (*session).sortCommand, selected
	case "THREAD":
		return (*session).threadCommand, selected
	case "EXPUNGE":
		return (*session).expunge, selected
	case "REPLACE":
		return (*session).replace, selected
	}
	if uid {
		return nil, anyState
	}
	switch name {
	case "CAPABILITY":
		return (*session).capability, anyState
	case "NOOP":
		return (*session).noop, anyState
	case "LOGOUT":
		return (*session).logout, anyState
	case "ID":
		return (*session).id, anyState
	case "LANGUAGE":
		return (*session).language, anyState
	case "STARTTLS":
		return (*session).starttls, beforeLogin
	case "LOGIN":
		return (*session).login, beforeLogin
	case "AUTHENTICATE":
		return (*session).authenticate, beforeLogin
	case "UIDBATCHES":
		return (*session).uidBatches, selected
	case "CANCELUPDATE":
		return (*session).cancelUpdate, selected
	case "CHECK":
		return (*session).noop, selected
	case "CLOSE", "UNSELECT":
		if name == "CLOSE" {
			return (*session).closeBox, selected
		}
		return (*session).unselect, selected
	}
	return lookupMailboxes(name), afterLogin
}

func lookupMailboxes(name string) handler {
	switch name {
	case "SELECT":
		return (*session).selectBox
	case "EXAMINE":
		return (*session).examine
	case "LIST":
		return (*session).list
	case "LSUB":
		return (*session).lsub
	case "STATUS":
		return (*session).statusOf
	case "CREATE":
		return (*session).create
	case "DELETE":
		return (*session).delete
	case "RENAME":
		return (*session).rename
	case "SUBSCRIBE":
		return (*session).subscribe
	case "UNSUBSCRIBE":
		return (*session).unsubscribe
	case "NAMESPACE":
		return (*session).namespace
	case "ENABLE":
		return (*session).enable
	case "ESEARCH":
		return (*session).multiSearch
	case "APPEND":
		return (*session).append
	case "IDLE":
		return (*session).idle
	case "NOTIFY":
		return (*session).notifyCommand
	case "COMPRESS":
		return (*session).compress
	case "GETQUOTA":
		return (*session).quota
	case "SETQUOTA":
		return (*session).setQuota
	case "GETQUOTAROOT":
		return (*session).quotaRoot
	case "GETJMAPACCESS":
		return (*session).jmapAccess
	case "GETMETADATA":
		return (*session).getMetadata
	case "SETMETADATA":
		return (*session).setMetadata
	case "MYRIGHTS":
		return (*session).myRights
	case "GETACL":
		return (*session).getACL
	case "SETACL":
		return (*session).setACL
	case "DELETEACL":
		return (*session).deleteACL
	case "LISTRIGHTS":
		return (*session).listRights
	case "UNAUTHENTICATE":
		return (*session).unauthenticate
	}
	return nil
}

func (c *session) noop() (*imap.Status, error) {
	c.d.EOL()
	if c.d.Err() != nil {
		return nil, nil
	}
	return nil, c.sync(true)
}

// language is LANGUAGE (RFC 5255 §3). The text of responses is English, which is i-default too (RFC 2277 §4.5).
func (c *session) language() (*imap.Status, error) {
	var ranges []string
	for c.d.Accept(' ') {
		if len(ranges) == maxLanguages {
			c.d.Fail(&imap.LimitError{What: "languages", Limit: maxLanguages})
		}
		ranges = append(ranges, c.d.Astring())
	}
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if len(ranges) == 0 {
		c.untagged("LANGUAGE (EN i-default)")
		return nil, nil
	}
	for _, r := range ranges {
		tag := ""
		switch primary, _, _ := strings.Cut(r, "-"); {
		case equalFold(r, "I-DEFAULT"):
			tag = "i-default"
		case equalFold(r, "DEFAULT"), equalFold(primary, "EN"), r == "*": // RFC 4647 §3.4: looked up
			tag = "EN"
		default:
			continue
		}
		c.untagged("LANGUAGE (" + tag + ")")
		return &imap.Status{Type: imap.StatusOK, Text: "this is English"}, nil
	}
	return nil, no("", "none of these languages is spoken here")
}

// maxLanguages is how many languages one LANGUAGE asks for.
const maxLanguages = 100

func (c *session) logout() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() == nil {
		c.over = true
		c.respond("*", &imap.Status{Type: imap.StatusBye, Text: "logging out"})
	}
	return nil, nil
}

// id answers with the name of the software alone (RFC 2971).
func (c *session) id() (*imap.Status, error) {
	c.d.SP()
	if !c.d.AcceptKeyword("NIL") {
		pairs := 0
		c.d.List(func() {
			if pairs++; pairs > 60 {
				c.d.Fail(&imap.LimitError{What: "fields of ID", Limit: 30})
			}
			c.d.Nstring()
		})
	}
	if c.d.EOL(); c.d.Err() == nil {
		c.untagged(`ID ("name" "mailbricks")`)
	}
	return nil, nil
}

// enable turns on what changes the protocol (RFC 5161).
func (c *session) enable() (*imap.Status, error) {
	var on []string
	for c.d.SP(); c.d.Err() == nil; c.d.SP() {
		switch name := c.d.Keyword(); {
		case slices.Contains(on, name):
		case name == "IMAP4REV2":
			c.rev2, c.utf8 = true, true
			on = append(on, "IMAP4rev2")
		case name == "UIDONLY":
			c.uidOnly = true
			on = append(on, name)
		case name == "UTF8=ACCEPT":
			c.accept, c.utf8 = true, true
			on = append(on, name)
		case name == "CONDSTORE", name == "QRESYNC":
			c.condstore = true
			c.qresync = c.qresync || name == "QRESYNC"
			on = append(on, name)
		}
		if c.d.AtEOL() {
			break
		}
	}
	if c.d.Err() == nil {
		c.untagged(append([]string{"ENABLED"}, on...)...)
	}
	return nil, nil
}
