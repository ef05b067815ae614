package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// SMTP returns a server for programs outside the world, such as curl and swaks: what it takes is put on its way by the
// domain of the letter's author. It asks nobody who they are, so it must not leave loopback.
func (w *World) SMTP() (*smtpserver.Server, error) {
	config, err := w.ca.server("world.example")
	if err != nil {
		return nil, err
	}
	return &smtpserver.Server{Hostname: "world.example", TLS: config, Handler: front{w}, Limits: smtpserver.Limits{MessageSize: MaxLetter}, Logger: w.log}, nil
}

// front is the Handler of SMTP.
type front struct{ w *World }

func (h front) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return &fronting{w: h.w}, nil
}

type fronting struct {
	w  *World
	to []string
}

func (t *fronting) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	if t.w.domain(to.Domain) == nil {
		return smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "Not in this world, which has "+strings.Join(t.w.Users(), ", "))
	}
	t.to = append(t.to, to.Address())
	return nil
}

func (t *fronting) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(io.LimitReader(body, MaxLetter+1))
	if err != nil {
		return nil, err
	}
	m, err := Prepare(b)
	if err != nil {
		return nil, smtp.NewError(554, smtp.EnhancedCode{5, 6, 0}, err.Error())
	}
	if _, err := t.w.Submit(ctx, m, Options{}, t.to...); err != nil {
		return nil, err
	}
	return smtp.SameResult(len(t.to), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "The letter is on its way")), nil
}

func (t *fronting) Close() error { return nil }

// Compose writes a letter of plain text.
func Compose(from, to, subject, text string) ([]byte, error) {
	for _, s := range []string{from, to, subject} {
		if strings.ContainsAny(s, "\r\n\x00") {
			return nil, errors.New("a header field is one line")
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", from, to, mime.QEncoding.Encode("utf-8", subject))
	fmt.Fprintf(&b, "Date: %s\r\n", now().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := io.WriteString(q, text); err != nil {
		return nil, err
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}
