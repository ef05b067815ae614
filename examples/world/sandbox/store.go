package sandbox

import (
	"net/http"
	"net/netip"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
)

// newStore starts the host that keeps the mail of a domain: one store in memory behind LMTP, IMAP, POP3 and JMAP.
func (w *World) newStore(d *domain) error {
	store, err := mailstore.OpenMemory(mailstore.Options{Logger: w.log, MaxMessage: MaxLetter + 2<<20})
	if err != nil {
		return err
	}
	w.onClose(store.Close)
	if err := store.EnsureAccount(w.ctx, d.user); err != nil {
		return err
	}
	config, err := w.ca.server(d.mail())
	if err != nil {
		return err
	}
	s, err := serve.New(serve.Config{Store: store, Hostname: d.mail(), Users: w.users.Check, TLS: config, Logger: w.log})
	if err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portLMTP, s.LMTP); err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portIMAPS, s.IMAPS); err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portPOP3S, s.POP3S); err != nil {
		return err
	}
	if err := w.serve(d.mailAddr, portHTTPS, s.JMAP); err != nil {
		return err
	}
	d.jmap = &jmapclient.Client{URL: "https://" + d.mail(), Auth: jmapclient.Basic(d.user, d.password), HTTP: &http.Client{
		Transport: &http.Transport{DialContext: w.dialName(w.net.dialer(netip.IPv4Unspecified())), TLSClientConfig: w.ca.client(), ForceAttemptHTTP2: true}}}
	w.run("mailbox of "+d.user, d.watchInbox(w))
	return nil
}
