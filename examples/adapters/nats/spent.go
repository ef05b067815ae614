package nats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// MaxLife is how long a SpentStore remembers a stamp, and so the furthest expiry that it takes: more than the 30 days of
// a stamp of today, or of one dated two days ahead.
const MaxLife = 35 * 24 * time.Hour

// SpentStore is a hashcash.SpentStore in a bucket of keys and values. When Spend returns true, the stamp is as durable as
// the server's sync_interval says: set it to "always".
type SpentStore struct {
	kv  jetstream.KeyValue
	now func() time.Time
}

// OpenSpent opens or makes the bucket, with so many replicas. now is the clock; nil is time.Now. The server forgets by its
// own clock.
func OpenSpent(ctx context.Context, js jetstream.JetStream, bucket string, replicas int, now func() time.Time) (*SpentStore, error) {
	if now == nil {
		now = time.Now
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, TTL: MaxLife, History: 1, Replicas: replicas, Storage: jetstream.FileStorage})
	if err != nil {
		return nil, fmt.Errorf("nats: bucket %s: %w", bucket, err)
	}
	return &SpentStore{kv: kv, now: now}, nil
}

// Spend implements hashcash.SpentStore. An expiry further than MaxLife is an error.
func (s *SpentStore) Spend(ctx context.Context, stamp string, expires time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if life := expires.Sub(s.now()); life > MaxLife {
		return false, fmt.Errorf("nats: expiry in %s, the bucket remembers for %s", life, MaxLife)
	}
	sum := sha256.Sum256([]byte(stamp)) // keys have an alphabet of their own
	_, err := s.kv.Create(ctx, hex.EncodeToString(sum[:]), []byte(strconv.FormatInt(expires.Unix(), 10)))
	switch {
	case errors.Is(err, jetstream.ErrKeyExists):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("nats: %w", err)
	}
	return true, nil
}
