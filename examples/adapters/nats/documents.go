package nats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// documents are values of a bucket in JSON, each changed in one step. Their keys are k.name.
type documents struct{ kv jetstream.KeyValue }

func openDocuments(ctx context.Context, js jetstream.JetStream, bucket string, replicas int) (documents, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, History: 1, Replicas: replicas, Storage: jetstream.FileStorage})
	if err != nil {
		return documents{}, fmt.Errorf("nats: bucket %s: %w", bucket, err)
	}
	return documents{kv}, nil
}

// get reads a document into v, and returns its revision: 0, and v as it was, if there is none.
func (d documents) get(ctx context.Context, key string, v any) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	e, err := d.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("nats: %w", err)
	}
	if err := json.Unmarshal(e.Value(), v); err != nil {
		return 0, fmt.Errorf("nats: %s: %w", key, err)
	}
	return e.Revision(), nil
}

// put keeps v where the document is at that revision, 0 for none yet. false: it is at another.
func (d documents) put(ctx context.Context, key string, v any, revision uint64) (bool, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	if revision == 0 {
		_, err = d.kv.Create(ctx, key, text)
	} else {
		_, err = d.kv.Update(ctx, key, text, revision)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyExists): // of Update too: the last sequence is another
		return false, nil
	case err != nil:
		return false, fmt.Errorf("nats: %w", err)
	}
	return true, nil
}

// change lets decide make a document of what it was, an empty T at first, and keeps it unless decide returns false or an
// error. decide is called anew when another was faster.
func change[T any](ctx context.Context, d documents, key string, decide func(v *T, found bool) (bool, error)) error {
	for {
		var v T
		revision, err := d.get(ctx, key, &v)
		if err != nil {
			return err
		}
		if keep, err := decide(&v, revision > 0); err != nil || !keep {
			return err
		}
		if done, err := d.put(ctx, key, v, revision); done || err != nil {
			return err
		}
	}
}

// hashed is a name in the alphabet of keys.
func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}
