package jmapserver

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// CapabilityTicket is the capability of single-use tickets: {"url": …}. A POST there, authenticated, answers
// {"ticket": …, "expiresIn": seconds}; the address of the event source or the WebSocket with the parameter ticket=… then
// needs no Authorization, which a browser cannot send there.
const CapabilityTicket = "https://github.com/mailbricks/mailbricks/jmap/ticket"

// TicketLife is how long a ticket is good for.
const TicketLife = time.Minute

// maxTickets and ticketsPerUser are how many tickets are out at a time.
const (
	maxTickets     = 10_000
	ticketsPerUser = 20
)

// tickets are those that are out, by their hashes, so that how long a look-up takes tells nothing of them.
type tickets struct {
	mu  sync.Mutex
	out map[[sha256.Size]byte]ticket
}

type ticket struct {
	user, credential string
	expires          time.Time
}

// issue returns a new ticket for the user, "" where too many are out.
func (t *tickets) issue(user, credential string, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		t.out = make(map[[sha256.Size]byte]ticket)
	}
	own := 0
	for k, v := range t.out {
		if !now.Before(v.expires) {
			delete(t.out, k)
		} else if v.user == user {
			own++
		}
	}
	if own >= ticketsPerUser || len(t.out) >= maxTickets {
		return ""
	}
	s := rand.Text()
	t.out[sha256.Sum256([]byte(s))] = ticket{user, credential, now.Add(TicketLife)}
	return s
}

// redeem returns whose a ticket is, which is then used up.
func (t *tickets) redeem(s string, now time.Time) (who ticket, ok bool) {
	k := sha256.Sum256([]byte(s))
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.out[k]
	delete(t.out, k)
	return v, ok && now.Before(v.expires)
}

// user returns who makes a request, and with which credential: by its ticket, where the path takes one, else by
// Authenticate.
func (s *Server) user(r *http.Request) (user, credential string, err error) {
	if p := r.URL.Path; p == pathEventSource || p == pathWebSocket {
		if t := r.URL.Query().Get("ticket"); t != "" {
			if who, ok := s.tickets.redeem(t, time.Now()); ok {
				return who.user, who.credential, nil
			}
			return "", "", &AuthError{Status: http.StatusUnauthorized, Detail: "the ticket is used up or has expired"}
		}
	}
	if user, err = s.Authenticate(r); err == nil && s.Credential != nil {
		credential = s.Credential(r)
	}
	return user, credential, err
}

// An issued is the answer to a POST for a ticket.
type issued struct {
	Ticket    string `json:"ticket"`
	ExpiresIn int    `json:"expiresIn"` // seconds
}

func (s *Server) serveTicket(w http.ResponseWriter, r *http.Request, user string) {
	t := s.tickets.issue(user, credentialOf(r.Context()), time.Now())
	if t == "" {
		w.Header().Set("Retry-After", "60")
		problem(w, http.StatusTooManyRequests, "too many tickets are out")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, issued{t, int(TicketLife.Seconds())})
}
