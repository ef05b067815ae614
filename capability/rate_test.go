package capability

import (
	"errors"
	"testing"
	"time"
)

func TestRateText(t *testing.T) {
	for _, r := range []Rate{{}, {1, time.Second}, {10, 24 * time.Hour}, {MaxRateCount, MaxRatePeriod}} {
		if got, err := ParseRate(r.String()); err != nil || got != r || rateOf(r.number()) != r {
			t.Errorf("%v: %v, %v", r, got, err)
		}
	}
	for _, s := range []string{"1", "/", "0/1s", "1/0s", "1/-1s", "-1/1s", "1001/1s", "1/500ms", "1/16777216s", "1/1s/1s", "1/ 1s", "x/1s", "0/0s", "4294967297/1s"} {
		if r, err := ParseRate(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v", s, r, err)
		}
	}
	for c := range Bulk + 1 {
		if got, err := ParseClass(c.String()); err != nil || got != c {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	for _, s := range []string{"Bulk", "Class(9)", "any"} {
		if _, err := ParseClass(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestRateWithin: a rate is within another only if no sequence of messages that keeps to it breaks the other. The densest one
// is all at the beginning of each time.
func TestRateWithin(t *testing.T) {
	within := 0
	for c := uint32(1); c <= 6; c++ {
		for p := 1; p <= 6; p++ {
			for oc := uint32(1); oc <= 12; oc++ {
				for op := 1; op <= 12; op++ {
					inner, outer := Rate{c, time.Duration(p) * time.Second}, Rate{oc, time.Duration(op) * time.Second}
					most := uint32(0)
					for at := 0; at < op; at += p { // in the half-open time of outer from 0
						most += c
					}
					if got := inner.within(outer); got != (most <= oc) {
						t.Errorf("%v within %v: %v, at most %d", inner, outer, got, most)
					} else if got {
						within++
					}
				}
			}
		}
	}
	if within == 0 || (Rate{}).within(Rate{1, time.Second}) || !(Rate{1, time.Second}).within(Rate{}) {
		t.Error(within)
	}
}

// TestRateForm: a block has one form for a rate and for a class, and none for what is no rate.
func TestRateForm(t *testing.T) {
	g := shop()
	g.Rate, g.Class = Rate{10, 24 * time.Hour}, Transactional
	tok := issue(t, g)
	if got, err := ParseToken(tok.String()); err != nil || got.Grant().Rate != g.Rate || got.Grant().Class != g.Class {
		t.Errorf("%+v, %v", got.Grant(), err)
	}
	for _, l := range []Limits{{Rate: Rate{Count: 1}}, {Rate: Rate{Per: time.Second}}, {Rate: Rate{1, time.Millisecond}}, {Rate: Rate{1 << 30, time.Hour}}, {Rate: Rate{1, -time.Hour}}, {Class: 4}} {
		if _, err := tok.Attenuate(l); !errors.Is(err, ErrSyntax) {
			t.Errorf("%+v: %v", l, err)
		}
		g := shop()
		g.Rate, g.Class = l.Rate, l.Class
		if _, err := Issue(g, private()); !errors.Is(err, ErrSyntax) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for _, l := range []Limits{{Rate: Rate{11, 24 * time.Hour}}, {Rate: Rate{10, 12 * time.Hour}}, {Class: Bulk}} {
		if _, err := tok.Attenuate(l); !errors.Is(err, ErrWidened) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	narrow, err := tok.Attenuate(Limits{Rate: Rate{1, 3 * time.Hour}, Class: Personal})
	if err != nil || len(narrow.counters()) != 3 {
		t.Errorf("%v, %v", narrow.counters(), err)
	}
	base := appendBlock(nil, shop())
	for _, b := range [][]byte{{tagRate, 3, 1, 0, 0}, {tagRate, 4, 1, 0, 0, 0}, {tagRate, 8, 1, 0, 0, 0, 0, 0, 0, 1}, {tagRate, 5, 4, 0, 0, 0, 1}, {tagClass, 1, 4}, {tagClass, 1, 0}, {tagClass, 1, 1, tagRate, 4, 1, 0, 0, 1}, {tagEnd, 1, 1}} {
		if g, err := parseBlock(append(base[:len(base):len(base)], b...), true); !errors.Is(err, ErrSyntax) {
			t.Errorf("%v: %+v, %v", b, g, err)
		}
	}
}
