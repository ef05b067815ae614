package imapserver

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// An Extension adds to a Server what this package does not know: a capability, commands, and items of FETCH and STATUS and keys of
// SEARCH. Names are in upper case. A name that the server has of its own, or that two Extensions have, is an error of Serve.
type Extension struct {
	// Capability is what CAPABILITY tells of it; "": nothing.
	Capability string
	// Offered, if not nil, is asked once a login whether the account has it, and with nil before the login; where it has not,
	// nothing of the Extension is there. Without Offered every account has it, and before the login it is there if it has a
	// command for AnyState.
	Offered func(a *imap.Account) bool

	Commands    []Command
	FetchItems  []FetchItem
	StatusItems []StatusItem
	SearchKeys  []SearchKey
}

// State is where a Command is allowed.
type State uint8

// States (RFC 9051 §3).
const (
	Authenticated State = iota
	Selected            // and authenticated
	AnyState
)

// A Command is one that the server does not know.
type Command struct {
	Name  string
	State State
	// Numbers says that it takes sequence numbers, or UIDs with UID before its name. Call.Numbers is for State Selected.
	Numbers bool
	// Run reads the arguments from the Decoder, which stands behind the name, to the end of the line, and answers. nil is the usual
	// OK; another OK may have a response code. The errors of package imap, an *imap.Status and syntax errors get the answers that the
	// server gives itself, others are failures. What has happened in the mailbox is told after it.
	Run func(ctx context.Context, call *Call, d *imap.Decoder) (*imap.Status, error)
}

// A FetchItem is an item of FETCH that is an atom without a section.
type FetchItem struct {
	Name imap.FetchAtt
	// Fields are those of the Message that Append looks at.
	Fields imap.Fields
	// Append appends the value, 1 MiB at most: an atom, a string, or a list. imap.ErrNonexistent leaves the message out.
	Append func(ctx context.Context, call *Call, dst []byte, m *imap.Message) ([]byte, error)
}

// A StatusItem is an item of STATUS, and of LIST with STATUS.
type StatusItem struct {
	Name imap.StatusItem
	// Append appends the value, 1 MiB at most. call has the mailbox that is asked about.
	Append func(ctx context.Context, call *Call, dst []byte) ([]byte, error)
}

// A SearchKey is a key of SEARCH, SORT and THREAD.
type SearchKey struct {
	Name string
	// Parse reads the arguments, the space before them included, and returns what tests a message. fields are those of the message
	// that match looks at. Errors are the Decoder's.
	Parse func(ctx context.Context, call *Call, d *imap.Decoder) (fields imap.Fields, match func(*imap.Message, imap.SearchText) (bool, error))
}

// A Call is who asks and where. It is valid until the function that it was given to returns.
type Call struct {
	Tag     string // of the command
	UID     bool   // it has the prefix UID
	User    string // "" before the login
	Account *imap.Account
	// Mailbox is the selected mailbox, or that of StatusItem.Append; nil if there is none.
	Mailbox  imap.Mailbox
	Info     imap.MailboxInfo // of Mailbox
	ReadOnly bool             // by EXAMINE, or because nothing can be changed

	c *session
}

// maxExtension is how long a value is at most that an Extension appends, and an untagged response.
const maxExtension = 1 << 20

// Numbers returns the UIDs that a set of sequence numbers or, with UID, of UIDs means in the selected mailbox, as the client knows
// it. The error is the answer to a number that no message has.
func (call *Call) Numbers(set imap.SequenceSet) (imap.UIDSet, error) {
	if call.c.box == nil {
		return nil, badCommand("select a mailbox first")
	}
	return call.c.numbers(set)
}

// Untagged sends an untagged response, given without "* " and the line end. One that is longer than 1 MiB, or in which a line end
// or NUL stands outside of literals, is an error, and nothing is sent.
func (call *Call) Untagged(response []byte) error {
	if err := validValue("untagged response", response); err != nil {
		return err
	}
	w := call.c.bw
	_, _ = w.WriteString("* ")
	_, _ = w.Write(response)
	_, err := w.WriteString("\r\n")
	return err
}

