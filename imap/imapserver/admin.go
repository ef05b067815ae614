package imapserver

import (
	"errors"
	"slices"
	"strconv"

	"golang.org/x/text/secure/precis"

	"github.com/mailbricks/mailbricks/imap"
)

// What is beside the mail: quotas, annotations, rights.

// quota is GETQUOTA (RFC 9208 §4.1.1).
func (c *session) quota() (*imap.Status, error) {
	c.d.SP()
	name := c.d.Astring()
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	roots, err := c.quotaRoots()
	if err != nil {
		return nil, err
	}
	for i := range roots {
		if roots[i].Name == name {
			c.untagged(string(imap.AppendQuotaRoot(nil, &roots[i])))
			return nil, nil
		}
	}
	return nil, no(imap.CodeNonexistent, "no such quota root")
}

// quotaRoot is GETQUOTAROOT (RFC 9208 §4.1.2); the mailbox need not be there.
func (c *session) quotaRoot() (*imap.Status, error) {
	name, err := c.named()
	if err != nil {
		return nil, err
	}
	roots, err := c.quotaRoots()
	if c.account.IsOther(name) && err == nil { // it counts for its owner, who alone is told how much there is
		_, err = c.account.Store.OpenMailbox(c.ctx, name)
		roots = nil
	}
	if err != nil {
		return nil, err
	}
	b := c.appendName([]byte("QUOTAROOT "), name)
	for i := range roots {
		b = imap.AppendAString(append(b, ' '), roots[i].Name)
	}
	c.untagged(string(b))
	for i := range roots {
		c.untagged(string(imap.AppendQuotaRoot(nil, &roots[i])))
	}
	return nil, nil
}

// setQuota is SETQUOTA (RFC 9208 §4.1.3).
func (c *session) setQuota() (*imap.Status, error) {
	c.d.SP()
	name := c.d.Astring()
	c.d.SP()
	limits := c.d.QuotaLimits()
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if c.account.Quoter == nil || c.account.QuotaSetter == nil {
		return nil, badCommand("quotas cannot be set")
	}
	root, err := c.account.QuotaSetter.SetQuota(c.ctx, name, limits)
	switch {
	case errors.Is(err, imap.ErrNonexistent):
		return nil, no(imap.CodeNonexistent, "no such quota root")
	case errors.Is(err, imap.ErrCannot):
		return nil, no(imap.CodeCannot, "this root cannot have such limits")
	case err != nil:
		return nil, err
	}
	c.untagged(string(imap.AppendQuotaRoot(nil, &root)))
	return nil, nil
}

func (c *session) quotaRoots() ([]imap.QuotaRoot, error) {
	if c.account.Quoter == nil {
		return nil, badCommand("there are no quotas")
	}
	return c.account.Quoter.QuotaRoots(c.ctx)
}

// getMetadata is GETMETADATA (RFC 5464 §4.2). An entry that is named and has no value is told as NIL.
func (c *session) getMetadata() (*imap.Status, error) {
	c.d.SP()
	o, before := c.d.MetadataOptions()
	if before {
		c.d.SP()
	}
	name, nameErr := c.mailboxName()
	c.d.SP()
	if !before {
		var behind bool
		if o, behind = c.d.MetadataOptions(); behind {
			c.d.SP()
		}
	}
	entries := c.d.Entries()
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	all, err := c.annotations(name, nameErr)
	if err != nil {
		return nil, err
	}
	var told []imap.Annotation
	longest, seen := int64(0), map[string]bool{}
	tell := func(a imap.Annotation) {
		switch size := int64(len(a.Value)); {
		case seen[a.Entry]:
		case o.MaxSize > 0 && size > o.MaxSize:
			longest = max(longest, size)
		default:
			told = append(told, a)
		}
		seen[a.Entry] = true
	}
	for _, base := range entries {
		for _, a := range all {
			if o.Covers(base, a.Entry) {
				tell(a)
			}
		}
		if o.Depth == 0 {
			tell(imap.Annotation{Entry: base, None: true}) // unless it was there
		}
	}
	if len(told) > 0 {
		b := append(c.appendName([]byte("METADATA "), name), ' ')
		c.untagged(string(imap.AppendAnnotations(b, told)))
	}
	if longest > 0 {
		return &imap.Status{Type: imap.StatusOK, Code: imap.CodeMetadata, Args: "LONGENTRIES " + strconv.FormatInt(longest, 10), Text: "GETMETADATA completed"}, nil
	}
	return nil, nil
}

func (c *session) annotations(name string, nameErr error) ([]imap.Annotation, error) {
	switch {
	case nameErr != nil:
		return nil, nameErr
	case c.account.Annotator == nil:
		return nil, badCommand("there are no annotations")
	}
	return c.account.Annotator.Annotations(c.ctx, name)
}

