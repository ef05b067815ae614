package mailrelay

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/queue"
)

// A QueuedMessage is one message of GET /queue.
type QueuedMessage struct {
	ID         string            `json:"id"`
	From       string            `json:"from"` // "" is the null reverse-path
	Arrival    time.Time         `json:"arrival,omitzero"`
	Due        time.Time         `json:"due"` // the next attempt
	Attempts   int               `json:"attempts"`
	Recipients []QueuedRecipient `json:"recipients"`
	Error      string            `json:"error,omitempty"` // of a record that cannot be read
}

// A QueuedRecipient is one recipient of a QueuedMessage.
type QueuedRecipient struct {
	To    string               `json:"to"`
	State queue.RecipientState `json:"state"`
	// Reply is the last one, Host who gave it and At when; "" before the first attempt.
	Reply string    `json:"reply,omitempty"`
	Host  string    `json:"host,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Admin returns the administration of the Relay over HTTP:
//
//	GET  /queue               {"messages":[QueuedMessage, ...]}
//	POST /queue/retry?id=ID   {"retried":1}    tries messages now; without an id all that wait
//	GET  /metrics             see WriteMetrics
//
// A token, if not empty, must come with each request (Authorization: Bearer). Without one only this machine may be let
// in: requests that name another host than loopback are refused, and so are those that another site's page makes.
func (r *Relay) Admin(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /queue", r.showQueue)
	mux.HandleFunc("POST /queue/retry", r.retry)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, req *http.Request) {
		var b bytes.Buffer
		_ = r.WriteMetrics(req.Context(), &b) // a Buffer does not fail
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(b.Bytes())
	})
	return http.NewCrossOriginProtection().Handler(guard(token, mux))
}

// guard lets in who has the token, or, where there is none, who speaks to a loopback address by its name.
func guard(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if token == "" {
			if !loopback(req.Host) {
				http.Error(w, "this address has no token and answers for loopback alone", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, req)
			return
		}
		scheme, given, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="relay"`)
			http.Error(w, "the admin token is needed: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, req)
	})
}

// loopback reports whether a Host field names this machine. Otherwise a page whose name was made to point here
// (DNS rebinding) could read the answers.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

func (r *Relay) showQueue(w http.ResponseWriter, req *http.Request) {
	list := []QueuedMessage{}
	for m, err := range r.queue.List(req.Context()) {
		out := QueuedMessage{ID: m.ID, From: m.From.Address(), Arrival: m.Arrival, Due: m.Due, Attempts: m.Attempts, Recipients: []QueuedRecipient{}}
		if err != nil {
			out.Error = "the record cannot be read"
			r.log.Error("queue record", "id", m.ID, "err", err)
		}
		for _, rc := range m.Recipients {
			out.Recipients = append(out.Recipients, QueuedRecipient{To: rc.To.Address(), State: rc.State,
				Reply: replyText(rc.Last.Reply), Host: rc.Last.RemoteMTA, At: rc.At})
		}
		list = append(list, out)
	}
	if req.Context().Err() == nil {
		writeJSON(w, map[string]any{"messages": list})
	}
}

func replyText(r smtp.Reply) string {
	if r.Code == 0 {
		return ""
	}
	return r.String()
}

func (r *Relay) retry(w http.ResponseWriter, req *http.Request) {
	n, err := r.queue.Retry(req.Context(), req.URL.Query()["id"]...)
	if err != nil {
		r.log.Error("retry", "err", err)
		http.Error(w, "the queue does not work: see the log", http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]int{"retried": n})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away
}
