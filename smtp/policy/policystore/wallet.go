package policystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/linelog"
)

// purse is the state of the wallets of this package: owner → issuer → token.
type purse struct {
	by map[string]map[string]capability.Token
	n  int
}

// A slip is one change; without Token the token with that ID is dropped.
type slip struct {
	Owner string        `json:"owner"`
	Token string        `json:"token,omitempty"`
	Drop  capability.ID `json:"drop,omitzero"`
}

func (p *purse) get(owner, recipient string, now time.Time) (capability.Token, bool) {
	have := p.by[address.Canonical(owner)]
	recipient = address.Canonical(recipient)
	for _, issuer := range []string{recipient, recipient[strings.LastIndexByte(recipient, '@')+1:]} {
		t, ok := have[issuer]
		if g := t.Grant(); ok && (g.Expires.IsZero() || now.Before(g.Expires)) {
			return t, true
		}
	}
	return capability.Token{}, false
}

func (p *purse) apply(s slip) error {
	owner := address.Canonical(s.Owner)
	have := p.by[owner]
	if s.Token == "" {
		for issuer, t := range have {
			if t.Grant().ID == s.Drop {
				delete(have, issuer)
				p.n--
			}
		}
		if len(have) == 0 {
			delete(p.by, owner)
		}
		return nil
	}
	t, err := capability.ParseToken(s.Token)
	if err != nil {
		return err
	}
	if have == nil {
		have = make(map[string]capability.Token)
		if p.by == nil {
			p.by = make(map[string]map[string]capability.Token)
		}
		p.by[owner] = have
	}
	issuer := address.Canonical(t.Grant().Issuer)
	if _, ok := have[issuer]; !ok {
		p.n++
	}
	have[issuer] = t
	return nil
}

// maxWallet is how many tokens a wallet of this package holds.
const maxWallet = 1_000_000

// room refuses what the purse cannot take.
func (p *purse) room(s slip) error {
	if s.Token != "" && p.n >= maxWallet {
		return errFull
	}
	return nil
}

// MemoryWallet is a policy.Wallet for one process, lost with it. It holds up to 1,000,000 tokens; the zero value is ready for use.
type MemoryWallet struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu sync.Mutex
	p  purse
}

// Get implements policy.Wallet.
func (m *MemoryWallet) Get(ctx context.Context, owner, recipient string) (capability.Token, bool, error) {
	if err := ctx.Err(); err != nil {
		return capability.Token{}, false, err
	}
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.p.get(owner, recipient, now())
	return t, ok, nil
}

// Put implements policy.Wallet.
func (m *MemoryWallet) Put(ctx context.Context, owner string, t capability.Token) error {
	return m.change(ctx, slip{Owner: owner, Token: t.String()})
}

// Drop implements policy.Wallet.
func (m *MemoryWallet) Drop(ctx context.Context, owner string, id capability.ID) error {
	return m.change(ctx, slip{Owner: owner, Drop: id})
}

func (m *MemoryWallet) change(ctx context.Context, s slip) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.p.room(s); err != nil {
		return err
	}
	return m.p.apply(s)
}

// FileWallet is a policy.Wallet in one file: a line of JSON a change, synced when the call returns. The file is secret: a token
// is a right. On systems with flock any number of processes share it; elsewhere it belongs to one. It is written anew,
// shorter, when it is opened.
type FileWallet struct {
	log   *linelog.Log
	lines *walletLines
	now   func() time.Time
}

// OpenWallet opens or makes the file. now is the clock; nil is time.Now.
func OpenWallet(path string, now func() time.Time) (*FileWallet, error) {
	if now == nil {
		now = time.Now
	}
	lines := &walletLines{now: now}
	log, err := linelog.Open(path, lines)
	if err != nil {
		return nil, fmt.Errorf("policystore: %w", err)
	}
	return &FileWallet{log: log, lines: lines, now: now}, nil
}

// Close closes the file.
func (f *FileWallet) Close() error { return f.log.Close() }

// Get implements policy.Wallet.
func (f *FileWallet) Get(ctx context.Context, owner, recipient string) (t capability.Token, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return capability.Token{}, false, err
	}
	err = f.log.Update(func() ([]byte, error) {
		t, ok = f.lines.p.get(owner, recipient, f.now())
		return nil, nil
	})
	return t, ok, err
}

// Put implements policy.Wallet.
func (f *FileWallet) Put(ctx context.Context, owner string, t capability.Token) error {
	return f.change(ctx, slip{Owner: owner, Token: t.String()})
}

// Drop implements policy.Wallet.
func (f *FileWallet) Drop(ctx context.Context, owner string, id capability.ID) error {
	return f.change(ctx, slip{Owner: owner, Drop: id})
}

func (f *FileWallet) change(ctx context.Context, s slip) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.log.Update(func() ([]byte, error) {
		if err := f.lines.p.room(s); err != nil {
			return nil, err
		}
		return json.Marshal(s)
	})
}

// walletLines reads a purse from lines.
type walletLines struct {
	now func() time.Time
	p   purse
	n   int // lines since Reset
}

// Reset implements linelog.State.
func (w *walletLines) Reset() { w.p, w.n = purse{}, 0 }

// Apply implements linelog.State.
func (w *walletLines) Apply(line []byte) error {
	var s slip
	if err := json.Unmarshal(line, &s); err != nil || s.Owner == "" {
		return errors.Join(errors.New("not a line of a wallet"), err)
	}
	w.n++
	return w.p.apply(s)
}

// Compact implements linelog.State.
func (w *walletLines) Compact() ([]byte, bool) {
	var out []byte
	kept := 0
	for owner, have := range w.p.by {
		for _, t := range have {
			if g := t.Grant(); !g.Expires.IsZero() && !w.now().Before(g.Expires) {
				continue
			}
			line, err := json.Marshal(slip{Owner: owner, Token: t.String()})
			if err != nil {
				return nil, false // a string always marshals
			}
			out = append(append(out, line...), '\n')
			kept++
		}
	}
	return out, w.n > 2*kept+16
}
