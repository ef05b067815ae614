package smtpserver

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/mailbricks/mailbricks/smtp"
)

// A transaction is one envelope and what the Handler has for it.
type transaction struct {
	smtp.Transaction
	peer     *smtp.Peer
	params   smtp.MailParams
	from     smtp.Path
	first    smtp.Path // recipient
	accepted int
	id       string
}

// reset abandons the transaction, if there is one (RFC 5321 §4.1.1.5).
func (s *session) reset() {
	if s.tx == nil {
		return
	}
	tx := s.tx
	s.tx = nil
	if err := tx.Close(); err != nil {
		s.log(slog.LevelWarn, "transaction not closed", "err", err)
	}
}

// mail does MAIL (RFC 5321 §4.1.1.2).
func (s *session) mail(args string) {
	switch {
	case s.hello == "":
		s.fault("503 5.5.1 " + map[bool]string{true: "LHLO", false: "EHLO"}[s.srv.Mode == LMTP] + " first\r\n")
		return
	case s.tx != nil:
		s.fault("503 5.5.1 Transaction under way\r\n")
		return
	case s.srv.Mode == Submission && s.identity == "": // RFC 6409 §4.3
		if !s.offers("AUTH") && s.offers("STARTTLS") {
			s.fault("530 5.7.0 STARTTLS first\r\n")
		} else {
			s.fault("530 5.7.0 Authentication required\r\n")
		}
		return
	}
	from, p, err := smtp.ParseMail(args)
	if err == nil {
		err = s.checkMail(from, &p)
	}
	if err != nil {
		s.faultErr(err)
		return
	}
	if p.Auth != "" && s.identity == "" { // RFC 4954 §5: nobody has vouched for it
		p.Auth = "<>"
	}
	peer := s.peer(p.UTF8)
	asked := p.Priority
	var tx smtp.Transaction
	if err = s.mailHooks(peer, &p); err == nil {
		tx, err = s.srv.Handler.Mail(s.ctx, peer, from, p)
	}
	if err == nil && tx == nil {
		err = errors.New("the Handler gave no transaction")
	}
	if err != nil {
		s.reply(s.replyOf(err))
		return
	}
	s.messages++
	s.tx = &transaction{Transaction: tx, peer: peer, params: p, from: from, id: s.id + "-" + strconv.Itoa(s.messages)}
	if p.Priority != asked { // RFC 6710 §4.1
		s.w.say("250 2.3.6 " + strconv.Itoa(p.Priority) + " is the priority of this message\r\n")
		return
	}
	s.w.say("250 2.1.0 Sender ok\r\n")
}

// mailHooks asks the extensions that were offered.
func (s *session) mailHooks(peer *smtp.Peer, p *smtp.MailParams) (err error) {
	s.any(func(e *Extension) bool {
		if e.Mail != nil {
			err = e.Mail(peer, p)
		}
		return err != nil
	})
	return err
}