// setMetadata is SETMETADATA (RFC 5464 §4.3). A value that is too long is refused before it is asked for.
func (c *session) setMetadata() (*imap.Status, error) {
	c.d.SP()
	name, nameErr := c.mailboxName()
	c.d.SP()
	limit := min(def(c.s.Limits.Annotation, 64<<10), def(c.s.Limits.Literal, 64<<10))
	tooLong := func(size int64) error {
		if size <= limit {
			return nil
		}
		return &imap.Status{Type: imap.StatusNo, Code: imap.CodeMetadata, Args: "MAXSIZE " + strconv.FormatInt(limit, 10), Text: "the value is too long"}
	}
	set := c.d.Annotations(tooLong)
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	for _, a := range set { // a quoted string may be longer than a literal
		if err := tooLong(int64(len(a.Value))); err != nil {
			return nil, err
		}
	}
	switch {
	case nameErr != nil:
		return nil, nameErr
	case c.account.Annotator == nil:
		return nil, badCommand("there are no annotations")
	}
	err := c.account.Annotator.SetAnnotations(c.ctx, name, set)
	switch {
	case errors.Is(err, imap.ErrTooMany):
		return nil, &imap.Status{Type: imap.StatusNo, Code: imap.CodeMetadata, Args: "TOOMANY", Text: "too many annotations"}
	case errors.Is(err, imap.ErrReadOnly):
		return nil, no(imap.CodeNoPerm, "this entry cannot be changed")
	case err == nil:
		c.changedMetadata(name, set)
	}
	return nil, err
}

// rightsOf is the Authorizer, and the arguments of a command about rights: a mailbox and, where the command has one, an identifier.
type rightsOf struct {
	imap.Authorizer
	mailbox, identifier string
	told                string // the identifier as it came
}

// rightsArgs reads the arguments of a command about rights; behind an identifier, more reads what is left.
func (c *session) rightsArgs(identified bool, more func()) (r rightsOf, err error) {
	c.d.SP()
	r.mailbox, err = c.mailboxName()
	if identified {
		c.d.SP()
		r.told = c.d.Astring()
		r.identifier = c.identifier(r.told)
	}
	if more != nil {
		c.d.SP()
		more()
	}
	if c.d.EOL(); c.d.Err() != nil {
		return r, c.d.Err()
	}
	if r.Authorizer = c.account.Authorizer; r.Authorizer == nil {
		return r, badCommand("there are no access control lists")
	}
	return r, err
}

// maxIdentifier is how long an identifier is, in octets.
const maxIdentifier = 255

// identifier prepares an identifier with the OpaqueString profile of RFC 8265, the successor of the SASLprep that RFC
// 4314 §3 names; what it does not allow is refused.
func (c *session) identifier(s string) string {
	if c.d.Err() != nil {
		return ""
	}
	if len(s) > maxIdentifier {
		c.d.Fail(&imap.LimitError{What: "octets of an identifier", Limit: maxIdentifier})
		return ""
	}
	id, err := precis.OpaqueString.String(s)
	if err != nil || id == "-" {
		c.d.Want("an identifier")
	}
	return id
}

// tellRights sends MYRIGHTS (RFC 4314 §3.8).
func (c *session) tellRights(name string, r imap.Rights) {
	c.untagged("MYRIGHTS", string(c.appendName(nil, name)), r.WithObsolete().String())
}

// myRights is MYRIGHTS (RFC 4314 §3.5).
func (c *session) myRights() (*imap.Status, error) {
	r, err := c.rightsArgs(false, nil)
	if err != nil {
		return nil, err
	}
	rights, err := r.Rights(c.ctx, r.mailbox)
	if err == nil {
		c.tellRights(r.mailbox, rights)
	}
	return nil, err
}

// getACL is GETACL (RFC 4314 §3.3).
func (c *session) getACL() (*imap.Status, error) {
	r, err := c.rightsArgs(false, nil)
	if err != nil {
		return nil, err
	}
	list, err := r.ACL(c.ctx, r.mailbox)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].Rights = list[i].Rights.WithObsolete()
	}
	c.untagged(string(imap.AppendACL(c.appendName([]byte("ACL "), r.mailbox), list)))
	return nil, nil
}

// setACL is SETACL (RFC 4314 §3.1).
func (c *session) setACL() (*imap.Status, error) {
	var change imap.RightsChange
	r, err := c.rightsArgs(true, func() {
		change = c.d.RightsChange()
		if change.Rights = change.Rights.Current(); !imap.AllRights.Has(change.Rights) {
			c.d.Want("rights of " + imap.AllRights.WithObsolete().String())
		}
	})
	if err != nil {
		return nil, err
	}
	return nil, c.changeACL(r, change)
}

// deleteACL is DELETEACL (RFC 4314 §3.2).
func (c *session) deleteACL() (*imap.Status, error) {
	r, err := c.rightsArgs(true, nil)
	if err != nil {
		return nil, err
	}
	return nil, c.changeACL(r, imap.RightsChange{})
}

// changeACL changes a list. What that means for this session is told at once.
func (c *session) changeACL(r rightsOf, change imap.RightsChange) error {
	err := r.SetACL(c.ctx, r.mailbox, r.identifier, change)
	switch {
	case errors.Is(err, imap.ErrTooMany):
		return no(imap.CodeLimit, "the list has too many entries")
	case errors.Is(err, imap.ErrCannot):
		return no(imap.CodeCannot, "the owner has every right")
	case err != nil:
		return err
	}
	return c.sync(true)
}

// listRights is LISTRIGHTS (RFC 4314 §3.4). The identifier is told as it came.
func (c *session) listRights() (*imap.Status, error) {
	r, err := c.rightsArgs(true, nil)
	if err != nil {
		return nil, err
	}
	g, err := r.GrantableRights(c.ctx, r.mailbox, r.identifier)
	if err != nil {
		return nil, err
	}
	b := imap.AppendAString(append(c.appendName([]byte("LISTRIGHTS "), r.mailbox), ' '), r.told)
	c.untagged(string(imap.AppendGrantableRights(b, g.WithObsolete())))
	return nil, nil
}
