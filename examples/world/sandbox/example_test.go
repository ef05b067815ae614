package sandbox_test

import (
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/sandbox"
)

// A letter crosses two domains and is read back over IMAP, POP3 and JMAP. Then somebody forges one.
func Example() {
	w, err := sandbox.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	file, err := letter.Compose("alice@harbour.example", "bob@meadow.example", "Lunch?", "At noon?\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := letter.Prepare(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range []sandbox.Options{{}, {Forged: true}} {
		id, err := w.Send(m, o, "bob@meadow.example")
		if err != nil {
			fmt.Println(err)
			return
		}
		l, err := w.Wait(context.Background(), id)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s, SPF %s, DKIM %s, DMARC %s: %s\n", l.State, l.Auth.SPF, l.Auth.DKIM, l.Auth.DMARC, l.Reply)
		if l.Read != nil {
			fmt.Println("identical:", l.Read.Identical)
		}
	}
	// Output:
	// delivered, SPF pass, DKIM pass, DMARC pass: 250 2.1.5 Delivered
	// identical: true
	// refused, SPF pass, DKIM none, DMARC fail: 550 5.7.1 Rejected by the DMARC policy of harbour.example
}
