package mailserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// A Service is the methods of RFC 8621 over a Backend.
type Service struct {
	// Logger is told of submissions that fail; nil is silent. It is set before the first request.
	Logger *slog.Logger

	backend              mail.Backend
	reads, writes, blobs jmap.Raw // what accounts can do
	receipts             sync.Map // [2]jmap.ID of account and email: an MDN is being sent
}

func (s *Service) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// New returns a Service over b.
func New(b mail.Backend) *Service {
	mustMarshal := func(v any) jmap.Raw {
		raw, err := jmap.Marshal(v)
		if err != nil {
			panic(err) // constants
		}
		return raw
	}
	can := mailCapability{
		MaxSizeMailboxName:         maxMailboxName,
		MaxSizeAttachmentsPerEmail: 50_000_000,
		EmailQuerySortOptions:      sortOptions(),
	}
	s := &Service{backend: b, reads: mustMarshal(can), blobs: mustMarshal(blobCapabilities())}
	can.MayCreateTopLevelMailbox = true
	s.writes = mustMarshal(can)
	return s
}

// NewServer returns a Server of the Service alone, with pushed changes. Its fields may be changed before the first
// request.
func NewServer(b mail.Backend, authenticate func(*http.Request) (user string, err error)) *jmapserver.Server {
	s := New(b)
	m := new(jmapserver.Mux)
	s.Register(m)
	out := &jmapserver.Server{Mux: m, Authenticate: authenticate, Accounts: s.Accounts, OpenBlob: s.OpenBlob, Upload: s.Upload,
		EventSource: (&push.EventSource{Watchers: s.Watchers}).Serve}
	out.WebSocket = (&push.WebSocket{Watchers: s.Watchers, Answer: out.Answer}).Serve
	return out
}

// Register adds the methods.
func (s *Service) Register(m *jmapserver.Mux) {
	const c = jmap.CapabilityMail
	jmapserver.RegisterGet(m, c, "Mailbox", role(s, func(a *mail.Account) jmap.Getter[jmap.NoArgs, mail.Mailbox] {
		return withRights{a.Mailboxes.Getter, a.ReadOnly}
	}))
	jmapserver.Register(m, c, "Mailbox/changes", s.mailboxChanges)
	jmapserver.Register(m, c, "Mailbox/query", s.mailboxQuery)
	jmapserver.Register(m, c, "Mailbox/queryChanges", s.mailboxQueryChanges)
	jmapserver.Register(m, c, "Mailbox/set", s.mailboxSet)
	jmapserver.RegisterGet(m, c, "Thread", role(s, func(a *mail.Account) jmap.Getter[jmap.NoArgs, mail.Thread] {
		if a.Threads.Getter == nil {
			return threadsOf{a.Emails.Getter}
		}
		return a.Threads.Getter
	}))
	jmapserver.RegisterChanges(m, c, "Thread", role(s, func(a *mail.Account) jmap.Changer { return a.Threads.Changer }))
	jmapserver.Register(m, c, "Email/get", s.emailGet)
	jmapserver.RegisterChanges(m, c, "Email", role(s, func(a *mail.Account) jmap.Changer { return a.Emails.Changer }))
	jmapserver.Register(m, c, "Email/query", s.emailQuery)
	jmapserver.Register(m, c, "Email/queryChanges", s.emailQueryChanges)
	jmapserver.Register(m, c, "Email/set", s.emailSet)
	jmapserver.Register(m, c, "Email/copy", s.emailCopy)
	jmapserver.Register(m, c, "Email/parse", s.emailParse)
	jmapserver.Register(m, c, "SearchSnippet/get", s.snippets)
	jmapserver.Register(m, jmap.CapabilityCore, "Blob/copy", s.blobCopy)
	jmapserver.Register(m, c, "Email/import", s.emailImport)
	jmapserver.Register(m, jmap.CapabilityBlob, "Blob/upload", s.blobUpload)
	jmapserver.Register(m, jmap.CapabilityBlob, "Blob/get", s.blobGet)
	jmapserver.Register(m, jmap.CapabilityBlob, "Blob/lookup", s.blobLookup)
	s.registerSubmission(m)
	s.registerQuota(m)
	s.registerVacation(m)
	s.registerMDN(m)
}

// role returns the Find of a role of an account.
func role[R any](s *Service, pick func(*mail.Account) R) jmapserver.Find[R] {
	return func(ctx context.Context, c *jmapserver.Call, id jmap.ID) (R, error) {
		a, err := s.account(ctx, c, id)
		if err != nil {
			var none R
			return none, err
		}
		return pick(a), nil
	}
}

// accountsKey is the key of a request's accounts.
type accountsKey struct{}

// account returns an account of the user's.
func (s *Service) account(ctx context.Context, c *jmapserver.Call, id jmap.ID) (*mail.Account, error) {
	list, err := jmapserver.Once(c, accountsKey{}, func() ([]*mail.Account, error) { return s.backend.Accounts(ctx, c.User) })
	if err != nil {
		return nil, err
	}
	return find(list, id)
}

// pick returns those of all records that a /get asks for.
func pick[T any](ids []jmap.ID, all []T, id func(*T) jmap.ID) (list []T, notFound []jmap.ID) {
	if ids == nil {
		return all, nil
	}
	list = []T{}
	for _, want := range ids {
		if i := slices.IndexFunc(all, func(x T) bool { return id(&x) == want }); i >= 0 {
			list = append(list, all[i])
		} else {
			notFound = append(notFound, want)
		}
	}
	return list, notFound
}

