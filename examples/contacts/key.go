package contacts

import (
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
)

// Key reads the Ed25519 key of FILE.key, PKCS #8 in PEM. Where there is none it makes one if it may; else the error wraps
// fs.ErrNotExist.
func Key(path string, create bool) (ed25519.PrivateKey, error) {
	return readKey(path+".key", create, parseKey, func() ([]byte, error) {
		key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
		if err != nil {
			return nil, err
		}
		return dkim.AppendPrivateKey(nil, key)
	})
}

func parseKey(text []byte) (key ed25519.PrivateKey, err error) {
	var any crypto.Signer
	if any, err = dkim.ParsePrivateKey(text); err != nil {
		return nil, err
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return key, nil
}

// TagKey reads the key of the addresses of channels from FILE.tagkey, 32 octets in hexadecimal, as Key does.
func TagKey(path string, create bool) ([]byte, error) {
	parse := func(text []byte) ([]byte, error) {
		key, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || len(key) != 32 {
			return nil, errors.New("no key of 32 octets in hexadecimal")
		}
		return key, nil
	}
	return readKey(path+".tagkey", create, parse, func() ([]byte, error) {
		return []byte(hex.EncodeToString(capability.NewTagKey()) + "\n"), nil
	})
}

// Tags returns what makes and knows the addresses of channels with a key.
func Tags(key []byte) capability.Tags {
	return capability.Tags{Keys: map[uint8][]byte{1: key}, Current: 1}
}

// readKey reads a file, and puts it there if it is absent and may be made: whole, or not at all. Of several processes that
// make it at the same time one makes it, and all have the same.
func readKey[K any](file string, create bool, parse func([]byte) (K, error), make func() ([]byte, error)) (key K, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && create {
		if text, err = make(); err != nil {
			return key, err
		}
		if err = writeNew(file, text); err == nil || errors.Is(err, fs.ErrExist) {
			text, err = os.ReadFile(file)
		}
	}
	if err != nil {
		return key, err
	}
	if key, err = parse(text); err != nil {
		return key, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// writeNew writes a file that is not there yet; else the error wraps fs.ErrExist.
func writeNew(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file)
}
