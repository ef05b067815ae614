package mailstore

import (
	linked "container/list"
	"sync"
)

// A cache keeps values up to so many octets; the least recently used go first, the latest never. What is in it never changes: a value that
// has become old is replaced.
type cache struct {
	most int64

	mu    sync.Mutex
	size  int64
	order linked.List // of *cached, the latest first
	items map[cacheKey]*linked.Element
}

// A cacheKey is what and whose.
type cacheKey struct {
	kind cacheKind
	id   int64
}

type cacheKind uint8

const (
	cachedIndex   cacheKind = iota // *index of a mailbox
	cachedDetails                  // *details of an email
	cachedBytes                    // []byte of an email that is no file
	cachedSummary                  // *mail.Summary of an email
	cachedRecord                   // *cachedEmail of an email
	cachedList                     // *cachedWindow of a mailbox
	cachedBox                      // *boxNow of a mailbox
)

type cached struct {
	key   cacheKey
	value any
	size  int64
}

func newCache(most int64) *cache {
	return &cache{most: most, items: make(map[cacheKey]*linked.Element)}
}

// get returns the value of a key, nil if there is none.
func (c *cache) get(kind cacheKind, id int64) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[cacheKey{kind, id}]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).value
}

// put keeps a value of so many octets, alone if need be.
func (c *cache) put(kind cacheKind, id int64, value any, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{kind, id}
	if e, ok := c.items[key]; ok {
		c.remove(e)
	}
	c.items[key] = c.order.PushFront(&cached{key, value, size})
	for c.size += size; c.size > c.most && c.order.Len() > 1; {
		c.remove(c.order.Back())
	}
}

// drop removes what has become useless.
func (c *cache) drop(kind cacheKind, id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[cacheKey{kind, id}]; ok {
		c.remove(e)
	}
}

func (c *cache) remove(e *linked.Element) {
	x := c.order.Remove(e).(*cached)
	delete(c.items, x.key)
	c.size -= x.size
}
