package imapserver

import (
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// A listing is one LIST (RFC 9051 §6.3.9) with its options.
type listing struct {
	patterns []*imap.ListPattern
	levels   []*imap.ListPattern // those of them that end with "%"
	// selection options
	subscribed, specialUse, recursive bool
	// return options
	tellSubscribed, tellSpecialUse, tellRights bool
	status                                     []imap.StatusItem
}

// list is LIST in its old and its extended form.
func (c *session) list() (*imap.Status, error) {
	var l listing
	c.d.SP()
	extended := c.d.Peek() == '('
	if extended {
		c.selection(&l)
		c.d.SP()
	}
	patterns, nameErr := c.patterns(&l, &extended)
	if c.d.Accept(' ') {
		extended = true
		c.returns(&l)
	}
	if c.d.EOL(); c.d.Err() != nil || nameErr != nil {
		return nil, nameErr
	}
	if l.recursive && !l.subscribed { // RFC 9051 §6.3.9.1
		return nil, badCommand("RECURSIVEMATCH needs SUBSCRIBED")
	}
	if !extended && len(patterns) == 1 && patterns[0] == "" { // asks for the separator
		c.untagged(`LIST (\Noselect) "/" ""`)
		return nil, nil
	}
	boxes, err := c.mailboxes()
	if err != nil {
		return nil, err
	}
	if c.account.OtherUsers != "" {
		boxes = withLevels(boxes)
	}
	if err := c.tellList(&l, boxes); err != nil {
		return nil, err
	}
	return nil, c.sync(true)
}

// selection reads the options before the reference.
func (c *session) selection(l *listing) {
	c.d.List(func() {
		switch c.d.Keyword() {
		case "SUBSCRIBED":
			l.subscribed, l.tellSubscribed = true, true
		case "SPECIAL-USE":
			l.specialUse = true
		case "RECURSIVEMATCH":
			l.recursive = true
		case "REMOTE":
		default:
			c.d.Want("SUBSCRIBED, SPECIAL-USE, RECURSIVEMATCH or REMOTE")
		}
	})
}

// returns reads RETURN and its options.
func (c *session) returns(l *listing) {
	if c.d.Keyword() != "RETURN" {
		c.d.Want("RETURN")
	}
	c.d.SP()
	c.d.List(func() {
		switch c.d.Keyword() {
		case "SUBSCRIBED":
			l.tellSubscribed = true
		case "SPECIAL-USE":
			l.tellSpecialUse = true
		case "CHILDREN":
		case "STATUS": // RFC 5819
			c.d.SP()
			l.status = c.statusItems()
		case "MYRIGHTS": // RFC 8440
			l.tellRights = true
		default:
			c.d.Want("SUBSCRIBED, CHILDREN, SPECIAL-USE, STATUS or MYRIGHTS")
		}
	})
}

// patterns reads the reference and the patterns behind it, which it goes before.
func (c *session) patterns(l *listing, extended *bool) (patterns []string, err error) {
	ref := c.d.Astring()
	c.d.SP()
	if c.d.Peek() == '(' {
		*extended = true
		c.d.List(func() {
			if len(patterns) == def(c.s.Limits.ListPatterns, 32) {
				c.d.Fail(&imap.LimitError{What: "patterns", Limit: int64(len(patterns))})
			}
			patterns = append(patterns, c.d.ListMailbox())
		})
	} else {
		patterns = append(patterns, c.d.ListMailbox())
	}
	octets := 0
	for _, p := range patterns {
		if c.d.Err() != nil {
			return nil, nil
		}
		name, nameErr := c.decodeName(ref + p)
		if nameErr != nil {
			err = nameErr
			continue
		}
		if octets += len(name); octets > imap.MaxListPattern {
			c.d.Fail(&imap.LimitError{What: "octets of patterns", Limit: imap.MaxListPattern})
			return nil, nil
		}
		lp, patternErr := imap.ParseListPattern(name, '/')
		if patternErr != nil {
			c.d.Fail(patternErr)
			return nil, nil
		}
		l.patterns = append(l.patterns, lp)
		if strings.HasSuffix(name, "%") {
			l.levels = append(l.levels, lp)
		}
	}
	return patterns, err
}

// A listed is a mailbox with what its neighbours say of it.
type listed struct {
	imap.MailboxInfo
	children   bool
	subscribed bool // one below is
	level      bool // there is none, or none that the user may know of, but some are below
}

// mailboxes returns the mailboxes sorted by name, INBOX first.
func (c *session) mailboxes() ([]listed, error) {
	var boxes []listed
	for m, err := range c.account.Store.Mailboxes(c.ctx) {
		if err != nil {
			return nil, err
		}
		boxes = append(boxes, listed{MailboxInfo: m})
	}
	slices.SortFunc(boxes, compareListed)
	place := make(map[string]int, len(boxes))
	for i := range boxes {
		place[boxes[i].Name] = i
	}
	for i := range boxes {
		for name := boxes[i].Name; ; {
			cut := strings.LastIndexByte(name, '/')
			if cut < 0 {
				break
			}
			name = name[:cut]
			if p, ok := place[name]; ok {
				boxes[p].children = true
				boxes[p].subscribed = boxes[p].subscribed || boxes[i].Subscribed
			}
		}
	}
	return boxes, nil
}

func compareListed(a, b listed) int {
	if (a.Name == "INBOX") != (b.Name == "INBOX") {
		if a.Name == "INBOX" {
			return -1
		}
		return 1
	}
	return strings.Compare(a.Name, b.Name)
}

// withLevels adds the levels of hierarchy above mailboxes that are none themselves.
func withLevels(boxes []listed) []listed {
	place := make(map[string]int, len(boxes))
	for i := range boxes {
		place[boxes[i].Name] = i
	}
	there := len(boxes)
	for i := range there {
		below := boxes[i].Subscribed
		for name := boxes[i].Name; ; {
			cut := strings.LastIndexByte(name, '/')
			if cut < 0 {
				break
			}
			name = name[:cut]
			p, ok := place[name]
			if !ok {
				p, place[name] = len(boxes), len(boxes)
				boxes = append(boxes, listed{MailboxInfo: imap.MailboxInfo{Name: name, NoSelect: true}, children: true, level: true})
			}
			boxes[p].subscribed = boxes[p].subscribed || below
		}
	}
	if len(boxes) > there {
		slices.SortFunc(boxes, compareListed)
	}
	return boxes
}

func match(patterns []*imap.ListPattern, name string) bool {
	return slices.ContainsFunc(patterns, func(p *imap.ListPattern) bool { return p.Match(name) })
}

// tellList sends LIST for each mailbox once, and STATUS where it was asked for.
func (c *session) tellList(l *listing, boxes []listed) error {
	for i := range boxes {
		m := &boxes[i]
		if err := c.ctx.Err(); err != nil {
			return err
		}
		fits := (!l.subscribed || m.Subscribed) && (!l.specialUse || m.SpecialUse != "")
		below, patterns := l.recursive && m.subscribed, l.patterns
		if m.level {
			patterns = l.levels // RFC 9051 §6.3.9
		}
		if !fits && !below || !match(patterns, m.Name) {
			continue
		}
		b := append(c.bw.AvailableBuffer(), "* LIST ("...)
		b = appendAttributes(b, m, l)
		b = c.appendName(append(b, `) "/" `...), m.Name)
		if below {
			b = append(b, ` ("CHILDINFO" ("SUBSCRIBED"))`...)
		}
		_, _ = c.bw.Write(append(b, "\r\n"...))
		if l.tellRights && fits && !m.level && c.account.Authorizer != nil {
			c.tellRights(m.Name, c.account.RightsTo(&m.MailboxInfo))
		}
		if len(l.status) > 0 && !m.NoSelect {
			if err := c.listStatus(m.Name, l.status); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *session) listStatus(name string, items []imap.StatusItem) error {
	m, err := c.account.Store.OpenMailbox(c.ctx, name)
	var st imap.MailboxStatus
	if err == nil {
		st, err = m.Status(c.ctx)
	}
	if err == nil {
		err = c.deletedSize(m, &st, items)
	}
	var values map[imap.StatusItem][]byte
	if err == nil {
		values, err = c.statusValues(m, &st.MailboxInfo, items)
	}
	if unreadable(err) { // since it was listed
		return nil
	}
	if err == nil {
		c.tellStatus(name, &st, items, values)
	}
	return err
}

// appendAttributes appends mailbox attributes (RFC 9051 §7.3.1). Special uses are always told, as RFC 6154 §2 allows.
func appendAttributes(b []byte, m *listed, l *listing) []byte {
	start := len(b)
	add := func(ok bool, attr string) {
		if !ok {
			return
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(b, attr...)
	}
	add(m.level, `\NonExistent`)
	add(m.NoSelect, `\Noselect`)
	add(m.children, `\HasChildren`)
	add(!m.children, `\HasNoChildren`)
	add(l.tellSubscribed && m.Subscribed, `\Subscribed`)
	add(m.SpecialUse != "", m.SpecialUse)
	return b
}

// lsub is LSUB (RFC 3501 §6.3.9). With "%", a mailbox that is not subscribed but has such below is \Noselect.
func (c *session) lsub() (*imap.Status, error) {
	var l listing
	extended := false
	c.d.SP()
	_, nameErr := c.patterns(&l, &extended)
	if c.d.EOL(); c.d.Err() != nil || nameErr != nil {
		return nil, nameErr
	}
	boxes, err := c.mailboxes()
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for i := range boxes {
		name, attr := boxes[i].Name, ""
		if !boxes[i].Subscribed {
			continue
		}
		for !match(l.patterns, name) {
			cut := strings.LastIndexByte(name, '/')
			if cut < 0 {
				name = ""
				break
			}
			name, attr = name[:cut], `\Noselect`
		}
		if name == "" || told[name] {
			continue
		}
		told[name] = true
		b := append(append(c.bw.AvailableBuffer(), "* LSUB ("...), attr...)
		b = c.appendName(append(b, `) "/" `...), name)
		_, _ = c.bw.Write(append(b, "\r\n"...))
	}
	return nil, c.sync(true)
}
