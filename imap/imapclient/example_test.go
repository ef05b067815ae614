package imapclient_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapclient"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// server stands for one somewhere: it serves alice's mail on a connection in memory, without TLS.
func server(ctx context.Context, backend *imaptest.Memory) net.Conn {
	users := sasl.NewUsers()
	backend.AddUser("alice")
	_ = users.Set("alice", "secret")
	s := &imapserver.Server{Backend: backend, Authenticator: sasl.New(sasl.Plain(users.Check)), AllowPlaintextAuth: true}
	ours, theirs := net.Pipe()
	go func() { _ = s.ServeConn(ctx, theirs) }()
	return ours
}

// login connects to a server and puts a letter into the INBOX. For a real one it is Dial(ctx, "imap.example.com:143",
// Options{}), which demands STARTTLS, or port 993 and TLSImplicit.
func login(ctx context.Context) (*imapclient.Client, error) { return loginTo(ctx, &imaptest.Memory{}) }

func loginTo(ctx context.Context, backend *imaptest.Memory) (*imapclient.Client, error) {
	c, err := imapclient.New(ctx, server(ctx, backend), imapclient.Options{TLS: imapclient.TLSNone, AllowPlaintextAuth: true})
	if err != nil {
		return nil, err
	}
	if err := c.Authenticate(ctx, sasl.Credentials{Username: "alice", Password: "secret"}); err != nil {
		return nil, err
	}
	letter := "From: bob@example.com\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
	_, err = c.Append(ctx, "INBOX", imap.AppendMessage{Size: int64(len(letter)), Body: strings.NewReader(letter)})
	return c, err
}

// Show the list of a mailbox: who wrote, about what, and whether it has been read.
func ExampleClient_Fetch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Examine(ctx, "INBOX"); err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range c.Fetch(ctx, imap.AllUIDs(), imap.FieldFlags|imap.FieldEnvelope|imap.FieldSize) {
		if err != nil {
			fmt.Println(err) // of one message, or the last
			continue
		}
		from := m.Envelope.From[0]
		fmt.Printf("%d %s@%s %q, %d octets, flags %v\n", m.UID, from.Mailbox, from.Host, m.Envelope.Subject, m.Size, m.Flags)
	}
	// Output:
	// 1 bob@example.com "lunch", 51 octets, flags []
}

// Find what somebody may have meant, the best first.
func ExampleClient_SearchFuzzy() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Examine(ctx, "INBOX"); err != nil {
		fmt.Println(err)
		return
	}
	launch := &imap.SearchCriteria{Fuzzy: []imap.SearchCriteria{{Text: []string{"launch at noon"}}}}
	found, err := c.SearchFuzzy(ctx, launch)
	fmt.Println(found, err)
	order, err := c.Sort(ctx, []imap.SortKey{{Key: imap.SortRelevancy}, {Key: imap.SortDate}}, launch)
	fmt.Println(order, err)
	// Output:
	// [{1 26}] <nil>
	// [1] <nil>
}

// Read whole messages as they come from the connection, however long they are.
func ExampleMessage_Body() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Select(ctx, "INBOX"); err != nil {
		fmt.Println(err)
		return
	}
	found, err := c.Search(ctx, &imap.SearchCriteria{Text: []string{"noon"}, NotFlags: []imap.Flag{imap.FlagSeen}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range c.Fetch(ctx, found, 0, imapclient.Body("TEXT")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		text, err := io.ReadAll(m.Body())
		fmt.Printf("%q %v\n", text, err)
	}
	_, err = c.Store(ctx, found, imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, imap.NoUnchangedSince)
	fmt.Println(err)
	// Output:
	// "At noon?\r\n" <nil>
	// <nil>
}

// Wait for new mail. The loop is left to fetch it, and Idle called again.
func ExampleClient_Idle() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	mailbox, err := c.Select(ctx, "INBOX")
	if err != nil {
		fmt.Println(err)
		return
	}
	// Somebody else's delivery is played by the client itself here, so that the news is there at once.
	_, _ = c.Append(ctx, "INBOX", imap.AppendMessage{Size: 2, Body: strings.NewReader("\r\n")})
	known := mailbox.Messages
	if now := c.Selected().Messages; now == known {
		for event, err := range c.Idle(ctx) {
			if err != nil {
				fmt.Println(err)
				return
			}
			if event.Kind == imapclient.EventExists && event.Number > known {
				break
			}
		}
	}
	fmt.Println("new messages:", c.Selected().Messages-known)
	// Output:
	// new messages: 1
}

// List mailboxes with their counters.
func ExampleClient_ListStatus() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Create(ctx, "Entwürfe", imap.CreateOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	list, err := c.ListStatus(ctx, "*", imap.StatusMessages, imap.StatusUnseen)
	for _, l := range list {
		fmt.Println(l.Name, l.Status.Messages, l.Status.Unseen)
	}
	fmt.Println(err)
	// Output:
	// INBOX 1 1
	// Entwürfe 0 0
	// <nil>
}

