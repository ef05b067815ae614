package main

import (
	"fmt"
	"html"
	"math"
)

// Measures of the plot, in pixels.
const (
	plotLeft   = 270 // where the axis begins; row names stand left of it
	plotWidth  = 560
	plotRight  = 120 // room for the last label
	plotTop    = 78
	plotLine   = 19 // one implementation
	plotGap    = 9  // between rows
	plotBottom = 44
)

// appendPlot appends an SVG picture: for each row, how many times our CPU time the others take, on a logarithmic axis.
// The point is the median over the rounds, the bar the whole range.
func appendPlot(dst []byte, results []result, caption string) []byte {
	height := plotTop + plotBottom
	lo, hi := 0.5, 2.0
	for _, r := range results {
		height += plotGap + plotLine*max(1, len(r.row.impls)-1)
		for i := 1; i < len(r.row.impls); i++ {
			q := r.ratio(i)
			lo, hi = min(lo, q.least), max(hi, q.greatest)
		}
	}
	marks := ticks(lo, hi)
	lo, hi = marks[0], marks[len(marks)-1]
	x := func(ratio float64) float64 {
		return plotLeft + plotWidth*(math.Log10(ratio)-math.Log10(lo))/(math.Log10(hi)-math.Log10(lo))
	}
	width := plotLeft + plotWidth + plotRight
	dst = fmt.Appendf(dst, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">`+"\n",
		width, height, width, height)
	dst = fmt.Appendf(dst, `<title>CPU time of peers relative to mailbricks</title><rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	dst = fmt.Appendf(dst, `<text x="16" y="24" font-size="15" font-weight="600">CPU time for the same work: how many times that of mailbricks</text>`+"\n")
	dst = fmt.Appendf(dst, `<text x="16" y="44" fill="#59636e">%s</text>`+"\n", html.EscapeString(caption))
	bottom := height - plotBottom
	for _, tick := range marks {
		stroke, dash := "#d1d9e0", ` stroke-dasharray="2 3"`
		if tick == 1 {
			stroke, dash = "#1f2328", ""
		}
		dst = fmt.Appendf(dst, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"%s/><text x="%.1f" y="%d" text-anchor="middle">%g×</text>`+"\n",
			x(tick), plotTop-8, x(tick), bottom, stroke, dash, x(tick), bottom+16, tick)
	}
	dst = fmt.Appendf(dst, `<text x="%.1f" y="%d" text-anchor="middle" fill="#59636e">mailbricks takes longer ←</text><text x="%.1f" y="%d" fill="#59636e">→ mailbricks is faster</text>`+"\n",
		x(math.Sqrt(lo)), plotTop-14, x(1)+8, plotTop-14)
	y := plotTop
	for _, r := range results {
		n := max(1, len(r.row.impls)-1)
		dst = fmt.Appendf(dst, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLeft-12, y+plotLine*n/2+4, html.EscapeString(r.row.name))
		for i := 1; i < len(r.row.impls); i++ {
			dst = appendPoint(dst, r.row.impls[i], r.ratio(i), x, y+plotLine/2)
			y += plotLine
		}
		y += plotGap
	}
	dst = fmt.Appendf(dst, `<text x="16" y="%d" fill="#59636e">Point: median of the rounds. Bar: least to greatest. Hollow: a bound, not a peer.</text>`+"\n", height-10)
	return append(dst, "</svg>\n"...)
}

// appendPoint draws one implementation.
func appendPoint(dst []byte, im impl, q quantiles, x func(float64) float64, y int) []byte {
	color, fill := "#0969da", "#0969da"
	if im.floor {
		color, fill = "#6e7781", "#ffffff"
	}
	dst = fmt.Appendf(dst, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-width="3" stroke-opacity="0.45"/>`, x(q.least), y, x(q.greatest), y, color)
	dst = fmt.Appendf(dst, `<circle cx="%.1f" cy="%d" r="4" fill="%s" stroke="%s" stroke-width="1.5"/>`, x(q.median), y, fill, color)
	return fmt.Appendf(dst, `<text x="%.1f" y="%d" fill="%s" stroke="#ffffff" stroke-width="3" paint-order="stroke">%s %s×</text>`+"\n", max(x(q.greatest), x(q.median)+4)+7, y+4, color,
		html.EscapeString(im.name), number(q.median))
}

// ticks are the marks of an axis that shows lo to hi: 1, 2 and 5 times the powers of ten, one below lo and one above hi
// included.
func ticks(lo, hi float64) []float64 {
	var out []float64
	for e := math.Floor(math.Log10(lo)); ; e++ {
		for _, m := range []float64{1, 2, 5} {
			t := m * math.Pow(10, e)
			if t <= lo {
				out = out[:0]
			}
			out = append(out, t)
			if t >= hi {
				return out
			}
		}
	}
}
