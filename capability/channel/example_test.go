package channel_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
)

// Bob gives a shop an address of its own. The shop sells it, Bob learns who did, and ends it.
func Example() {
	ctx := context.Background()
	book := channel.Book{
		Store: channel.NewMemoryStore(),
		Tags:  capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1},
		Leaked: func(_ context.Context, l channel.Leaked) {
			fmt.Printf("%s: given to %s, used by %s\n", l.Channel.Note, l.Pinned, l.Seen)
		},
	}
	c, err := book.New(ctx, channel.Channel{Owner: "bob@example.com", Note: "shoes"})
	fmt.Println(len(c.Address), err)

	// What smtp/policy.Gate does for each message:
	for _, s := range []channel.Sender{
		{Address: "orders@shop.example", Domain: "shop.example"},
		{Address: "buy@ads.example", Domain: "ads.example"},
	} {
		_, err := book.Admit(ctx, c.ID, s, true)
		fmt.Println(s.Domain, err)
		if err == channel.ErrLeaked {
			_ = book.Leak(ctx, c.ID, channel.Leaked{Seen: s.Domain})
		}
	}
	fmt.Println(book.Disconnect(ctx, c.ID))
	_, err = book.Admit(ctx, c.ID, channel.Sender{Address: "orders@shop.example", Domain: "shop.example"}, true)
	fmt.Println(err)
	// Output:
	// 48 <nil>
	// shop.example <nil>
	// ads.example channel: address is used by somebody else
	// shoes: given to shop.example, used by ads.example
	// <nil>
	// channel: closed
}

// An answer goes out from the channel that the correspondent writes to.
func ExampleRewrite() {
	ctx := context.Background()
	book := channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: make([]byte, 32)}, Current: 1}}
	_, _ = book.New(ctx, channel.Channel{Owner: "bob@example.com", Pinned: "shop.example"})
	c, ok, err := book.Alias(ctx, "bob@example.com", "orders@shop.example")
	header := channel.Rewrite([]byte("From: Bob <bob@example.com>\r\nTo: orders@shop.example\r\n\r\n"), c.Owner, c.Address)
	fmt.Println(ok, err)
	fmt.Print(strings.NewReplacer(c.Address, "THE-CHANNEL", "\r", "").Replace(string(header)))
	// Output:
	// true <nil>
	// From: "Bob" <THE-CHANNEL>
	// To: orders@shop.example
}

// A leak, sent on to the abuse contact of the domain that wrote.
func ExampleLeaked_AppendReport() {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := channel.Leaked{Channel: channel.Channel{Address: "bob+x@example.com"}, Pinned: "shop.example", Seen: "ads.example",
		MailFrom: "b@ads.example", Header: []byte("From: buy@ads.example\r\n\r\n"), At: at}
	b, err := l.AppendReport(nil, channel.Report{From: "postmaster@example.com", To: "abuse@ads.example", ID: "1@example.com", Date: at})
	fmt.Println(len(b) > 800, err)
	// Output:
	// true <nil>
}