// writable is account for a method that changes something.
func (s *Service) writable(ctx context.Context, c *jmapserver.Call, id jmap.ID) (*mail.Account, error) {
	a, err := s.account(ctx, c, id)
	if err == nil && a.ReadOnly {
		return nil, jmap.Errorf(jmap.AccountReadOnly, "")
	}
	return a, err
}

func find(list []*mail.Account, id jmap.ID) (*mail.Account, error) {
	for _, a := range list {
		if a.ID == id {
			return a, nil
		}
	}
	return nil, jmap.Errorf(jmap.AccountNotFound, "no account %.80q", id)
}

// A mailCapability is what an account can do (RFC 8621 §1.3.1).
type mailCapability struct {
	MaxMailboxesPerEmail       *uint    `json:"maxMailboxesPerEmail"`
	MaxMailboxDepth            *uint    `json:"maxMailboxDepth"`
	MaxSizeMailboxName         uint     `json:"maxSizeMailboxName"`
	MaxSizeAttachmentsPerEmail uint     `json:"maxSizeAttachmentsPerEmail"`
	EmailQuerySortOptions      []string `json:"emailQuerySortOptions"`
	MayCreateTopLevelMailbox   bool     `json:"mayCreateTopLevelMailbox"`
}

// maxMailboxName is the length of a mailbox's name in octets.
const maxMailboxName = 255

// Accounts is the field of that name of a jmapserver.Server.
func (s *Service) Accounts(ctx context.Context, user string) ([]jmapserver.Account, error) {
	list, err := s.backend.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	out := make([]jmapserver.Account, len(list))
	for i, a := range list {
		out[i] = jmapserver.Account{ID: a.ID, SessionAccount: jmap.SessionAccount{Name: a.Name, IsPersonal: !a.Shared, IsReadOnly: a.ReadOnly,
			AccountCapabilities: map[string]jmap.Raw{jmap.CapabilityCore: jmap.Raw("{}"), jmap.CapabilityMail: s.reads, jmap.CapabilityBlob: s.blobs}}}
		if !a.ReadOnly && a.Mailboxes.Setter != nil {
			out[i].AccountCapabilities[jmap.CapabilityMail] = s.writes
		}
		if a.Vacation != nil {
			out[i].AccountCapabilities[jmap.CapabilityVacationResponse] = jmap.Raw("{}")
		}
		if a.Quotas != nil {
			out[i].AccountCapabilities[jmap.CapabilityQuota] = jmap.Raw("{}")
		}
		if a.Submitter != nil && !a.ReadOnly {
			can, err := jmap.Marshal(submissionCapabilityOf(a))
			if err != nil {
				return nil, err
			}
			out[i].AccountCapabilities[jmap.CapabilitySubmission] = can
			out[i].AccountCapabilities[jmap.CapabilityMDN] = jmap.Raw("{}")
		}
	}
	return out, nil
}

// Watchers returns the change feeds of a user's accounts, those that have one.
func (s *Service) Watchers(ctx context.Context, user string) (map[jmap.ID]jmap.Watcher, error) {
	list, err := s.backend.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	out := make(map[jmap.ID]jmap.Watcher, len(list))
	for _, a := range list {
		if a.Watcher != nil {
			out[a.ID] = identityWatcher{a.Watcher, identities{a}}
			if a.Quotas != nil {
				out[a.ID] = quotaWatcher{out[a.ID], a.Quotas}
			}
		}
	}
	return out, nil
}

// Upload is the field of that name of a jmapserver.Server.
func (s *Service) Upload(ctx context.Context, user string, account jmap.ID, r io.Reader) (jmap.ID, int64, error) {
	list, err := s.backend.Accounts(ctx, user)
	if err != nil {
		return "", 0, err
	}
	a, err := find(list, account)
	if err != nil {
		return "", 0, err
	}
	if a.Uploads == nil || a.ReadOnly {
		return "", 0, jmap.Errorf(jmap.AccountNotFound, "the account takes no uploads")
	}
	return a.Uploads.Upload(ctx, r)
}

// OpenBlob is the field of that name of a jmapserver.Server. It knows the blobs of the store and those of the parts of
// a message.
func (s *Service) OpenBlob(ctx context.Context, user string, account, id jmap.ID) (jmap.Blob, error) {
	list, err := s.backend.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	a, err := find(list, account)
	if err != nil {
		return nil, err
	}
	return openBlob(ctx, a, id)
}

func openBlob(ctx context.Context, a *mail.Account, id jmap.ID) (jmap.Blob, error) {
	b, err := a.Blobs.OpenBlob(ctx, id)
	if err == nil {
		return b, nil
	}
	if _, ok := errors.AsType[*jmap.SetError](err); !ok {
		return nil, err
	}
	whole, part, ok := mail.PartBlob(id)
	if !ok {
		return nil, err
	}
	raw, err := readBlob(ctx, a, whole)
	if err != nil {
		return nil, err
	}
	content, _ := mail.Parse(raw, whole).Content(part)
	if content == nil {
		return nil, &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{id}}
	}
	return newBytesBlob(content), nil
}
