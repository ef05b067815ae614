package backoff

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	s := Schedule{Steps: []time.Duration{time.Second, 5 * time.Second, time.Minute}}
	for failures, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 5 * time.Second, 3: time.Minute, 4: time.Minute, math.MaxInt: time.Minute} {
		if got := s.Delay(failures, rand.Float64); got != want {
			t.Errorf("%d: %v, want %v", failures, got, want)
		}
	}
	if got := (Schedule{}).Delay(3, rand.Float64); got != 0 {
		t.Errorf("empty: %v", got)
	}
}

func TestJitter(t *testing.T) {
	s := Schedule{Steps: []time.Duration{time.Hour}, Jitter: 0.25}
	for random, want := range map[float64]time.Duration{0: 45 * time.Minute, 0.5: time.Hour, 0.75: 67*time.Minute + 30*time.Second} {
		if got := s.Delay(1, func() float64 { return random }); got != want {
			t.Errorf("%v: %v, want %v", random, got, want)
		}
	}
	if got := s.Delay(1, nil); got != time.Hour {
		t.Errorf("no randomness: %v", got)
	}
	a, b := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		x, y := s.Delay(1, a.Float64), s.Delay(1, b.Float64)
		if x != y || x < 45*time.Minute || x > 75*time.Minute {
			t.Fatalf("%v %v", x, y)
		}
	}
}

func TestExponential(t *testing.T) {
	got := Exponential(time.Minute, 10*time.Minute).Steps
	want := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := Exponential(time.Hour, time.Minute).Steps; !slices.Equal(got, []time.Duration{time.Minute}) {
		t.Errorf("first beyond limit: %v", got)
	}
	if got := Exponential(0, math.MaxInt64).Steps; len(got) != 63 || got[62] != math.MaxInt64 {
		t.Errorf("overflow: %d steps", len(got))
	}
}
