package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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
	secret, err := key.Bytes()
	if err == nil {
		o.credentialKey, err = hkdf.Key(sha256.New, secret, nil, "mailbricks password credential", sha256.Size)
	}
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
	var now []string
	if password, ok := o.users.Password(user); ok {
		now = append(now, jmapserver.PasswordCredential(o.credentialKey, password))
	}
	if token, ok := o.tokens.Password(user); ok {
		now = append(now, jmapserver.TokenCredential(token))
	}
	return slices.ContainsFunc(now, func(c string) bool { return subtle.ConstantTimeCompare([]byte(c), []byte(credential)) == 1 }), nil
}
