package nats

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
)

// ChannelStore is a channel.Store in a bucket of keys and values. What a call did is as durable, when it returns, as the
// server's sync_interval says: set it to "always". List reads the channels of the owner one by one.
type ChannelStore struct{ docs documents }

// OpenChannels opens or makes the bucket, with so many replicas.
func OpenChannels(ctx context.Context, js jetstream.JetStream, bucket string, replicas int) (*ChannelStore, error) {
	docs, err := openDocuments(ctx, js, bucket, replicas)
	if err != nil {
		return nil, err
	}
	return &ChannelStore{docs}, nil
}

func channelKey(id capability.ID) string { return "channel." + id.String() }

// An owner's channels are found by empty documents, which may name a channel that is not there, or is another's.
func ownerKey(owner, id string) string { return "owner." + hashed(strings.ToLower(owner)) + "." + id }

// Add implements channel.Store.
func (s *ChannelStore) Add(ctx context.Context, c channel.Channel) error {
	if c.ID == (capability.ID{}) || c.Owner == "" {
		return fmt.Errorf("%w: no id or no owner", channel.ErrChannel)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := s.docs.put(ctx, ownerKey(c.Owner, c.ID.String()), struct{}{}, 0); err != nil {
		return err
	}
	added, err := s.docs.put(ctx, channelKey(c.ID), c, 0)
	if err == nil && !added {
		return channel.ErrExists
	}
	return err
}

// Get implements channel.Store.
func (s *ChannelStore) Get(ctx context.Context, id capability.ID) (channel.Channel, error) {
	var c channel.Channel
	revision, err := s.docs.get(ctx, channelKey(id), &c)
	if err == nil && revision == 0 {
		err = channel.ErrUnknown
	}
	return c, err
}

// Update implements channel.Store.
func (s *ChannelStore) Update(ctx context.Context, id capability.ID, do func(*channel.Channel) error) (channel.Channel, error) {
	var out channel.Channel
	err := change(ctx, s.docs, channelKey(id), func(c *channel.Channel, found bool) (bool, error) {
		if !found {
			return false, channel.ErrUnknown
		}
		owner := c.Owner
		if err := do(c); err != nil {
			return false, err
		}
		if c.ID != id || c.Owner != owner {
			return false, fmt.Errorf("%w: id or owner changed", channel.ErrChannel)
		}
		out = *c
		return true, nil
	})
	if err != nil {
		return channel.Channel{}, err
	}
	return out, nil
}

// List implements channel.Store.
func (s *ChannelStore) List(ctx context.Context, owner string) iter.Seq2[channel.Channel, error] {
	return func(yield func(channel.Channel, error) bool) {
		all, err := s.list(ctx, owner)
		if err != nil {
			yield(channel.Channel{}, err)
			return
		}
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (s *ChannelStore) list(ctx context.Context, owner string) ([]channel.Channel, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys, err := s.docs.kv.ListKeysFiltered(ctx, ownerKey(owner, "*"))
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	var ids []string
	for key := range keys.Keys() {
		ids = append(ids, key[strings.LastIndexByte(key, '.')+1:])
	}
	if err := ctx.Err(); err != nil { // the keys may be some of them
		return nil, err
	}
	var all []channel.Channel
	for _, text := range ids {
		id, err := capability.ParseID(text)
		if err != nil {
			return nil, fmt.Errorf("nats: key of %s: %w", owner, err)
		}
		c, err := s.Get(ctx, id)
		if errors.Is(err, channel.ErrUnknown) {
			continue // Add ended between its two steps
		}
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(c.Owner, owner) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b channel.Channel) int {
		if n := b.LastUse.Compare(a.LastUse); n != 0 {
			return n
		}
		return strings.Compare(a.Address, b.Address)
	})
	return all, nil
}
