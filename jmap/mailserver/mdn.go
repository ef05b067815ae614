package mailserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

// registerMDN adds the methods of RFC 9007.
func (s *Service) registerMDN(m *jmapserver.Mux) {
	jmapserver.Register(m, jmap.CapabilityMDN, "MDN/send", s.mdnSend)
	jmapserver.Register(m, jmap.CapabilityMDN, "MDN/parse", s.mdnParse)
}

// orInvalid makes accountNotFound the error that RFC 9007 §2.1 has for it.
func orInvalid(err error) error {
	if jmap.IsMethodError(err, jmap.AccountNotFound) {
		return jmap.Errorf(jmap.InvalidArguments, "no such account")
	}
	return err
}

// mdnSend is MDN/send (RFC 9007 §2.1).
func (s *Service) mdnSend(ctx context.Context, c *jmapserver.Call, r *mail.MDNSendRequest) (*mail.MDNSendResponse, error) {
	if !slices.Contains(c.Using, jmap.CapabilityMail) {
		return nil, jmap.Errorf(jmap.UnknownMethod, "MDN/send needs %s, too", jmap.CapabilityMail)
	}
	a, err := s.setting(ctx, c, r.AccountID, len(r.Send))
	if err != nil {
		return nil, orInvalid(err)
	}
	if a.Submitter == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "this account sends no mail")
	}
	id, _ := c.Resolve(r.IdentityID)
	as, err := identities{a}.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID, IDs: []jmap.ID{id}})
	if err != nil {
		return nil, err
	}
	if len(as.List) == 0 {
		return nil, jmap.Errorf(jmap.InvalidArguments, "no such identity")
	}
	for creation := range r.Send {
		if !marksSent(r.OnSuccessUpdateEmail["#"+creation]) {
			return nil, jmap.Errorf(jmap.InvalidArguments, "onSuccessUpdateEmail does not set %s for %.80q", mail.KeywordMDNSent, creation)
		}
	}
	out := &mail.MDNSendResponse{AccountID: r.AccountID, Sent: make(map[jmap.ID]mail.MDN), NotSent: make(map[jmap.ID]*jmap.SetError)}
	set := &emailSetRequest{AccountID: r.AccountID, Update: make(map[jmap.ID]jmap.Patch)}
	for _, creation := range slices.Sorted(maps.Keys(r.Send)) {
		email, _ := c.Resolve(r.Send[creation].ForEmailID)
		// A recipient sends one, never two (RFC 8098 §3.2.6.3): not by two calls at once either.
		key := [2]jmap.ID{a.ID, email}
		if _, busy := s.receipts.LoadOrStore(key, true); busy {
			out.NotSent[creation] = &jmap.SetError{Type: jmap.SetMDNAlreadySent}
			continue
		}
		defer s.receipts.Delete(key)
		sent, err := s.sendMDN(ctx, a, &as.List[0], email, r.Send[creation])
		if err != nil {
			e, ok := errors.AsType[*jmap.SetError](err)
			if !ok { // others may have been sent already: this one fails alone
				s.logger().LogAttrs(ctx, slog.LevelError, "a disposition notification failed", slog.String("user", c.User), slog.Any("error", err))
				e = &jmap.SetError{Type: jmap.SetForbidden, Description: "mail cannot be sent now"}
			}
			out.NotSent[creation] = e
			continue
		}
		out.Sent[creation], set.Update[email] = *sent, r.OnSuccessUpdateEmail["#"+creation]
	}
	if len(set.Update) == 0 {
		out.Sent = nil
		return out, nil
	}
	if len(out.NotSent) == 0 {
		out.NotSent = nil
	}
	return out, implicit(ctx, c, "Email/set", s.emailSet, set)
}

// marksSent reports whether a patch sets the keyword.
func marksSent(p jmap.Patch) bool {
	if v, ok := p["keywords/"+mail.KeywordMDNSent]; ok {
		return string(v) == "true"
	}
	var all map[string]bool
	return jmap.Unmarshal(p["keywords"], &all) == nil && all[mail.KeywordMDNSent]
}