// Hear of new mail in every mailbox over one connection.
func ExampleClient_Notify() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend := &imaptest.Memory{}
	c, err := loginTo(ctx, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Create(ctx, "Lists/go", imap.CreateOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	messages := []imap.NotifyEvent{imap.NotifyMessageNew, imap.NotifyMessageExpunge}
	err = c.Notify(ctx, imap.Notify{Groups: []imap.NotifyGroup{
		{Filter: imap.NotifySelected, Events: messages, Fetch: []imap.FetchItem{{Att: imap.FetchUID}, {Att: imap.FetchEnvelope}}},
		{Filter: imap.NotifyPersonal, Events: append(messages, imap.NotifyMailboxName)},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	account, _ := backend.OpenAccount(ctx, "alice") // somebody else delivers
	letter := "Subject: a release\r\n\r\nIt is out.\r\n"
	_, _ = account.Appender.Append(ctx, "Lists/go", []imap.AppendMessage{{Size: int64(len(letter)), Body: strings.NewReader(letter)}})
	for e, err := range c.Idle(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch e.Kind {
		case imapclient.EventFetch:
			fmt.Println("new here:", e.Message.Envelope.Subject)
		case imapclient.EventStatus:
			fmt.Println(e.Status.Name, e.Status.Messages, e.Told)
			return
		case imapclient.EventListing:
			fmt.Println("mailbox:", e.Listing.Name, e.Listing.Attrs)
		}
	}
	// Output:
	// Lists/go 1 [UIDNEXT MESSAGES]
}

// Keep a list of what is flagged on the screen: the server says how it changes.
func ExampleClient_SortContext() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend := &imaptest.Memory{}
	c, err := loginTo(ctx, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Select(ctx, "INBOX"); err != nil {
		fmt.Println(err)
		return
	}
	list, err := c.SortContext(ctx, []imap.SortKey{{Key: imap.SortArrival, Reverse: true}}, &imap.SearchCriteria{Flags: []imap.Flag{imap.FlagFlagged}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if list.Err() != nil {
		fmt.Println("ask again later:", list.Err()) // NOUPDATE
	}
	fmt.Println("flagged:", list.Order())

	// Another session flags a message.
	account, err := backend.OpenAccount(ctx, "alice")
	if err != nil {
		fmt.Println(err)
		return
	}
	flag := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	if _, err := account.Flagger.StoreFlags(ctx, "INBOX", imap.UIDs(1), flag, imap.NoUnchangedSince); err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range c.Idle(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Kind == imapclient.EventContext && e.Context == list {
			fmt.Println("flagged:", list.Order())
			break
		}
	}
	// Output:
	// flagged: []
	// flagged: [1]
}

// Look for a word in every mailbox.
func ExampleClient_MultiSearch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	everywhere := []imap.SearchSource{{Filter: imap.NotifyPersonal}}
	for found, err := range c.MultiSearch(ctx, everywhere, &imap.SearchCriteria{Text: []string{"noon"}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(found.Mailbox, found.UIDs)
	}
	// Output:
	// INBOX 1
}

// Keep up with a mailbox for days: connections come and go, and what happened in between is told.
func ExampleFollower() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend := &imaptest.Memory{}
	c, err := loginTo(ctx, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	s, err := c.Select(ctx, "INBOX")
	if err != nil {
		fmt.Println(err)
		return
	}
	// What is known is kept from one run of the program to the next. Meanwhile a letter arrives.
	known := imapclient.Known{UIDValidity: s.UIDValidity, ModSeq: s.HighestModSeq, UIDs: imap.UIDs(1)}
	letter := "Subject: news\r\n\r\n"
	if _, err := c.Append(ctx, "INBOX", imap.AppendMessage{Size: int64(len(letter)), Body: strings.NewReader(letter)}); err != nil {
		fmt.Println(err)
		return
	}

	f := &imapclient.Follower{Known: known, Dial: func(ctx context.Context) (*imapclient.Client, error) {
		c, err := imapclient.New(ctx, server(ctx, backend), imapclient.Options{TLS: imapclient.TLSNone, AllowPlaintextAuth: true})
		if err != nil {
			return nil, err
		}
		return c, c.Authenticate(ctx, sasl.Credentials{Username: "alice", Password: "secret"})
	}}
	for e, err := range f.Changes(ctx) {
		if err != nil {
			fmt.Println(err) // the password has changed, say
			return
		}
		switch e.Kind {
		case imapclient.EventFetch:
			fmt.Println("new or changed:", e.Message.UID, e.Message.Flags)
		case imapclient.EventVanished:
			fmt.Println("gone:", e.UIDs)
		case imapclient.EventReset:
			fmt.Println("begin again")
		}
		break // a program would go on
	}
	// Output:
	// new or changed: 2 []
}

// Name a new mailbox and another user's as the server wants them.
func ExampleClient_Namespaces() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	n, err := c.Namespaces(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	own := n.Personal[0]
	fmt.Println(own.Prefix + "Work" + string(own.Delim) + "2027")
	for _, others := range n.Others {
		fmt.Println(others.Prefix + "ann" + string(others.Delim) + "Projects")
	}
	// Output:
	// Work/2027
	// Other Users/ann/Projects
}

// Keep an eye on several mailboxes over one connection.
func ExampleClient_Watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for e, err := range c.Watch(ctx, "INBOX", "Lists") {
		if err != nil {
			fmt.Println(err) // the connection is lost
			return
		}
		switch e.Kind {
		case imapclient.EventStatus:
			fmt.Println(e.Status.Name, "has", e.Status.Messages)
		case imapclient.EventListing:
			fmt.Println(e.Listing.Name, e.Listing.Attrs)
			return // a program would go on
		}
	}
	// Output:
	// INBOX has 1
	// Lists [\NonExistent]
}

// Send a command of one's own, and read what comes of it.
func ExampleClient_Raw() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := login(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	status, err := c.Raw(ctx, "STATUS", []byte(" INBOX (MESSAGES)"), map[string]func(uint32, *imap.Decoder){
		"STATUS": func(_ uint32, d *imap.Decoder) {
			d.SP()
			fmt.Println(d.Line())
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status.Type)
	// Output:
	// INBOX (MESSAGES 1)
	// OK
}