func validValue(what string, b []byte) error {
	switch {
	case len(b) > maxExtension:
		return fmt.Errorf("imapserver: extension: %w", &imap.LimitError{What: "octets of the " + what, Limit: maxExtension})
	case len(b) == 0 || !imap.ValidLine(b):
		return fmt.Errorf("imapserver: extension: %s %.60q is not one line", what, b)
	}
	return nil
}

// call returns the Call of the command.
func (c *session) call() *Call {
	call := &Call{Tag: c.tag, UID: c.uid, User: c.user, Account: c.account, c: c}
	if v := c.box; v != nil {
		call.Mailbox, call.Info, call.ReadOnly = v.Mailbox, v.MailboxInfo, v.readOnly
	}
	return call
}

// An added is what the Extensions add for an account.
type added struct {
	capabilities []string
	commands     []*Command
	fetch        []*FetchItem
	status       []*StatusItem
	search       []*SearchKey
}

// add returns what the Server's Extensions add for an account, nil before the login.
func (s *Server) add(a *imap.Account) (out added) {
	for i := range s.Extensions {
		e := &s.Extensions[i]
		early := slices.ContainsFunc(e.Commands, func(c Command) bool { return c.State == AnyState })
		if e.Offered != nil && !e.Offered(a) || e.Offered == nil && a == nil && !early {
			continue
		}
		if e.Capability != "" {
			out.capabilities = append(out.capabilities, e.Capability)
		}
		out.commands = append(out.commands, pointers(e.Commands)...)
		out.fetch = append(out.fetch, pointers(e.FetchItems)...)
		out.status = append(out.status, pointers(e.StatusItems)...)
		out.search = append(out.search, pointers(e.SearchKeys)...)
	}
	return out
}

func pointers[T any](s []T) []*T {
	out := make([]*T, len(s))
	for i := range s {
		out[i] = &s[i]
	}
	return out
}

// command returns the command of an Extension, as the server's own are.
func (a *added) command(name string, uid bool) (handler, state, *Command) {
	for _, x := range a.commands {
		if x.Name != name || uid && !x.Numbers {
			continue
		}
		return func(c *session) (*imap.Status, error) { return c.extended(x) }, [...]state{afterLogin, selected, anyState}[x.State], x
	}
	return nil, anyState, nil
}

// extended runs a command of an Extension.
func (c *session) extended(x *Command) (*imap.Status, error) {
	st, err := x.Run(c.ctx, c.call(), c.d)
	if err != nil || c.d.Err() != nil {
		return nil, err
	}
	if c.d.EOL(); c.d.Err() != nil || c.account == nil {
		return st, nil
	}
	if v := c.box; v != nil {
		v.stale = true // it may have changed something that no notice is there of yet
	}
	return st, c.sync(c.uid || !x.Numbers)
}

// fetchNames are the items of FETCH that the Extensions add.
func (a *added) fetchNames() (out []imap.FetchAtt) {
	for _, x := range a.fetch {
		out = append(out, x.Name)
	}
	return out
}

