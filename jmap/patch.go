package jmap

import (
	"maps"
	"slices"
	"strings"
)

// A Patch is a PatchObject (RFC 8620 §5.3): values by pointer, without the pointer's first "/". Null removes, or sets
// the default.
type Patch map[string]Raw

// A PatchEntry is one value of a Patch.
type PatchEntry struct {
	Path  Pointer // never empty
	Value Raw
}

// Entries returns the entries by ascending path. The error is a *SetError of type SetInvalidPatch: a path is no
// pointer, or the beginning of another.
func (p Patch) Entries() ([]PatchEntry, error) {
	out := make([]PatchEntry, 0, len(p))
	for _, key := range slices.Sorted(maps.Keys(p)) {
		path, err := ParsePointer("/" + key)
		if err != nil {
			return nil, invalidPatch(key, "is no JSON pointer")
		}
		out = append(out, PatchEntry{Path: path, Value: p[key]})
	}
	slices.SortFunc(out, func(a, b PatchEntry) int { return slices.Compare(a.Path, b.Path) })
	for i := 1; i < len(out); i++ {
		// Whatever begins with a path follows it directly.
		a, b := out[i-1].Path, out[i].Path
		if len(a) <= len(b) && slices.Equal(a, b[:len(a)]) {
			return nil, invalidPatch(strings.TrimPrefix(b.String(), "/"), "lies within another path of the patch")
		}
	}
	return out, nil
}

func invalidPatch(path, why string) *SetError {
	if len(path) > 80 {
		path = path[:80]
	}
	return &SetError{Type: SetInvalidPatch, Description: "path " + path + " " + why}
}

// Apply returns object with p applied. The error is a *SetError of type SetInvalidPatch: see Entries; or a path leads
// into an array, or through what is not there.
func (p Patch) Apply(object Raw) (Raw, error) {
	entries, err := p.Entries()
	if err != nil {
		return nil, err
	}
	return applyPatch(object, entries, 0)
}

// applyPatch applies entries, which agree in their first depth tokens, to the object there.
func applyPatch(object Raw, entries []PatchEntry, depth int) (Raw, error) {
	ms, err := object.members()
	if err != nil {
		path := ""
		if len(entries) > 0 {
			path = entries[0].Path.String()
		}
		return nil, invalidPatch(strings.TrimPrefix(path, "/"), "leads into what is no object")
	}
	at := make(map[string]int, len(ms))
	for i, m := range ms {
		at[m.name] = i
	}
	for len(entries) > 0 {
		e := entries[0]
		name := e.Path[depth]
		n := 1
		for n < len(entries) && entries[n].Path[depth] == name {
			n++
		}
		i, there := at[name]
		switch {
		case len(e.Path) > depth+1:
			if !there {
				return nil, invalidPatch(strings.TrimPrefix(e.Path.String(), "/"), "leads through what is not there")
			}
			if ms[i].value, err = applyPatch(ms[i].value, entries[:n], depth+1); err != nil {
				return nil, err
			}
		case e.Value.kind() == 'n':
			if there {
				ms[i].value = nil
			}
		case !there:
			ms = append(ms, member{name: name, value: e.Value})
		default:
			ms[i].value = e.Value
		}
		entries = entries[n:]
	}
	ms = slices.DeleteFunc(ms, func(m member) bool { return m.value == nil })
	return appendObject(nil, ms)
}