// sendMDN sends one notification and returns what the client did not give. Its error is a *jmap.SetError where the client
// is at fault, or the email.
func (s *Service) sendMDN(ctx context.Context, a *mail.Account, as *mail.Identity, email jmap.ID, m mail.MDN) (*mail.MDN, error) {
	got, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: a.ID, IDs: []jmap.ID{email}})
	if err != nil {
		return nil, err
	}
	if len(got.List) == 0 {
		return nil, &jmap.SetError{Type: jmap.SetNotFound}
	}
	if slices.Contains(got.List[0].Keywords, mail.KeywordMDNSent) {
		return nil, &jmap.SetError{Type: jmap.SetMDNAlreadySent, Description: mail.KeywordMDNSent + " is set"}
	}
	if err := checkMDN(&m); err != nil {
		return nil, err
	}
	raw, err := readBlob(ctx, a, got.List[0].BlobID)
	if err != nil {
		return nil, err
	}
	parsed := mail.Parse(raw, "")
	w := wantedReceipt(parsed)
	if err := w.check(m.Disposition); err != nil {
		return nil, err
	}
	receipt, err := w.receipt(&m, as, parsed.Summary())
	if err != nil {
		return nil, err
	}
	if m.IncludeOriginalMessage {
		receipt.MDN.Original, receipt.MDN.Full = raw, true
	}
	message, err := receipt.Append(nil)
	if err != nil {
		return nil, invalid(err.Error(), "extensionFields")
	}
	sub := &mail.Submission{Size: int64(len(message)), Body: bytes.NewReader(message)} // from nobody (RFC 8098 §3)
	for _, to := range receipt.To {
		sub.To = append(sub.To, to.Address)
	}
	status, err := a.Submitter.Submit(ctx, sub)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(status, mail.DeliveryStatus.Taken) {
		return nil, &jmap.SetError{Type: jmap.SetInvalidRecipients, InvalidRecipients: sub.To}
	}
	written, err := dsn.ParseMDN(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	all := mdnOf(written, mail.Summarize(message))
	if m.Subject != nil {
		all.Subject = nil
	}
	if m.TextBody != nil {
		all.TextBody = nil
	}
	if m.FinalRecipient != nil {
		all.FinalRecipient = nil
	}
	all.ReportingUA, all.ExtensionFields, all.Disposition, all.IncludeOriginalMessage = nil, nil, nil, false
	return &all, nil
}

// checkMDN refuses what a client cannot say (RFC 9007 §2).
func checkMDN(m *mail.MDN) error {
	for _, given := range []struct {
		name string
		set  bool
	}{{"mdnGateway", m.MDNGateway != nil}, {"originalRecipient", m.OriginalRecipient != nil}, {"originalMessageId", m.OriginalMessageID != nil}, {"error", m.Error != nil}} {
		if given.set {
			return invalid("the server sets this property", given.name)
		}
	}
	if m.Disposition == nil {
		return invalid("an MDN has a disposition", "disposition")
	}
	d, err := dsn.ParseDisposition(m.Disposition.ActionMode + "/" + m.Disposition.SendingMode + ";" + m.Disposition.Type)
	if err != nil || d.Modifiers != nil || (mail.Disposition{ActionMode: d.Action, SendingMode: d.Sending, Type: d.Type}) != *m.Disposition {
		return invalid("unknown words", "disposition")
	}
	return nil
}

// A wanted is who wants a receipt of a message.
type wanted struct {
	to         []mail.Address // Disposition-Notification-To
	requests   int            // its fields
	returnPath string
	original   dsn.Address // Original-Recipient
	report     bool        // the message is a notification itself
}

