package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/subtle"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/push"
	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// vapidFile is the file in the folder of the store by whose key push services know it.
const vapidFile = "vapid.key"

// openPush begins to send changes to the addresses that clients subscribed.
func (o *options) openPush(ctx context.Context, store *mailstore.Store, log *slog.Logger) (*push.WebPush, error) {
	key, err := o.vapidKey()
	if err != nil {
		return nil, err
	}
	return push.OpenWebPush(ctx, push.WebPushConfig{Store: store, Watchers: mailserver.New(store).Watchers, Allow: o.pushAllow,
		Signer: &webpush.Signer{Key: key}, Valid: o.mayStill, Logger: log})
}

// vapidKey reads the key, or makes it the first time; in memory it is another each time.
func (o *options) vapidKey() (*ecdsa.PrivateKey, error) {
	if o.memory {
		return webpush.GenerateKey(nil)
	}
	name := filepath.Join(o.data, vapidFile)
	b, err := os.ReadFile(name)
	if err == nil {
		return webpush.ParseKey(strings.TrimSpace(string(b)))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := webpush.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	text, err := webpush.FormatKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeNew(name, text+"\n")
}

// writeNew writes a file that only its owner reads, whole or not at all.
func writeNew(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// mayStill reports whether a user has still what a subscription was made with.
func (o *options) mayStill(_ context.Context, user, credential string) (bool, error) {
	if _, ok := o.users.Password(user); ok && credential == jmapserver.PasswordCredential {
		return true, nil
	}
	token, ok := o.tokens.Password(user)
	return ok && subtle.ConstantTimeCompare([]byte(jmapserver.TokenCredential(token)), []byte(credential)) == 1, nil
}
