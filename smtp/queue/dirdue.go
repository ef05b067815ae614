package queue

import (
	"container/heap"
	"time"
)

// A dueQueue has the messages that are not claimed: of those that are due the highest priority comes first, then the longest
// due; of the others what is due first.
type dueQueue struct {
	ready dueHeap // due when it was looked at last
	later dueHeap
}

func newDueQueue() dueQueue { return dueQueue{ready: dueHeap{byPriority: true}} }

func (q *dueQueue) len() int { return len(q.ready.items) + len(q.later.items) }

func (q *dueQueue) push(it *item) { heap.Push(&q.later, it) }

// pop takes the next that is due at now, nil if there is none.
func (q *dueQueue) pop(now time.Time) *item {
	for len(q.later.items) > 0 && !q.later.items[0].due.After(now) {
		heap.Push(&q.ready, heap.Pop(&q.later))
	}
	for len(q.ready.items) > 0 {
		it := heap.Pop(&q.ready).(*item)
		if !it.due.After(now) {
			return it
		}
		q.push(it) // the clock was put back
	}
	return nil
}

// next is when the first is due, the zero Time if there is none.
func (q *dueQueue) next() time.Time {
	for _, h := range []*dueHeap{&q.ready, &q.later} {
		if len(h.items) > 0 {
			return h.items[0].due
		}
	}
	return time.Time{}
}

// hasten makes a message due at now.
func (q *dueQueue) hasten(it *item, now time.Time) {
	if it.due = now; it.ready {
		heap.Fix(&q.ready, it.pos)
	} else {
		heap.Fix(&q.later, it.pos)
	}
}

// hastenAll does so with all.
func (q *dueQueue) hastenAll(now time.Time) {
	for _, h := range []*dueHeap{&q.ready, &q.later} {
		for _, it := range h.items {
			it.due = now
		}
		heap.Init(h)
	}
}

// A dueHeap has on top what is due first, or what has the highest priority.
type dueHeap struct {
	items      []*item
	byPriority bool
}

func (h *dueHeap) Len() int { return len(h.items) }

func (h *dueHeap) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	if h.byPriority && a.priority != b.priority {
		return a.priority > b.priority
	}
	return a.due.Before(b.due)
}

func (h *dueHeap) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].pos, h.items[j].pos = i, j
}

func (h *dueHeap) Push(x any) {
	it := x.(*item)
	it.pos, it.ready = len(h.items), h.byPriority
	h.items = append(h.items, it)
}

func (h *dueHeap) Pop() any {
	last := len(h.items) - 1
	it := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	it.pos = -1
	return it
}
