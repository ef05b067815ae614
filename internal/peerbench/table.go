package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// writeTable writes the results as one table in Markdown.
func writeTable(w io.Writer, results []result) error {
	var b strings.Builder
	b.WriteString("| work | implementation | CPU per operation | times ours (middle half) | allocations | allocated |\n|---|---|---:|---:|---:|---:|\n")
	for _, r := range results {
		for i, im := range r.row.impls {
			name, ratio := r.row.name, ""
			if i > 0 {
				name = ""
				q := r.ratio(i)
				ratio = fmt.Sprintf("%s (%s to %s)", number(q.median), number(q.low), number(q.high))
			}
			allocs := r.of(i, func(s sample) float64 { return s.allocs }).median
			bytes := r.of(i, func(s sample) float64 { return s.bytes }).median
			memory := fmt.Sprintf("%.0f | %s", allocs, octets(bytes))
			if im.program {
				memory = " | "
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, im.name,
				duration(r.of(i, func(s sample) float64 { return s.cpu }).median), ratio, memory)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// number prints a ratio with two or three digits.
func number(x float64) string {
	switch {
	case x >= 9.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 0.095:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// duration prints seconds with three digits.
func duration(s float64) string {
	d := time.Duration(s * 1e9)
	if d <= 0 {
		return "0"
	}
	unit := math.Pow10(max(0, int(math.Log10(float64(d)))-2))
	return d.Round(time.Duration(unit)).String()
}

// octets prints an amount of memory.
func octets(n float64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", n/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.0f B", n)
}
