package main

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/jmap/contact"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// openContacts opens who may write to the users; nil without -contacts.
func (o *options) openContacts(store *mailstore.Store, log *slog.Logger) (known contact.Backend, closeAll func() error, err error) {
	if o.contacts == "" {
		return nil, func() error { return nil }, nil
	}
	files, err := contacts.Open(filepath.Join(o.contacts, "grants"), log)
	if err != nil {
		return nil, nil, err
	}
	return contacts.JMAP{Contacts: files, Mail: store, RequestsName: mailstore.RequestsMailbox}, files.Close, nil
}

// open opens the store.
func (o *options) open(next *smtpclient.Client, log *slog.Logger) (*mailstore.Store, error) {
	opts := mailstore.Options{MaxMessage: o.maxMessage, Quota: mailstore.Quota{Octets: o.quota}, Logger: log}
	if next != nil {
		opts.Answers = serve.Submitter(next)
	}
	if o.memory {
		return mailstore.OpenMemory(opts)
	}
	if o.data == "" {
		dir, err := cli.StateDir("store")
		if err != nil {
			return nil, cli.Usagef("no folder for the mail: give -data DIR or -memory (%w)", err)
		}
		o.data = dir
	}
	return mailstore.Open(o.data, opts)
}

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(s, "\"\\")
}

// smarthost returns the HOST:PORT of -submit, "" where it is none.
func (o *options) smarthost() string {
	addr, ok := strings.CutPrefix(o.submit, "smtp://")
	host, port, err := net.SplitHostPort(addr)
	if !ok || err != nil || host == "" || port == "" || strings.ContainsAny(port, "/?#") {
		return ""
	}
	return addr
}

// extensions asks -submit for the extensions of ESMTP that are the users' to use; those that have to do with the connection are
// not.
func extensions(ctx context.Context, next *smtpclient.Client) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := smtpclient.Dial(ctx, next.Addr, next.Config)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := make(map[string][]string)
	for name, args := range c.Extensions() {
		switch name {
		case "DSN", "DELIVERBY", "MT-PRIORITY", "REQUIRETLS", "SIZE", "XCAP", "XPOSTAGE":
			out[name] = strings.Fields(args)
		}
	}
	return out, nil
}

// credentials are those of -submit-user, nil without. They are shown without TLS on this machine alone.
func (o *options) credentials() *sasl.Credentials {
	for _, name := range o.submitUser.Names() {
		password, _ := o.submitUser.Password(name)
		return &sasl.Credentials{Username: name, Password: password, AllowPlaintext: cli.Loopback(o.smarthost())}
	}
	return nil
}
