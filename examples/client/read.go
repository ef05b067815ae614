package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// An item is one message as list, search and watch show it.
type item struct {
	// Change is "created", "updated" or "destroyed", for watch.
	Change  string    `json:"change,omitempty"`
	ID      string    `json:"id"`
	Date    time.Time `json:"date,omitzero"` // when it came
	From    string    `json:"from"`
	To      []string  `json:"to,omitempty"`
	Subject string    `json:"subject"`
	Size    int64     `json:"size,omitempty"`
	// Keywords are those of JMAP: "$seen".
	Keywords []string `json:"keywords"`
	// Text is the text of the message, for get.
	Text string `json:"text,omitempty"`
}

// A mailbox is the INBOX of a server.
type mailbox interface {
	// list yields the messages that have all words, the newest first; all without words.
	list(ctx context.Context, words []string) iter.Seq2[item, error]
	// get writes a message.
	get(ctx context.Context, id string, w io.Writer) error
	// watch yields what changes, until ctx ends. ready is called when it is subscribed.
	watch(ctx context.Context, note func(string)) iter.Seq2[item, error]
	close() error
}

func read(ctx context.Context, command string, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("client "+command, usage, stderr)
	var c common
	c.flags(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	operands := map[string]int{"get": 1, "search": -1}[command]
	if err := cli.Parse(fs, args, operands); err != nil {
		return err
	}
	if _, _, ok := c.login(); !ok {
		return cli.Usagef("-user NAME:PASSWORD is needed")
	}
	if operands != 0 && fs.NArg() == 0 {
		return cli.Usagef("client %s takes %s", command, map[string]string{"get": "an ID", "search": "WORDS"}[command])
	}
	box, err := c.open(ctx)
	if err != nil {
		return hint(err)
	}
	defer func() { _ = box.close() }()
	switch command {
	case "get":
		err = get(ctx, box, fs.Arg(0), *asJSON, stdout)
	case "watch":
		err = watch(ctx, box, *asJSON, stdout, stderr)
	default:
		err = list(ctx, box, fs.Args(), *asJSON, stdout)
	}
	return hint(err)
}

// open connects to the server.
func (c *common) open(ctx context.Context) (mailbox, error) {
	if rest, ok := strings.CutPrefix(c.server, "jmap:"); ok {
		scheme, addr, err := parseServer(rest, map[string]string{"http": "80", "https": "443"})
		if err != nil {
			return nil, err
		}
		return c.openJMAP(ctx, scheme+"://"+addr)
	}
	scheme, addr, err := parseServer(c.server, map[string]string{"imap": "143", "imaps": "993"})
	if err != nil {
		return nil, cli.Usagef("-server %q is not jmap:http://HOST:PORT or imap://HOST:PORT", c.server)
	}
	return c.openIMAP(ctx, scheme, addr)
}

func list(ctx context.Context, box mailbox, words []string, asJSON bool, stdout io.Writer) error {
	all := []item{}
	for it, err := range box.list(ctx, words) {
		if err != nil {
			return err
		}
		if asJSON {
			all = append(all, it)
		} else if err := it.print(stdout); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(stdout).Encode(map[string][]item{"messages": all})
	}
	return nil
}

func watch(ctx context.Context, box mailbox, asJSON bool, stdout, stderr io.Writer) error {
	for it, err := range box.watch(ctx, func(text string) { fmt.Fprintln(stderr, text) }) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if asJSON {
			err = json.NewEncoder(stdout).Encode(it)
		} else {
			err = it.print(stdout)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxShown is the longest message that get -json takes apart.
const maxShown = 64 << 20

// A bounded is a buffer that takes maxShown bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxShown {
		return 0, fmt.Errorf("the message is longer than %d bytes: get it without -json", maxShown)
	}
	return b.Buffer.Write(p)
}

func get(ctx context.Context, box mailbox, id string, asJSON bool, stdout io.Writer) error {
	if !asJSON {
		return box.get(ctx, id, stdout)
	}
	var buf bounded
	if err := box.get(ctx, id, &buf); err != nil {
		return err
	}
	raw := buf.Bytes()
	p := mail.Parse(raw, "")
	s := p.Summary()
	it := item{ID: id, Date: s.SentAt.Time, From: first(s.From), To: addresses(s.To), Size: int64(len(raw)), Keywords: []string{}}
	if s.Subject != nil {
		it.Subject = *s.Subject
	}
	for i := range p.TextBody {
		if strings.HasPrefix(p.TextBody[i].Type, "text/") {
			it.Text += p.Text(&p.TextBody[i])
		}
	}
	return json.NewEncoder(stdout).Encode(it)
}

// print prints an item on one line.
func (it *item) print(w io.Writer) error {
	if it.Change != "" {
		if _, err := fmt.Fprintf(w, "%-9s ", it.Change); err != nil {
			return err
		}
	}
	if it.Change == "destroyed" {
		_, err := fmt.Fprintln(w, printable(it.ID))
		return err
	}
	_, err := fmt.Fprintf(w, "%-8s  %s  %-32s  %s\n", printable(it.ID), it.Date.UTC().Format("2006-01-02 15:04"), printable(it.From), printable(it.Subject))
	return err
}

func first(list []mail.Address) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].Email
}

func addresses(list []mail.Address) (out []string) {
	for _, a := range list {
		out = append(out, a.Email)
	}
	return out
}
