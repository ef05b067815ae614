package floors

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// columns are the families of the picture, from left to right.
var columns = []struct {
	title    string
	families []string
}{
	{"smtp", []string{"smtp"}},
	{"imap", []string{"imap"}},
	{"jmap", []string{"jmap"}},
	{"auth", []string{"auth"}},
	{"dkim, spf, dmarc", []string{"dkim", "spf", "dmarc"}},
	{"mtasts", []string{"mtasts"}},
	{"hashcash", []string{"hashcash"}},
	{"capability", []string{"capability"}},
}

// captions say what a floor is, from floor 0 up.
var captions = []string{"leaves", "grammar", "dialogues", "assemblies", "on top"}

// Sizes of the picture in SVG units.
const (
	margin, labelWidth   = 12, 118
	columnWidth, boxGap  = 124, 6
	boxHeight, floorGap  = 22, 16
	titleHeight, rounded = 30, 5
)

const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #1d2733 }
.title { font-weight: 600 } .caption { fill: #5a6877 }
.floor { fill: #f3f6f9 } .box { fill: #fff; stroke: #5b7c99 } .root { fill: #dcebf7; stroke: #2f6f9f }
.later { stroke-dasharray: 4 3; fill: none; stroke: #9aa8b5 } .dim { fill: #7c8a98 }
@media (prefers-color-scheme: dark) {
text { fill: #dfe7ef } .caption { fill: #9fb0c0 } .floor { fill: #18212b } .box { fill: #223040; stroke: #6f93b3 }
.root { fill: #1f4663; stroke: #6fb1e0 } .later { stroke: #55677a; fill: none } .dim { fill: #8497a9 }
}
</style>
`

// Picture draws the table as an SVG: families side by side, floors one above the other, dashed what fsys, the root of
// the tree, does not hold yet. Conformance suites and internal packages below floor 0 are left out.
func Picture(fsys fs.FS) []byte {
	cells := make(map[[2]int][]string) // floor, column
	for pkg, floor := range table {
		if c := column(pkg); c >= 0 && floor > 0 && !suite(pkg) {
			cells[[2]int{floor, c}] = append(cells[[2]int{floor, c}], pkg)
		}
	}
	width := margin*2 + labelWidth + columnWidth*len(columns)
	var b bytes.Buffer
	for c, col := range columns {
		fmt.Fprintf(&b, `<text class="title" x="%d" y="%d">%s</text>`+"\n", left(c), margin+18, html.EscapeString(col.title))
	}
	y := margin + titleHeight
	programs := []string{"world", "relay", "store", "client", "mailcheck", "stamp", "grant", "mailstore"}
	top := y + boxGap
	y = band(&b, y, width, 1, "5", "examples")
	for i, p := range programs {
		box(&b, "box", left(i), top, p, built(fsys, "examples/"+p))
	}
	for floor := len(captions) - 1; floor > 0; floor-- {
		tall := 0
		for c := range columns {
			tall = max(tall, len(cells[[2]int{floor, c}]))
		}
		top = y + boxGap
		y = band(&b, y, width, tall, fmt.Sprint(floor), captions[floor])
		for c := range columns {
			pkgs := cells[[2]int{floor, c}]
			slices.Sort(pkgs)
			for i, pkg := range pkgs {
				class := "box"
				if !strings.Contains(pkg, "/") {
					class = "root"
				}
				box(&b, class, left(c), top+i*(boxHeight+boxGap), path.Base(pkg), built(fsys, pkg))
			}
		}
	}
	top = y + boxGap
	y = band(&b, y, width, 1, "0", captions[0])
	for i, leaf := range []string{"smtp/message", "smtp/proxyproto", "line", "header", "address", "spool", "netguard", "backoff", "serve"} {
		dir := leaf
		if i > 0 {
			dir = "internal/" + leaf
		}
		box(&b, "box", left(i), top, leaf, built(fsys, dir))
	}
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Families and floors: a package imports lower floors only">`+"\n", width, y)
	return append([]byte(head+style), append(b.Bytes(), "</svg>\n"...)...)
}

// band draws the ground of a floor with room for so many boxes, and returns where the next one begins.
func band(b *bytes.Buffer, y, width, boxes int, number, caption string) int {
	height := boxes*(boxHeight+boxGap) + boxGap
	fmt.Fprintf(b, `<rect class="floor" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`+"\n", margin/2, y, width-margin, height, rounded)
	fmt.Fprintf(b, `<text class="title" x="%d" y="%d">%s</text><text class="caption" x="%d" y="%[2]d">%[5]s</text>`+"\n",
		margin+2, y+boxGap+15, number, margin+16, html.EscapeString(caption))
	return y + height + floorGap - boxGap
}

func box(b *bytes.Buffer, class string, x, y int, name string, built bool) {
	text := ""
	if !built {
		class, text = "later", ` class="dim"`
	}
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"/><text%s x="%d" y="%d">%s</text>`+"\n",
		class, x, y, columnWidth-boxGap*2, boxHeight, rounded, text, x+8, y+15, html.EscapeString(name))
}

func left(column int) int { return margin + labelWidth + column*columnWidth }

// column returns the column of a package, -1 for none.
func column(pkg string) int {
	family, _, _ := strings.Cut(pkg, "/")
	for i, c := range columns {
		if slices.Contains(c.families, family) {
			return i
		}
	}
	return -1
}

// suite reports whether pkg is a conformance suite of a package beside it.
func suite(pkg string) bool {
	name, ok := strings.CutSuffix(path.Base(pkg), "test")
	return ok && (strings.Contains(path.Dir(pkg), "/") || name == "spent" || name == "grant")
}

// built reports whether a folder holds Go files.
func built(fsys fs.FS, dir string) bool {
	files, err := fs.Glob(fsys, dir+"/*.go")
	return err == nil && len(files) > 0
}
