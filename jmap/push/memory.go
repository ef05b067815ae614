package push

import (
	"context"
	"sync"

	"github.com/mailbricks/mailbricks/jmap"
)

// Memory is a SubscriptionStore that ends with the process. The zero Memory is empty.
type Memory struct {
	mu  sync.Mutex
	all map[memoryKey]jmap.Raw
}

type memoryKey struct {
	user string
	id   jmap.ID
}

// Subscriptions is SubscriptionStore's.
func (m *Memory) Subscriptions(context.Context) ([]*Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Subscription
	for _, b := range m.all {
		s := new(Subscription)
		if err := jmap.Unmarshal(b, s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// PutSubscription is SubscriptionStore's.
func (m *Memory) PutSubscription(_ context.Context, s *Subscription) error {
	b, err := jmap.Marshal(s)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = make(map[memoryKey]jmap.Raw)
	}
	clear(m.all[memoryKey{s.User, s.ID}])
	m.all[memoryKey{s.User, s.ID}] = b
	return nil
}

// DeleteSubscription is SubscriptionStore's.
func (m *Memory) DeleteSubscription(_ context.Context, user string, id jmap.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.all[memoryKey{user, id}])
	delete(m.all, memoryKey{user, id})
	return nil
}
