package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

// maxAnswered is how many senders an account answers within mail.AnswerPeriod; others, who may all be forged, are not.
const maxAnswered = 1000

// answerQueue is how many answers wait to be sent; more are not sent. answerTime is how long one may take.
const (
	answerQueue = 256
	answerTime  = time.Minute
)

// jmapVacation is a mail.Vacationer.
type jmapVacation struct{ *account }

// vacation reads the response of an account, and the ModSeq of its last change.
func (c *conn) vacation(account int64) (mail.VacationResponse, modSeq, error) {
	v := mail.VacationResponse{ID: mail.VacationID}
	var m modSeq
	var value []byte
	err := noRows(c.row([]any{&m, &value}, `SELECT changed, value FROM vacation WHERE account = ?`, account))
	if err == nil && value != nil {
		err = jmap.Unmarshal(value, &v)
	}
	return v, m, err
}

// state returns its state.
func (a jmapVacation) state(c *conn) (place, error) {
	var m modSeq
	err := noRows(c.row([]any{&m}, `SELECT changed FROM vacation WHERE account = ?`, a.id))
	return at(m), err
}

// Vacation is mail.Vacationer's.
func (a jmapVacation) Vacation(ctx context.Context) (v mail.VacationResponse, _ jmap.State, err error) {
	var m modSeq
	err = a.s.db.read(ctx, func(c *conn) error {
		v, m, err = c.vacation(a.id)
		return err
	})
	return v, at(m).state(), err
}

// SetVacation is mail.Vacationer's. Where what is said is new, it is said to everybody again.
func (a jmapVacation) SetVacation(ctx context.Context, change func(*mail.VacationResponse, jmap.State) error) (jmap.State, error) {
	var m modSeq
	err := a.s.db.write(ctx, func(t *tx) error {
		v, before, err := t.vacation(a.id)
		if err != nil {
			return err
		}
		old := v
		if err := change(&v, at(before).state()); err != nil {
			return err
		}
		row, err := t.account(a.id)
		if err != nil {
			return err
		}
		value, err := jmap.Marshal(&v)
		if err != nil {
			return err
		}
		if !v.SameWords(&old) {
			if err := t.exec(`DELETE FROM answered WHERE account = ?`, a.id); err != nil {
				return err
			}
		}
		m = t.next(row)
		t.told[a.id] = m
		return t.exec(`INSERT INTO vacation (account, changed, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET changed = excluded.changed, value = excluded.value`,
			a.id, m, value)
	})
	return at(m).state(), err
}

// An answer waits to be sent.
type answer struct {
	to      string
	message []byte
}

// answer decides, within the transaction of a delivery, whether a message is answered, and enters its sender. What fails
// here fails the delivery only where the database does.
func (t *tx) answer(s *Store, a *account, to smtp.Path, from string, x *incoming, now time.Time) (*answer, error) {
	v, _, err := t.vacation(a.id)
	if err != nil || !v.Active(now) {
		return nil, err
	}
	raw, release, err := x.Bytes()
	if err != nil {
		s.log.Error("a message is not answered", "account", a.name, "error", err)
		return nil, nil
	}
	defer release()
	arrival := &mail.Arrival{From: from, Header: raw, At: now, As: mail.Address{Email: to.Address()}}
	if to.Domain == "" {
		arrival.As.Email = a.name
	}
	if err := t.identify(a, arrival); err != nil {
		return nil, err
	}
	message, err := v.Answer(arrival)
	if err != nil {
		if _, ok := errors.AsType[mail.NoAnswer](err); !ok {
			s.log.Warn("a message is not answered", "account", a.name, "error", err)
		}
		return nil, nil
	}
	if ok, err := t.firstAnswer(a.id, strings.ToLower(from), now); !ok || err != nil {
		return nil, err
	}
	return &answer{from, message}, nil
}

// identify adds the addresses that the user has besides, and the name for the one that the message came to.
func (t *tx) identify(a *account, arrival *mail.Arrival) error {
	if strings.Contains(a.name, "@") {
		arrival.Own = append(arrival.Own, a.name)
	}
	return t.rows(func(r *sql.Rows) error {
		var id int64
		var value []byte
		var i mail.Identity
		if err := r.Scan(&id, &value); err != nil {
			return err
		}
		if err := jmap.Unmarshal(value, &i); err != nil {
			return err
		}
		if id == -1 && arrival.As.Name == "" || strings.EqualFold(i.Email, arrival.As.Email) {
			arrival.As.Name = jmap.NullString(i.Name)
		}
		if i.Email != "" && !strings.HasPrefix(i.Email, "*") {
			arrival.Own = append(arrival.Own, i.Email)
		}
		return nil
	}, `SELECT id, value FROM identity WHERE account = ? AND value IS NOT NULL ORDER BY id`, a.id)
}

// firstAnswer enters a sender who was not answered within the period, and reports whether that was so.
func (t *tx) firstAnswer(account int64, sender string, now time.Time) (bool, error) {
	var known, all int
	if err := t.exec(`DELETE FROM answered WHERE account = ? AND at <= ?`, account, now.Add(-mail.AnswerPeriod).Unix()); err != nil {
		return false, err
	}
	if err := t.row([]any{&all, &known}, `SELECT count(*), coalesce(sum(sender = ?), 0) FROM answered WHERE account = ?`, sender, account); err != nil {
		return false, err
	}
	if known > 0 || all >= maxAnswered {
		return false, nil
	}
	return true, t.exec(`INSERT INTO answered (account, sender, at) VALUES (?, ?, ?)`, account, sender, now.Unix())
}

// answers sends answers until its context ends.
type answers struct {
	by    mail.Submitter
	log   *slog.Logger
	queue chan answer
	stop  context.CancelFunc
	done  chan struct{}
}

func newAnswers(by mail.Submitter, log *slog.Logger) *answers {
	if by == nil {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &answers{by: by, log: log, queue: make(chan answer, answerQueue), stop: stop, done: make(chan struct{})}
	go a.loop(ctx)
	return a
}

// add hands answers over, and never waits.
func (a *answers) add(list []answer) {
	for _, x := range list {
		select {
		case a.queue <- x:
		default:
			a.log.Warn("an answer is not sent: too many wait")
		}
	}
}

func (a *answers) loop(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case x := <-a.queue:
			a.send(ctx, x)
		case <-ctx.Done():
			return
		}
	}
}

func (a *answers) send(ctx context.Context, x answer) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := a.by.Submit(ctx, &mail.Submission{To: []string{x.to}, Size: int64(len(x.message)), Body: strings.NewReader(string(x.message))})
	if err != nil {
		a.log.Warn("an answer was not sent", "error", err)
	}
}

// close stops the sending; nil is let be.
func (a *answers) close() {
	if a != nil {
		a.stop()
		<-a.done
	}
}

// answer appends the answer of one of the accounts that a message came to.
func (d *delivery) answer(t *tx, x *incoming, a *account, now time.Time, list []answer) ([]answer, error) {
	if d.s.answers == nil || d.from.IsNull() {
		return list, nil
	}
	out, err := t.answer(d.s, a, d.paths[slices.Index(d.to, a)], d.from.Address(), x, now)
	if out != nil {
		list = append(list, *out)
	}
	return list, err
}