func wantedReceipt(p *mail.Parsed) *wanted {
	w := &wanted{}
	originals := 0
	for _, f := range p.Header() {
		switch strings.ToLower(f.Name) {
		case "disposition-notification-to":
			w.requests++
			w.to = mail.ParseAddresses(f.Value)
		case "return-path":
			if list := mail.ParseAddresses(f.Value); len(list) == 1 && w.returnPath == "" {
				w.returnPath = list[0].Email
			}
		case "original-recipient":
			originals++
			kind, address, _ := strings.Cut(f.Value, ";")
			w.original = dsn.Address{Type: strings.TrimSpace(kind), Address: strings.TrimSpace(address)}
		case "content-type":
			w.report = strings.HasPrefix(strings.ToLower(strings.TrimSpace(f.Value)), "multipart/report")
		}
	}
	if originals != 1 || w.original.Type == "" || w.original.Address == "" {
		w.original = dsn.Address{}
	}
	return w
}

// check keeps the rules of RFC 8098 §2.1: one field that asks, nothing for a notification, and nothing sent automatically
// but to one address, the sender's.
func (w *wanted) check(d *mail.Disposition) error {
	for _, to := range w.to {
		if !isAddress(to.Email) {
			w.requests = 0
		}
	}
	switch {
	case w.requests != 1 || len(w.to) == 0 || len(w.to) > maxRecipients:
		return &jmap.SetError{Type: jmap.SetNotFound, Description: "no valid Disposition-Notification-To"}
	case w.report:
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "a notification is not notified of"}
	case d.SendingMode == dsn.SentAutomatically && (len(w.to) > 1 || !sameAddress(w.to[0].Email, w.returnPath)):
		return &jmap.SetError{Type: jmap.SetForbidden, Description: "Disposition-Notification-To is not Return-Path: the user is to be asked"}
	}
	return nil
}

// sameAddress compares as RFC 8098 §2.1 does: the domain without regard to case.
func sameAddress(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i > 0 && j > 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}

// receipt makes the notification.
func (w *wanted) receipt(m *mail.MDN, as *mail.Identity, of *mail.Summary) (*dsn.Receipt, error) {
	from := as.Email
	final := dsn.Address{Type: "rfc822", Address: from}
	if m.FinalRecipient != nil {
		kind, address, ok := strings.Cut(*m.FinalRecipient, ";")
		final = dsn.Address{Type: strings.ToLower(strings.TrimSpace(kind)), Address: strings.TrimSpace(address)}
		if !ok || final.Type != "rfc822" && final.Type != "utf-8" {
			return nil, invalid("not of the form rfc822; ADDRESS", "finalRecipient")
		}
		if !isFrom(final.Address, as.Email) {
			return nil, &jmap.SetError{Type: jmap.SetForbiddenFrom}
		}
		from = final.Address
	} else if strings.HasPrefix(from, "*") {
		return nil, invalid("the identity has more than one address", "finalRecipient")
	}
	out := &dsn.Receipt{Date: time.Now(), From: netmail.Address{Name: string(as.Name), Address: from}, MessageID: rand.Text() + from[strings.LastIndexByte(from, '@'):],
		MDN: dsn.MDN{FinalRecipient: final, OriginalRecipient: w.original, Disposition: dsn.Disposition{Action: m.Disposition.ActionMode, Sending: m.Disposition.SendingMode, Type: m.Disposition.Type}}}
	for _, to := range w.to {
		out.To = append(out.To, &netmail.Address{Name: string(to.Name), Address: to.Email})
	}
	if len(of.MessageID) == 1 {
		out.MDN.OriginalMessageID = of.MessageID[0]
		out.References = append(slices.Clone(of.References), of.MessageID[0])
	}
	for to, from := range map[*string]*string{&out.Subject: m.Subject, &out.MDN.Text: m.TextBody, &out.MDN.ReportingUA: m.ReportingUA} {
		if from != nil {
			*to = *from
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.ExtensionFields)) {
		out.MDN.Extensions = append(out.MDN.Extensions, dsn.Extension{Name: name, Value: m.ExtensionFields[name]})
	}
	return out, nil
}

