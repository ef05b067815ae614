package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// sampleTime is the CPU time that one sample should take.
const sampleTime = 30 * time.Millisecond

// maxOps is how many operations a sample has at most: a clock that stands still is found out.
const maxOps = 1 << 22

// A sample is what one round of one implementation took, per operation.
type sample struct {
	cpu    float64 // seconds
	allocs float64
	bytes  float64
}

// A result is one row measured: samples[i][r] is implementation i in round r.
type result struct {
	row     row
	samples [][]sample
}

// A running impl is one that has been started and calibrated.
type running struct {
	impl
	op func() error
	n  int // operations a sample
}

// processCPU returns the CPU time of this process.
func processCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// processMemory returns the allocations of this process so far.
func processMemory() (mallocs, size uint64, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs, m.TotalAlloc, nil
}

// measure runs all rows for so many rounds, or until ctx is done; the first round is always whole.
func measure(ctx context.Context, rows []row, rounds int) ([]result, error) {
	results := make([]result, len(rows))
	works := make([][]*running, len(rows))
	for i, r := range rows {
		results[i] = result{row: r, samples: make([][]sample, len(r.impls))}
		for _, im := range r.impls {
			w, err := begin(im)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", r.name, im.name, err)
			}
			if im.stop != nil {
				defer im.stop()
			}
			works[i] = append(works[i], w)
		}
	}
	for round := range rounds {
		for i := range rows {
			if round > 0 && ctx.Err() != nil {
				return results, nil
			}
			for k := range works[i] {
				j := (k + round) % len(works[i]) // nobody is always first
				s, err := works[i][j].sample()
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", rows[i].name, works[i][j].name, err)
				}
				results[i].samples[j] = append(results[i].samples[j], s)
			}
		}
	}
	return results, nil
}

// begin starts an implementation, checks it once, and finds how many operations make a sample.
func begin(im impl) (*running, error) {
	if im.cpu == nil {
		im.cpu = processCPU
	}
	if im.memory == nil {
		im.memory = processMemory
	}
	op, err := im.start()
	if err != nil {
		return nil, err
	}
	w := &running{impl: im, op: op, n: 1}
	for {
		s, err := w.sample()
		if err != nil {
			return nil, err
		}
		took := s.cpu * float64(w.n)
		if took >= sampleTime.Seconds()/4 {
			w.n = max(1, int(sampleTime.Seconds()/s.cpu))
			return w, nil
		}
		if w.n *= 4; w.n > maxOps {
			return nil, fmt.Errorf("%d operations took %s of CPU time", maxOps, duration(took))
		}
	}
}

// sample does the operations of one sample.
func (w *running) sample() (sample, error) {
	runtime.GC()
	mallocs0, size0, err := w.memory()
	if err != nil {
		return sample{}, err
	}
	t0, err := w.cpu()
	if err != nil {
		return sample{}, err
	}
	for range w.n {
		if err := w.op(); err != nil {
			return sample{}, err
		}
	}
	t1, err := w.cpu()
	if err != nil {
		return sample{}, err
	}
	mallocs1, size1, err := w.memory()
	if err != nil {
		return sample{}, err
	}
	n := float64(w.n)
	return sample{
		cpu:    (t1 - t0).Seconds() / n,
		allocs: float64(mallocs1-mallocs0) / n,
		bytes:  float64(size1-size0) / n,
	}, nil
}

// quantiles are the least, the quartiles and the greatest of some numbers.
type quantiles struct{ least, low, median, high, greatest float64 }

// quantilesOf interpolates between the neighbours.
func quantilesOf(x []float64) quantiles {
	x = slices.Sorted(slices.Values(x))
	at := func(q float64) float64 {
		pos := q * float64(len(x)-1)
		i := int(pos)
		if i+1 == len(x) {
			return x[i]
		}
		return x[i] + (pos-float64(i))*(x[i+1]-x[i])
	}
	return quantiles{x[0], at(.25), at(.5), at(.75), x[len(x)-1]}
}

// of returns the quantiles of one number of implementation i.
func (r result) of(i int, number func(sample) float64) quantiles {
	x := make([]float64, len(r.samples[i]))
	for k, s := range r.samples[i] {
		x[k] = number(s)
	}
	return quantilesOf(x)
}

// ratio returns the quantiles of implementation i's CPU time over ours, both of the same round.
func (r result) ratio(i int) quantiles {
	x := make([]float64, len(r.samples[i]))
	for k, s := range r.samples[i] {
		x[k] = s.cpu / r.samples[0][k].cpu
	}
	return quantilesOf(x)
}
