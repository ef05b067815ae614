package mailserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxRecipients is how many recipients one submission has at most.
const maxRecipients = 1000

// constantState is the state of a type whose records do not change: submissions, which end with the call that makes
// them (RFC 8621 §7: a server may destroy them once they are sent), and identities that are kept nowhere.
const constantState jmap.State = "0"

// constant is a Changer of records that do not change.
type constant struct{}

// Changes returns no changes.
func (constant) Changes(_ context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	if r.SinceState != constantState {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	return &jmap.ChangesResponse{NewState: constantState}, nil
}

// sent is the submissions that are kept: none.
type sent struct{}

// Get is jmap.Getter's.
func (sent) Get(_ context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.EmailSubmission], error) {
	return &jmap.GetResponse[mail.EmailSubmission]{State: constantState, List: []mail.EmailSubmission{}, NotFound: r.IDs}, nil
}

// registerSubmission adds the methods of RFC 8621 §6 and §7.
func (s *Service) registerSubmission(m *jmapserver.Mux) {
	const c = jmap.CapabilitySubmission
	jmapserver.RegisterGet(m, c, "Identity", role(s, func(a *mail.Account) jmap.Getter[jmap.NoArgs, mail.Identity] { return identities{a} }))
	jmapserver.RegisterChanges(m, c, "Identity", role(s, func(a *mail.Account) jmap.Changer { return identities{a} }))
	jmapserver.Register(m, c, "Identity/set", s.identitySet)
	jmapserver.RegisterGet(m, c, "EmailSubmission", role(s, func(*mail.Account) jmap.Getter[jmap.NoArgs, mail.EmailSubmission] { return sent{} }))
	jmapserver.RegisterChanges(m, c, "EmailSubmission", role(s, func(*mail.Account) jmap.Changer { return constant{} }))
	jmapserver.Register(m, c, "EmailSubmission/query", s.submissionQuery)
	jmapserver.Register(m, c, "EmailSubmission/queryChanges", s.submissionQueryChanges)
	jmapserver.Register(m, c, "EmailSubmission/set", s.submissionSet)
}

type submissionQuery = jmap.QueryRequest[map[string]jmap.Raw, mail.Comparator, jmap.NoArgs]

// submissionQuery is EmailSubmission/query (RFC 8621 §7.3).
func (s *Service) submissionQuery(ctx context.Context, c *jmapserver.Call, r *submissionQuery) (*jmap.QueryResponse, error) {
	if _, err := s.account(ctx, c, r.AccountID); err != nil {
		return nil, err
	}
	out, err := jmap.Page(r, []jmap.ID{})
	if err == nil {
		out.QueryState, out.CanCalculateChanges = constantState, true
	}
	return out, err
}

func (s *Service) submissionQueryChanges(ctx context.Context, c *jmapserver.Call, r *jmap.QueryChangesRequest[map[string]jmap.Raw, mail.Comparator, jmap.NoArgs]) (*jmap.QueryChangesResponse, error) {
	if _, err := s.account(ctx, c, r.AccountID); err != nil {
		return nil, err
	}
	if r.SinceQueryState != constantState {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	return &jmap.QueryChangesResponse{AccountID: r.AccountID, OldQueryState: constantState, NewQueryState: constantState}, nil
}

type submissionSet = jmap.SetRequest[mail.EmailSubmission, jmap.Patch, mail.EmailSubmissionSetArgs]

// submissionSet is EmailSubmission/set (RFC 8621 §7.5).
func (s *Service) submissionSet(ctx context.Context, c *jmapserver.Call, r *submissionSet) (*jmap.SetResponse[mail.EmailSubmission], error) {
	if err := checkSet(c, len(r.Create)+len(r.Update)+len(r.Destroy)); err != nil {
		return nil, err
	}
	a, err := s.writable(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	if a.Submitter == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "this account sends no mail")
	}
	if r.IfInState != nil && *r.IfInState != constantState {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", constantState)
	}
	out := &jmap.SetResponse[mail.EmailSubmission]{AccountID: r.AccountID, OldState: constantState, NewState: constantState,
		Created: make(map[jmap.ID]mail.EmailSubmission), NotCreated: make(map[jmap.ID]*jmap.SetError), NotUpdated: make(map[jmap.ID]*jmap.SetError), NotDestroyed: make(map[jmap.ID]*jmap.SetError)}
	emails := make(map[jmap.ID]jmap.ID) // by creation id
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		sub, err := s.submit(ctx, c, a, r.Create[creation])
		if err != nil {
			e, ok := errors.AsType[*jmap.SetError](err)
			if !ok { // others may have been sent already: this one fails alone
				s.logger().LogAttrs(ctx, slog.LevelError, "submission failed", slog.String("user", c.User), slog.Any("error", err))
				e = &jmap.SetError{Type: jmap.SetForbiddenToSend, Description: "mail cannot be sent now"}
			}
			out.NotCreated[creation] = e
			continue
		}
		emails[creation] = sub.EmailID
		sub.EmailID = ""
		out.Created[creation] = *sub
		c.Created(creation, sub.ID)
	}
	for id := range r.Update {
		out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetNotFound}
	}
	for _, id := range r.Destroy {
		out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
	}
	return out, s.onSuccess(ctx, c, r, emails)
}