// mdnOf is the form of a notification in JMAP.
func mdnOf(m *dsn.MDN, of *mail.Summary) mail.MDN {
	address := func(a dsn.Address) string {
		if a.Address == "" {
			return ""
		}
		return a.Type + "; " + a.Address
	}
	id := ""
	if m.OriginalMessageID != "" {
		id = "<" + m.OriginalMessageID + ">"
	}
	out := mail.MDN{Subject: of.Subject, IncludeOriginalMessage: m.Full, Error: m.Errors,
		Disposition: &mail.Disposition{ActionMode: m.Disposition.Action, SendingMode: m.Disposition.Sending, Type: m.Disposition.Type}}
	for to, s := range map[**string]string{&out.TextBody: m.Text, &out.ReportingUA: m.ReportingUA, &out.MDNGateway: m.Gateway,
		&out.OriginalRecipient: address(m.OriginalRecipient), &out.FinalRecipient: address(m.FinalRecipient), &out.OriginalMessageID: id} {
		if s != "" {
			*to = &s
		}
	}
	for _, x := range m.Extensions {
		if out.ExtensionFields == nil {
			out.ExtensionFields = make(map[string]string)
		}
		out.ExtensionFields[x.Name] = x.Value
	}
	return out
}

// mdnParse is MDN/parse (RFC 9007 §2.2).
func (s *Service) mdnParse(ctx context.Context, c *jmapserver.Call, r *mail.MDNParseRequest) (*mail.MDNParseResponse, error) {
	if r.BlobIDs == nil {
		return nil, jmap.Errorf(jmap.InvalidArguments, "no blobIds")
	}
	if err := jmapserver.CheckIDs(c, &r.BlobIDs); err != nil {
		return nil, err
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, orInvalid(err)
	}
	out := &mail.MDNParseResponse{AccountID: r.AccountID}
	var sent map[string]jmap.ID
	for _, id := range r.BlobIDs {
		raw, err := readAnyBlob(ctx, a, id)
		if _, ok := errors.AsType[*jmap.SetError](err); ok {
			out.NotFound = append(out.NotFound, id)
			continue
		} else if err != nil && !errors.Is(err, errNotMessage) {
			return nil, err
		}
		m, parseErr := dsn.ParseMDN(bytes.NewReader(raw))
		if err != nil || parseErr != nil {
			out.NotParsable = append(out.NotParsable, id)
			continue
		}
		x := mdnOf(m, mail.Summarize(raw))
		if m.OriginalMessageID != "" {
			if sent == nil {
				if sent, err = s.sentMail(ctx, c, a); err != nil {
					return nil, err
				}
			}
			x.ForEmailID = sent[m.OriginalMessageID]
		}
		if out.Parsed == nil {
			out.Parsed = make(map[jmap.ID]mail.MDN)
		}
		out.Parsed[id] = x
	}
	return out, nil
}

// maxSentMail is the most emails that are looked through for the one that a notification is of.
const maxSentMail = 1000

// sentMail returns the latest emails of the mailbox for what was sent by their Message-ID, "" where two have the same.
func (s *Service) sentMail(ctx context.Context, c *jmapserver.Call, a *mail.Account) (map[string]jmap.ID, error) {
	out := make(map[string]jmap.ID)
	boxes, err := a.Mailboxes.Getter.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(boxes.List, func(m mail.Mailbox) bool { return m.Role == "sent" })
	if i < 0 {
		return out, nil
	}
	found, err := s.emailQuery(ctx, c, &emailQuery{AccountID: a.ID, Filter: jmap.Where(mail.EmailCondition{InMailbox: boxes.List[i].ID}),
		Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: new(false)}}, Limit: new(uint(maxSentMail))})
	if err != nil || len(found.IDs) == 0 {
		return out, err
	}
	records, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: a.ID, IDs: found.IDs, Args: mail.EmailWant{Summary: true}})
	if err != nil {
		return nil, err
	}
	for _, rec := range records.List {
		if rec.Summary == nil {
			continue
		}
		for _, id := range rec.Summary.MessageID {
			if _, twice := out[id]; twice {
				out[id] = ""
			} else {
				out[id] = rec.ID
			}
		}
	}
	return out, nil
}
