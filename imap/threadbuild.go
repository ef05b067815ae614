package imap

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Threads arranges messages, in the order of their numbers, in threads. The result holds each of them once.
func Threads(algorithm ThreadAlgorithm, msgs []ThreadMessage) []Thread {
	if algorithm == ThreadOrderedSubject {
		return orderedSubject(msgs)
	}
	return byReferences(msgs)
}

// orderedSubject is ORDEREDSUBJECT: the first message with a subject is the parent of the others.
func orderedSubject(msgs []ThreadMessage) []Thread {
	order := make([]*ThreadMessage, len(msgs))
	for i := range msgs {
		order[i] = &msgs[i]
	}
	slices.SortStableFunc(order, func(a, b *ThreadMessage) int {
		return cmp.Or(a.Sent.Compare(b.Sent), cmp.Compare(a.Number, b.Number))
	})
	var out []Thread
	place := make(map[string]int, len(order))
	for _, m := range order {
		i, ok := place[m.Subject]
		if !ok {
			place[m.Subject] = len(out)
			out = append(out, Thread{Number: m.Number})
			continue
		}
		out[i].Children = append(out[i].Children, Thread{Number: m.Number})
	}
	return out
}

// A threadNode is a message in the tree of REFERENCES, or a dummy: a message that is only referred to.
type threadNode struct {
	msg      *ThreadMessage // nil: a dummy
	parent   *threadNode
	leaf     bool // no message has been made its child
	children []*threadNode
}

// byReferences is REFERENCES. The steps are those of RFC 5256 §3.
func byReferences(msgs []ThreadMessage) []Thread {
	roots := pruneThreads(linkReferences(msgs), true) // 1, 2, 3
	sortThreads(roots, false)                         // 4
	roots = mergeSubjects(roots)                      // 5
	sortThreads(roots, true)                          // 6
	return threadsOf(roots)
}

// linkReferences is step 1, and returns those without a parent.
func linkReferences(msgs []ThreadMessage) []*threadNode {
	byID := make(map[string]*threadNode, len(msgs))
	nodes := make([]*threadNode, 0, len(msgs))
	add := func(m *ThreadMessage) *threadNode {
		n := &threadNode{msg: m, leaf: true}
		nodes = append(nodes, n)
		return n
	}
	own := make([]*threadNode, len(msgs))
	for i := range msgs { // the first with an ID has it
		m := &msgs[i]
		own[i] = add(m)
		if m.ID != "" && byID[m.ID] == nil {
			byID[m.ID] = own[i]
		}
	}
	for i := range msgs {
		var before *threadNode
		for _, id := range msgs[i].References {
			n := byID[id]
			if n == nil {
				n = add(nil)
				byID[id] = n
			}
			if before != nil && n.parent == nil {
				n.adopt(before)
			}
			before = n
		}
		own[i].parent = nil
		if before != nil {
			own[i].adopt(before)
		}
	}
	var roots []*threadNode
	for _, n := range nodes {
		if n.parent == nil {
			roots = append(roots, n)
		} else {
			n.parent.children = append(n.parent.children, n)
		}
	}
	return roots
}

// maxAncestors is how many ancestors are looked at to find a loop; a longer line of them is broken there.
const maxAncestors = 1000

// adopt makes n a child of parent, unless that makes a loop.
func (n *threadNode) adopt(parent *threadNode) {
	if parent == n {
		return
	}
	if !n.leaf { // what has no children is no ancestor
		steps := 0
		for a := parent; a != nil; a = a.parent {
			if steps++; a == n || steps > maxAncestors {
				return
			}
		}
	}
	n.parent, parent.leaf = parent, false
}

// pruneThreads is step 3: dummies go, their children take their place; at the top only where it is one.
func pruneThreads(nodes []*threadNode, top bool) []*threadNode {
	var out []*threadNode
	for _, n := range nodes {
		n.children = pruneThreads(n.children, false)
		switch {
		case n.msg != nil || top && len(n.children) > 1:
			out = append(out, n)
		default:
			out = append(out, n.children...)
		}
	}
	return out
}

// first is the message that speaks for n: that of a dummy is its first child.
func (n *threadNode) first() *ThreadMessage {
	if n.msg == nil {
		return n.children[0].msg
	}
	return n.msg
}

// sortThreads sorts siblings by date, the children of dummies before the dummies; with deep, all children.
func sortThreads(nodes []*threadNode, deep bool) {
	for _, n := range nodes {
		if deep || n.msg == nil {
			sortThreads(n.children, deep)
		}
	}
	if len(nodes) < 2 {
		return
	}
	slices.SortStableFunc(nodes, func(a, b *threadNode) int {
		x, y := a.first(), b.first()
		return cmp.Or(x.Sent.Compare(y.Sent), cmp.Compare(x.Number, y.Number))
	})
}

// mergeSubjects is step 5.
func mergeSubjects(roots []*threadNode) []*threadNode {
	table := map[string]*threadNode{}
	for _, n := range roots {
		subject := n.first().Subject
		t := table[subject]
		if subject != "" && (t == nil || t.msg != nil && (n.msg == nil || t.msg.Reply && !n.msg.Reply)) {
			table[subject] = n
		}
	}
	merged := map[*threadNode]*threadNode{} // a message to the dummy in its place
	gone := map[*threadNode]bool{}
	for _, n := range roots {
		subject := n.first().Subject
		t := table[subject]
		if subject == "" || t == n || merged[n] != nil {
			continue
		}
		gone[n] = true
		switch {
		case t.msg == nil && n.msg == nil:
			t.children = append(t.children, n.children...)
		case t.msg == nil || n.msg != nil && n.msg.Reply && !t.msg.Reply:
			t.children = append(t.children, n)
		default:
			dummy := &threadNode{children: []*threadNode{t, n}}
			merged[t], table[subject] = dummy, dummy
		}
	}
	var out []*threadNode
	for _, n := range roots {
		switch {
		case merged[n] != nil:
			out = append(out, merged[n])
		case !gone[n]:
			out = append(out, n)
		}
	}
	return out
}

func threadsOf(nodes []*threadNode) []Thread {
	if len(nodes) == 0 {
		return nil
	}
	out := make([]Thread, len(nodes))
	for i, n := range nodes {
		if n.msg != nil {
			out[i].Number = n.msg.Number
		}
		out[i].Children = threadsOf(n.children)
	}
	return out
}

// baseSubject is BaseSubject. It reports whether what was removed tells of an answer or a forwarded message, and whether the
// base is in UTF-8.
func baseSubject(subject string) (base string, reply, unicode bool) {
	if n := maxBaseSubject; len(subject) > n {
		for n > maxBaseSubject-utf8.UTFMax && !utf8.RuneStart(subject[n]) {
			n--
		}
		subject = subject[:n]
	}
	s, unicode := decodeWords(subject)
	s = strings.Join(strings.Fields(s), " ")
	for {
		t := trimTrailers(s)
		reply = reply || len(t) < len(strings.TrimRight(s, " "))
		s = t
		for {
			rest := trimLeader(s)
			if rest == s {
				if rest = trimBlob(s); rest == "" {
					rest = s
				}
			} else if s[0] != ' ' {
				reply = true
			}
			if rest == s {
				break
			}
			s = rest
		}
		if len(s) < 6 || !strings.EqualFold(s[:5], "[fwd:") || s[len(s)-1] != ']' {
			return s, reply, unicode
		}
		s, reply = s[5:len(s)-1], true
	}
}
