package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/sandbox"
	"github.com/mailbricks/mailbricks/examples/world/story"
)

// patience is how long a letter may take.
const patience = time.Minute

// A report is what -once tells of one file.
type report struct {
	File      string         `json:"file"`
	Delivered bool           `json:"delivered"`
	Hops      []story.Hop    `json:"hops"`
	Auth      story.Auth     `json:"auth"`
	Read      read           `json:"read"`
	Identical bool           `json:"identical"`
	Reply     string         `json:"reply,omitempty"` // that decided
	Problem   string         `json:"problem,omitempty"`
	Verdict   *story.Verdict `json:"verdict,omitempty"`

	letter story.Letter
}

type read struct {
	IMAP bool `json:"imap"`
	POP3 bool `json:"pop3"`
	JMAP bool `json:"jmap"`
}

// sendOnce sends each file to a user of the second domain, and fails unless all came through.
func sendOnce(ctx context.Context, files []string, p printer) error {
	texts := make([][]byte, len(files))
	for i, name := range files {
		var err error
		if texts[i], err = readFile(name); err != nil {
			return cli.Usagef("%v", err)
		}
	}
	w, err := sandbox.New(nil)
	if err != nil {
		return err
	}
	defer w.Close() // what it held was for this run alone
	to := w.Users()[1]
	reports := []*report{}
	var failed []string
	for i, name := range files {
		r := sendFile(ctx, w, name, texts[i], to)
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Problem != "" {
			failed = append(failed, name+": "+r.Problem)
		}
		reports = append(reports, r)
		p.report(r)
	}
	if err := p.end(reports); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d did not come through: %s", len(failed), len(files), strings.Join(failed, "; "))
	}
	return nil
}

// readFile reads a file of at most the length that the world carries.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, letter.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

func sendFile(ctx context.Context, w *sandbox.World, name string, text []byte, to string) *report {
	r := &report{File: name, Hops: []story.Hop{}}
	m, err := letter.Prepare(text)
	if err != nil {
		r.Problem = err.Error()
		return r
	}
	id, err := w.Send(m, sandbox.Options{}, to)
	if err != nil {
		r.Problem = err.Error()
		return r
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("still on its way after %s", patience))
	defer cancel()
	l, err := w.Wait(ctx, id)
	r.letter, r.Hops, r.Auth, r.Reply, r.Verdict = l, l.Hops, l.Auth, l.Reply, l.Verdict
	r.Delivered = l.State == story.Delivered
	if l.Read != nil {
		r.Read, r.Identical = read{l.Read.IMAP, l.Read.POP3, l.Read.JMAP}, l.Read.Identical
	}
	r.Problem = problem(l, m, err)
	return r
}

// problem says what is wrong with how a letter came through, "" if nothing is. One that never left its domain, because
// its author's is the recipient's, was not verified.
func problem(l story.Letter, m *letter.Message, err error) string {
	switch {
	case err != nil:
		return err.Error() + ", the last reply was: " + l.Reply
	case l.State != story.Delivered:
		return string(l.State) + ": " + l.Reply
	case l.Read == nil || !l.Read.Identical:
		return "not read back as it was sent: " + l.Read.Problem
	case m.Vouchable() && l.Verdict != nil && l.Auth != story.Auth{SPF: "pass", DKIM: "pass", DMARC: "pass"}:
		return fmt.Sprintf("not authenticated: SPF %s, DKIM %s, DMARC %s", l.Auth.SPF, l.Auth.DKIM, l.Auth.DMARC)
	}
	return ""
}

var errOutput = errors.New("output cannot be written")
