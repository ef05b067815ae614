package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRun measures two rows for real: every implementation checks what it computes.
func TestRun(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "p.svg")
	var out bytes.Buffer
	if err := run([]string{"-run", "dkim (verify|sign) ed25519 4 KiB$", "-rounds", "2", "-o", svg}, &out); err != nil {
		t.Fatal(err)
	}
	table := out.String()
	for _, want := range []string{"2 rounds", "| dkim verify ed25519 4 KiB | mailbricks |", "| dkim sign ed25519 4 KiB | mailbricks |", "| go-msgauth", "| crypto alone |"} {
		if !strings.Contains(table, want) {
			t.Errorf("table has no %q:\n%s", want, table)
		}
	}
	b, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	checkXML(t, b)
	if n := bytes.Count(b, []byte("<circle")); n != 4 {
		t.Errorf("%d points, want 4", n)
	}
	for _, args := range [][]string{{"-run", "no such row"}, {"-rounds", "0"}, {"-run", "("}, {"extra"}} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func checkXML(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMeasure interleaves the implementations, divides by the operations, and hands errors on.
func TestMeasure(t *testing.T) {
	var clock time.Duration
	var order []string
	work := func(name string, cost time.Duration) impl {
		return impl{name: name, cpu: func() (time.Duration, error) { return clock, nil }, start: func() (func() error, error) {
			return func() error {
				clock += cost
				if len(order) == 0 || order[len(order)-1] != name {
					order = append(order, name)
				}
				return nil
			}, nil
		}}
	}
	res, err := measure(t.Context(), []row{{"work", []impl{work("a", 10*time.Millisecond), work("b", 30*time.Millisecond)}}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "a", "b", "a", "b"}; !slices.Equal(order[:2], want[:2]) || len(order) < 5 {
		t.Errorf("order %q", order)
	}
	if q := res[0].ratio(1); q.median < 2.999 || q.median > 3.001 || q.least > q.greatest {
		t.Errorf("%+v", q)
	}
	broken := errors.New("broken")
	for _, im := range []impl{
		{name: "no start", start: func() (func() error, error) { return nil, broken }},
		{name: "no op", start: func() (func() error, error) { return func() error { return broken }, nil }},
		{name: "no clock", start: func() (func() error, error) { return func() error { return nil }, nil }, cpu: func() (time.Duration, error) { return 0, broken }},
	} {
		if _, err := measure(t.Context(), []row{{"work", []impl{im}}}, 1); !errors.Is(err, broken) {
			t.Errorf("%s: %v", im.name, err)
		}
	}
	still := impl{name: "still", start: func() (func() error, error) { return func() error { return nil }, nil }, cpu: func() (time.Duration, error) { return 0, nil }}
	if _, err := measure(t.Context(), []row{{"work", []impl{still}}}, 1); err == nil {
		t.Error("a clock that stands still is not found out")
	}
}

func TestNumbers(t *testing.T) {
	if q := quantilesOf([]float64{5, 1, 4, 2, 3}); q != (quantiles{1, 2, 3, 4, 5}) {
		t.Errorf("%+v", q)
	}
	if q := quantilesOf([]float64{7}); q != (quantiles{7, 7, 7, 7, 7}) {
		t.Errorf("%+v", q)
	}
	for in, want := range map[float64]string{0.0000336: "33.6µs", 0.00102: "1.02ms", 0.0227: "22.7ms", 1.5: "1.5s", 0: "0", 0.0000000005: "0"} {
		if got := duration(in); got != want {
			t.Errorf("%g: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[float64]string{21.4: "21", 5.774: "5.77", 0.3: "0.30", 0.0123: "0.012"} {
		if got := number(in); got != want {
			t.Errorf("%g: %s, want %s", in, got, want)
		}
	}
	if got := ticks(0.3, 8); !slices.Equal(got, []float64{0.2, 0.5, 1, 2, 5, 10}) {
		t.Errorf("%g", got)
	}
	if got := ticks(1, 10); !slices.Equal(got, []float64{1, 2, 5, 10}) {
		t.Errorf("%g", got)
	}
}