// onSuccess makes the implicit Email/set.
func (s *Service) onSuccess(ctx context.Context, c *jmapserver.Call, r *submissionSet, emails map[jmap.ID]jmap.ID) error {
	set := &emailSetRequest{AccountID: r.AccountID, Update: make(map[jmap.ID]jmap.Patch)}
	email := func(key jmap.ID) (jmap.ID, bool) {
		name, ok := strings.CutPrefix(string(key), "#")
		id, created := emails[jmap.ID(name)]
		return id, ok && created
	}
	for key, patch := range r.Args.OnSuccessUpdateEmail {
		if id, ok := email(key); ok {
			set.Update[id] = patch
		}
	}
	for _, key := range r.Args.OnSuccessDestroyEmail {
		if id, ok := email(key); ok {
			set.Destroy = append(set.Destroy, id)
		}
	}
	if len(set.Update)+len(set.Destroy) == 0 {
		return nil
	}
	return implicit(ctx, c, "Email/set", s.emailSet, set)
}

// submit sends one email. Its error is a *jmap.SetError where the client is at fault.
func (s *Service) submit(ctx context.Context, c *jmapserver.Call, a *mail.Account, r mail.EmailSubmission) (*mail.EmailSubmission, error) {
	identityID, _ := c.Resolve(r.IdentityID)
	as, err := identities{a}.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID, IDs: []jmap.ID{identityID}})
	if err != nil {
		return nil, err
	}
	if len(as.List) == 0 {
		return nil, invalid("no such identity", "identityId")
	}
	if !maySend(a, as.List[0].Email) {
		return nil, &jmap.SetError{Type: jmap.SetForbiddenFrom}
	}
	for _, given := range []struct {
		name string
		set  bool
	}{{"id", r.ID != ""}, {"threadId", r.ThreadID != ""}, {"sendAt", !r.SendAt.IsZero()}, {"undoStatus", r.UndoStatus != "" && r.UndoStatus != mail.UndoPending && r.UndoStatus != mail.UndoFinal},
		{"deliveryStatus", r.DeliveryStatus != nil}, {"dsnBlobIds", r.DSNBlobIDs != nil}, {"mdnBlobIds", r.MDNBlobIDs != nil}} {
		if given.set {
			return nil, invalid("this property cannot be given", given.name)
		}
	}
	id, _ := c.Resolve(r.EmailID)
	got, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: a.ID, IDs: []jmap.ID{id}})
	if err != nil {
		return nil, err
	}
	if len(got.List) == 0 {
		return nil, invalid("no such email", "emailId")
	}
	rec := got.List[0]
	raw, err := readBlob(ctx, a, rec.BlobID)
	if err != nil {
		return nil, err
	}
	env, err := envelope(&r, mail.Summarize(raw), as.List[0].Email)
	if err != nil {
		return nil, err
	}
	raw = withoutBcc(raw)
	m := &mail.Submission{From: env.MailFrom.Email, Size: int64(len(raw)), Body: bytes.NewReader(raw)}
	for _, to := range env.RcptTo {
		m.To = append(m.To, to.Email)
	}
	status, err := a.Submitter.Submit(ctx, m)
	if err != nil {
		return nil, err
	}
	out := &mail.EmailSubmission{ID: jmap.ID("S" + rand.Text()), EmailID: id, ThreadID: rec.ThreadID, SendAt: jmap.UTCDate{Time: time.Now().Truncate(time.Second)},
		UndoStatus: mail.UndoFinal, DeliveryStatus: make(map[string]mail.DeliveryStatus)}
	if r.Envelope == nil {
		out.Envelope = env
	}
	for i, to := range m.To {
		out.DeliveryStatus[to] = status[i]
	}
	return out, nil
}

