package jmap_test

import (
	"math"
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
)

func TestPage(t *testing.T) {
	all := []jmap.ID{"a", "b", "c", "d", "e"}
	type req = jmap.QueryRequest[struct{}, struct{}, jmap.NoArgs]
	for _, c := range []struct {
		name string
		r    req
		at   uint
		want []jmap.ID
	}{
		{"all", req{}, 0, all},
		{"position", req{Position: 2}, 2, all[2:]},
		{"position and limit", req{Position: 1, Limit: new(uint(2))}, 1, all[1:3]},
		{"limit 0", req{Limit: new(uint(0))}, 0, nil},
		{"limit beyond", req{Limit: new(uint(math.MaxUint))}, 0, all},
		{"position beyond", req{Position: 9}, 9, nil},
		{"negative", req{Position: -2}, 3, all[3:]},
		{"negative beyond", req{Position: -9}, 0, all},
		{"smallest", req{Position: math.MinInt}, 0, all},
		{"anchor", req{Anchor: "c"}, 2, all[2:]},
		{"anchor, position ignored", req{Anchor: "c", Position: 4}, 2, all[2:]},
		{"anchor before", req{Anchor: "c", AnchorOffset: -1}, 1, all[1:]},
		{"anchor after", req{Anchor: "c", AnchorOffset: 1}, 3, all[3:]},
		{"anchor before the beginning", req{Anchor: "c", AnchorOffset: -9}, 0, all},
		{"anchor beyond the end", req{Anchor: "c", AnchorOffset: 9}, 11, nil},
		{"anchor far beyond the end", req{Anchor: "c", AnchorOffset: math.MaxInt}, math.MaxInt, nil},
		{"offset without anchor", req{AnchorOffset: 3}, 0, all},
	} {
		c.r.CalculateTotal = true
		got, err := jmap.Page(&c.r, all)
		if err != nil || got.Position != c.at || !slices.Equal(got.IDs, c.want) || *got.Total != 5 {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if _, err := jmap.Page(&req{Anchor: "z"}, all); !jmap.IsMethodError(err, jmap.AnchorNotFound) {
		t.Errorf("anchor not there: %v", err)
	}
}