func (s *session) checkMail(from smtp.Path, p *smtp.MailParams) error {
	if err := s.checkMailParams(p); err != nil {
		return err
	}
	if from.NeedsUTF8() && !p.UTF8 {
		return smtp.NewError(553, smtp.EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8")
	}
	if p.Size > s.srv.limits.MessageSize {
		return tooLarge()
	}
	return nil
}

func tooLarge() *smtp.Error {
	return smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Message too large")
}

// rcpt does RCPT (RFC 5321 §4.1.1.3).
func (s *session) rcpt(args string) {
	if s.tx == nil {
		s.fault("503 5.5.1 MAIL first\r\n")
		return
	}
	to, p, err := smtp.ParseRcpt(args)
	if err == nil {
		err = s.checkRcptParams(&p)
	}
	if err == nil && to.NeedsUTF8() && !s.tx.params.UTF8 {
		err = smtp.NewError(553, smtp.EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8")
	}
	if err != nil {
		s.faultErr(err)
		return
	}
	if s.tx.accepted >= s.srv.limits.Recipients {
		s.w.say("452 4.5.3 Too many recipients\r\n")
		return
	}
	if err := s.tx.Rcpt(s.ctx, to, p); err != nil {
		r := s.replyOf(err)
		if r.Permanent() {
			s.refused++
		}
		if s.refused > s.srv.limits.Refused {
			r = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "Too many unknown recipients")
		}
		s.reply(r)
		return
	}
	if s.tx.accepted++; s.tx.accepted == 1 {
		s.tx.first = to
	}
	s.w.say("250 2.1.5 Recipient ok\r\n")
}

// ready checks that a message may come. The refusal has been told where it is false.
func (s *session) ready() bool {
	switch {
	case s.tx == nil:
		s.fault("503 5.5.1 MAIL first\r\n")
		return false
	case s.tx.accepted == 0 && s.srv.Mode == LMTP: // RFC 2033 §4.2
		s.fault("503 5.5.1 No valid recipients\r\n")
		return false
	case s.tx.accepted == 0:
		s.fault("554 5.5.1 No valid recipients\r\n")
		return false
	}
	return true
}

// data does DATA (RFC 5321 §4.1.1.4).
func (s *session) data(args string) {
	if args != "" {
		s.fault("501 5.5.4 DATA has no argument\r\n")
		return
	}
	if !s.ready() {
		return
	}
	if s.tx.params.Body == smtp.BodyBinaryMIME { // RFC 3030 §3
		s.fault("503 5.5.1 BINARYMIME needs BDAT\r\n")
		return
	}
	if s.srv.RefuseEarly && s.r.Buffered() > 0 {
		s.early()
		return
	}
	b := &s.body
	b.prepare(s)
	res, err := s.tx.Data(s.ctx, b)
	if !b.begun { // 354 was never said: this answers DATA
		if err == nil {
			err = s.handlerFault("success without reading the message")
		}
		s.finish()
		s.reply(s.replyOf(err))
		return
	}
	if b.lost == nil && !b.dot.Ended() {
		if e := b.dot.Drain(s.srv.limits.drain()); e != nil && !isTooLong(e) {
			b.lost = e
		} else if e != nil {
			s.closing, s.talking = true, true
			b.refusal = tooLarge()
		}
	}
	if b.lost != nil {
		s.finish()
		s.lost(b.lost)
		return
	}
	s.conclude(res, b.verdict(s, err), s.srv.Mode == LMTP)
}

// drain is how much is read of a message that is refused already.
func (l *Limits) drain() int64 { return max(min(l.MessageSize, noLimit/2), 1<<20) }

// verdict returns why the message is not taken, nil if it is: what the Handler says counts only for a message that it has
// read to the end and that was right.
func (b *body) verdict(s *session, err error) error {
	switch {
	case b.refusal != nil && err == nil:
		_ = s.handlerFault("success for a message that was not right")
		return b.refusal
	case b.refusal != nil:
		return b.refusal
	case err == nil && !b.eof:
		return s.handlerFault("success without reading the message to its end")
	}
	return err
}

// handlerFault logs what the Handler did wrong and returns the error that the peer is told.
func (s *session) handlerFault(what string) error {
	s.log(slog.LevelError, "fault of the Handler: "+what)
	return &smtp.Error{Reply: smtp.ReplyOf(errLocal)}
}

// finish ends the transaction after its message.
func (s *session) finish() {
	s.body.release()
	s.reset()
}

// conclude tells the end of a message: one reply, or one for each recipient (RFC 2033 §4.2).
func (s *session) conclude(res smtp.Results, err error, each bool) {
	tx, n := s.tx, s.tx.accepted
	s.finish()
	if err == nil && len(res) != n {
		err = s.handlerFault(fmt.Sprintf("%d results for %d recipients", len(res), n))
	}
	switch {
	case err != nil && each:
		r := s.replyOf(err)
		for range n {
			s.reply(r)
		}
	case err != nil:
		s.reply(s.replyOf(err))
	case each:
		s.commands = 0
		for i := range res {
			s.reply(s.final(res[i].Reply))
		}
	default:
		s.reply(s.fold(res))
	}
	if l := s.srv.Logger; l != nil && l.Enabled(s.ctx, slog.LevelInfo) {
		s.log(slog.LevelInfo, "message", "id", tx.id, "from", tx.from, "recipients", n, "size", s.body.size, "reply", s.told)
	}
}

// final checks a reply that ends a message.
func (s *session) final(r smtp.Reply) smtp.Reply {
	if r.Code < 200 || r.Code > 599 || r.Code/100 == 3 {
		return smtp.ReplyOf(s.handlerFault("result " + strconv.Itoa(r.Code)))
	}
	return r
}

// fold makes one reply of all results.
func (s *session) fold(res smtp.Results) smtp.Reply {
	first := s.final(res[0].Reply)
	for i := range res {
		if res[i].Reply.Code/100 != first.Code/100 {
			return smtp.ReplyOf(s.handlerFault("mixed results over SMTP"))
		}
	}
	if first.OK() {
		s.commands = 0
	}
	return first
}