// envelope returns the envelope that was given, or that of the fields of the message, and checks it.
func envelope(r *mail.EmailSubmission, m *mail.Summary, identity string) (*mail.Envelope, error) {
	var bad []string
	if len(m.From) == 0 {
		bad = append(bad, "from")
	}
	if m.SentAt.IsZero() {
		bad = append(bad, "sentAt")
	}
	if bad != nil {
		return nil, &jmap.SetError{Type: jmap.SetInvalidEmail, Properties: bad}
	}
	for _, f := range m.From {
		if !isFrom(f.Email, identity) {
			return nil, &jmap.SetError{Type: jmap.SetForbiddenFrom}
		}
	}
	env := r.Envelope
	if env == nil {
		env = &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: m.From[0].Email}}
		for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
			env.RcptTo = append(env.RcptTo, mail.EnvelopeAddress{Email: a.Email})
		}
	}
	if !isFrom(env.MailFrom.Email, identity) {
		return nil, &jmap.SetError{Type: jmap.SetForbiddenMailFrom}
	}
	out := &mail.Envelope{MailFrom: env.MailFrom}
	seen := make(map[string]bool)
	for _, to := range append([]mail.EnvelopeAddress{env.MailFrom}, env.RcptTo...) {
		if len(to.Parameters) > 0 {
			return nil, invalid("no parameters are known", "envelope")
		}
	}
	for _, to := range env.RcptTo {
		if !isAddress(to.Email) {
			bad = append(bad, to.Email)
		}
		if !seen[to.Email] {
			out.RcptTo = append(out.RcptTo, to)
		}
		seen[to.Email] = true
	}
	switch {
	case bad != nil:
		return nil, &jmap.SetError{Type: jmap.SetInvalidRecipients, InvalidRecipients: bad}
	case len(out.RcptTo) == 0:
		return nil, &jmap.SetError{Type: jmap.SetNoRecipients}
	case len(out.RcptTo) > maxRecipients:
		return nil, &jmap.SetError{Type: jmap.SetTooManyRecipients, MaxRecipients: maxRecipients}
	}
	return out, nil
}

// isFrom reports whether an address is that of an identity.
func isFrom(address, identity string) bool {
	if domain, ok := strings.CutPrefix(identity, "*@"); ok {
		i := strings.LastIndexByte(address, '@')
		return i > 0 && strings.EqualFold(address[i+1:], domain) && isAddress(address)
	}
	return strings.EqualFold(address, identity)
}

// isAddress reports whether s may be an address in an envelope; the Submitter knows its grammar.
func isAddress(s string) bool {
	i := strings.LastIndexByte(s, '@')
	return i > 0 && i < len(s)-1 && !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f || c == '<' || c == '>' })
}

// withoutBcc returns a message without its Bcc fields (RFC 8621 §7.5).
func withoutBcc(raw []byte) []byte {
	var out []byte
	rest, dropping := raw, false
	for len(rest) > 0 {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		line := rest[:n]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break // the body
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			dropping = strings.EqualFold(strings.TrimSpace(string(name)), "bcc")
		}
		if !dropping {
			out = append(out, line...)
		}
		rest = rest[n:]
	}
	return append(out, rest...)
}
