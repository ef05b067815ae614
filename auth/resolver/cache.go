package resolver

import (
	"container/list"
	"sync"
	"time"
)

type cacheKey struct {
	name  string
	qtype uint16
}

type cacheEntry struct {
	key     cacheKey
	answer  answer
	expires time.Time
}

// cache keeps a bounded number of answers, dropping the one not asked for the longest.
type cache struct {
	mu      sync.Mutex
	size    int
	entries map[cacheKey]*list.Element // of *cacheEntry
	recent  *list.List                 // the most recently used in front
}

func newCache(size int) *cache {
	return &cache{size: size, entries: map[cacheKey]*list.Element{}, recent: list.New()}
}

func (c *cache) get(key cacheKey) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return answer{}, false
	}
	e := el.Value.(*cacheEntry)
	if !time.Now().Before(e.expires) {
		c.drop(el)
		return answer{}, false
	}
	c.recent.MoveToFront(el)
	return e.answer, true
}

func (c *cache) put(key cacheKey, a answer) {
	if c.size <= 0 || a.ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.entries[key]; ok {
		c.drop(el)
	}
	for len(c.entries) >= c.size {
		c.drop(c.recent.Back())
	}
	c.entries[key] = c.recent.PushFront(&cacheEntry{key, a, time.Now().Add(a.ttl)})
}

func (c *cache) drop(el *list.Element) {
	delete(c.entries, el.Value.(*cacheEntry).key)
	c.recent.Remove(el)
}
