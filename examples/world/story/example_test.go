package story_test

import (
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/examples/world/story"
)

// A letter's story is read while it is written.
func Example() {
	var b story.Book
	for c := range b.Watch(context.Background()) {
		if c == (story.Change{}) { // the watch stands
			e := b.Begin(story.Letter{Subject: "Lunch?"}, nil)
			h := e.Hop("relay", "mx.a.example", "mx.b.example")
			h.Say("<-", "550 5.1.1 No such user")
			h.End(false, "550 5.1.1 No such user")
			e.End(story.Refused, "550 5.1.1 No such user")
			continue
		}
		l, _ := b.Letter(c.ID)
		fmt.Printf("%s %s %q: %s, %d hop\n", c.Kind, c.ID, l.Subject, l.State, len(l.Hops))
		break
	}
	// Output: letter w1 "Lunch?": refused, 1 hop
}