func (a *added) fetchItem(name imap.FetchAtt) *FetchItem {
	for _, x := range a.fetch {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// values asks the Extensions for their items of a message.
func (c *session) values(f *fetching, m *imap.Message) error {
	if f.call == nil {
		f.call = c.call()
	}
	for i, x := range f.extra {
		if x == nil {
			continue
		}
		b, err := x.Append(c.ctx, f.call, f.values[i][:0], m)
		if err == nil {
			err = validValue("value of "+string(x.Name), b)
		}
		if err != nil {
			return err
		}
		f.values[i] = b
	}
	return nil
}

// statusItems reads the items of STATUS.
func (c *session) statusItems() []imap.StatusItem {
	var names []imap.StatusItem
	for _, x := range c.more.status {
		names = append(names, x.Name)
	}
	return c.d.StatusItems(names...)
}

// statusValues asks the Extensions for their items of a mailbox.
func (c *session) statusValues(m imap.Mailbox, info *imap.MailboxInfo, items []imap.StatusItem) (map[imap.StatusItem][]byte, error) {
	var out map[imap.StatusItem][]byte
	for _, x := range c.more.status {
		if !slices.Contains(items, x.Name) {
			continue
		}
		call := c.call()
		call.Mailbox, call.Info, call.ReadOnly = m, *info, true
		b, err := x.Append(c.ctx, call, nil)
		if err == nil {
			err = validValue("value of "+string(x.Name), b)
		}
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[imap.StatusItem][]byte{}
		}
		out[x.Name] = b
	}
	return out, nil
}

// knowsKey reports a key of an Extension.
func (c *session) knowsKey(name string) bool {
	return slices.ContainsFunc(c.more.search, func(x *SearchKey) bool { return x.Name == name })
}

// otherKey reads a key of an Extension.
func (c *session) otherKey(d *imap.Decoder, name string) (imap.OtherKey, bool) {
	for _, x := range c.more.search {
		if x.Name == name {
			k := imap.OtherKey{Name: name}
			k.Fields, k.Match = x.Parse(c.ctx, c.call(), d)
			if k.Match == nil {
				d.Want("a search key that can be tested")
			}
			return k, true
		}
	}
	return imap.OtherKey{}, false
}

// checkExtensions finds what contradicts the server, or another Extension.
func (s *Server) checkExtensions() error {
	taken := map[string]bool{}
	check := func(what, name string, known, whole bool) error {
		switch {
		case !imap.Flag(name).Valid() || name[0] == '\\' || strings.ContainsRune(name, '[') || what != "capability" && !upperCase(name):
			return fmt.Errorf("imapserver: Extension: bad %s %q", what, name)
		case !whole:
			return fmt.Errorf("imapserver: Extension: %s %s without a function", what, name)
		case known:
			return fmt.Errorf("imapserver: Extension: the server has %s %s of its own", what, name)
		case taken[what+" "+name]:
			return fmt.Errorf("imapserver: Extension: %s %s twice", what, name)
		}
		taken[what+" "+name] = true
		return nil
	}
	for i := range s.Extensions {
		e := &s.Extensions[i]
		var errs []error
		if e.Capability != "" {
			errs = append(errs, check("capability", e.Capability, ownCapability(e.Capability), true))
		}
		for _, x := range e.Commands {
			plain, _ := lookup(x.Name, false)
			numbered, _ := lookup(x.Name, true)
			errs = append(errs, check("command", x.Name, plain != nil || numbered != nil || x.Name == "UID" || x.Name == "DONE", x.Run != nil))
			if x.State > AnyState || x.Numbers && x.State != Selected {
				errs = append(errs, fmt.Errorf("imapserver: Extension: command %s takes numbers of no mailbox", x.Name))
			}
		}
		for _, x := range e.FetchItems {
			errs = append(errs, check("item of FETCH", string(x.Name), x.Name.Known(), x.Append != nil))
		}
		for _, x := range e.StatusItems {
			errs = append(errs, check("item of STATUS", string(x.Name), x.Name.Known(), x.Append != nil))
		}
		for _, x := range e.SearchKeys {
			errs = append(errs, check("search key", x.Name, imap.KnownSearchKey(x.Name), x.Parse != nil))
		}
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ownCapability reports what the server tells of itself, to some client at least.
func ownCapability(name string) bool {
	c := &session{conn: &conn{}, s: &Server{}, account: &imap.Account{}}
	own := strings.Fields("STARTTLS LOGINDISABLED " + c.capabilityList(true))
	return slices.ContainsFunc(own, func(s string) bool {
		kind, _, _ := strings.Cut(s, "=")
		return equalFold(s, name) || strings.EqualFold(name, kind)
	}) || len(name) >= 5 && strings.EqualFold(name[:5], "AUTH=")
}

func upperCase(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return 'a' <= b && b <= 'z' })
}

// refusing closes what cannot be served.
func refusing(c io.Closer, err error) error {
	_ = c.Close()
	return err
}
