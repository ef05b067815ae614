package jmapserver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
)

// offers are what the Sessions of all users have in common, made with the first of them.
type offers struct {
	once         sync.Once
	capabilities map[string]jmap.Raw
	err          error
}

func (s *Server) capabilities() (map[string]jmap.Raw, error) {
	o := &s.offers
	o.once.Do(func() {
		o.capabilities = make(map[string]jmap.Raw)
		for c := range s.Mux.capabilities() {
			o.capabilities[c] = jmap.Raw("{}")
		}
		o.capabilities[jmap.CapabilityCore], o.err = jmap.Marshal(s.limits())
		if s.WebSocket != nil {
			o.capabilities[jmap.CapabilityWebSocket] = jmap.Raw("{}") // its URL comes with the others
		}
		if s.WebSocket != nil || s.EventSource != nil {
			o.capabilities[CapabilityTicket] = jmap.Raw("{}")
		}
		if s.VAPIDKey != "" && o.err == nil {
			o.capabilities[jmap.CapabilityVAPID], o.err = jmap.Marshal(jmap.VAPID{ApplicationServerKey: s.VAPIDKey})
		}
	})
	return o.capabilities, o.err
}

// session returns the Session of a user, without its URLs. Its Capabilities are shared.
func (s *Server) session(ctx context.Context, user string) (*jmap.Session, error) {
	accounts, err := s.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	out := &jmap.Session{
		Accounts:        make(map[jmap.ID]jmap.SessionAccount, len(accounts)),
		PrimaryAccounts: make(map[string]jmap.ID),
		Username:        user,
	}
	if out.Capabilities, err = s.capabilities(); err != nil {
		return nil, err
	}
	for _, a := range accounts {
		out.Accounts[a.ID] = a.SessionAccount
		for c := range a.AccountCapabilities {
			if _, ok := out.PrimaryAccounts[c]; !ok && a.IsPersonal {
				out.PrimaryAccounts[c] = a.ID
			}
		}
	}
	out.State = s.sessionState(user, out.Capabilities, accounts)
	return out, nil
}

// sessionState returns a digest of what a Session is made of.
func (s *Server) sessionState(user string, capabilities map[string]jmap.Raw, accounts []Account) jmap.State {
	var b []byte
	add := func(part string) { b = append(binary.AppendUvarint(b, uint64(len(part))), part...) }
	addAll := func(all map[string]jmap.Raw) {
		b = binary.AppendUvarint(b, uint64(len(all)))
		for _, name := range slices.Sorted(maps.Keys(all)) {
			add(name)
			add(string(all[name]))
		}
	}
	add(user)
	add(s.BaseURL)
	addAll(capabilities)
	for _, a := range accounts {
		add(string(a.ID))
		add(a.Name)
		kind := byte(0)
		if a.IsPersonal {
			kind |= 1
		}
		if a.IsReadOnly {
			kind |= 2
		}
		b = append(b, kind)
		addAll(a.AccountCapabilities)
	}
	sum := sha256.Sum256(b)
	return jmap.State(hex.EncodeToString(sum[:6]))
}

// serveSession serves RFC 8620 §2.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, user string) {
	out, err := s.session(r.Context(), user)
	if err != nil {
		s.fail(w, r, user, err)
		return
	}
	base := s.BaseURL
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	out.APIURL = base + pathAPI
	out.DownloadURL = base + pathDownload + "{accountId}/{blobId}/{name}?type={type}"
	out.UploadURL = base + pathUpload + "{accountId}"
	out.EventSourceURL = base + pathEventSource + "?types={types}&closeafter={closeafter}&ping={ping}"
	if err := s.offer(out, base); err != nil {
		s.fail(w, r, user, err)
		return
	}
	w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
	writeJSON(w, http.StatusOK, out)
}

// A webSocketCapability is where to connect (RFC 8887 §3).
type webSocketCapability struct {
	URL          string `json:"url"`
	SupportsPush bool   `json:"supportsPush"`
}

// offer adds the addresses of capabilities.
func (s *Server) offer(out *jmap.Session, base string) (err error) {
	out.Capabilities = maps.Clone(out.Capabilities)
	if s.WebSocket != nil {
		out.Capabilities[jmap.CapabilityWebSocket], err = jmap.Marshal(webSocketCapability{"ws" + strings.TrimPrefix(base, "http") + pathWebSocket, true})
	}
	if _, ok := out.Capabilities[CapabilityTicket]; ok && err == nil {
		out.Capabilities[CapabilityTicket], err = jmap.Marshal(map[string]string{"url": base + pathTicket})
	}
	return err
}
