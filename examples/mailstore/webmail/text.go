package webmail

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// lineWidth is about how many characters a line of a frame has.
const lineWidth = 80

// plainText returns the text of a cleaned body, quotations marked, and about how many lines it takes to show it while
// they are folded.
func plainText(cleaned string) (text string, lines int) {
	root, err := html.Parse(strings.NewReader(cleaned))
	if err != nil {
		return "", 0
	}
	w := new(textWriter)
	w.node(root)
	w.end()
	return strings.TrimSpace(strings.Join(w.out, "\n")), w.lines
}

// A textWriter makes lines of text.
type textWriter struct {
	out      []string
	line     strings.Builder
	quotes   int
	verbatim int  // within pre
	folded   int  // within what is folded
	space    bool // is owed
	lines    int
}

// end ends a line, if there is one.
func (w *textWriter) end() {
	if w.line.Len() > 0 {
		w.newline()
	}
	w.space = false
}

func (w *textWriter) newline() {
	line := strings.TrimRight(w.line.String(), " ")
	if w.line.Reset(); w.folded == 0 {
		w.lines += 1 + len(line)/lineWidth
	}
	if w.quotes > 0 {
		line = strings.TrimRight(strings.Repeat(">", w.quotes)+" "+line, " ")
	}
	w.out = append(w.out, line)
	w.space = false
}

// gap leaves an empty line.
func (w *textWriter) gap() {
	w.end()
	if n := len(w.out); n > 0 && strings.TrimLeft(w.out[n-1], "> ") != "" {
		w.newline()
	}
}

func (w *textWriter) text(s string) {
	if w.verbatim > 0 {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				w.newline()
			}
			w.line.WriteString(line)
		}
		return
	}
	for i, word := range strings.Fields(s) {
		if (i > 0 || w.space || strings.TrimLeft(s, " \t\r\n") != s) && w.line.Len() > 0 {
			w.line.WriteByte(' ')
		}
		w.line.WriteString(word)
		w.space = false
	}
	w.space = w.space || strings.TrimRight(s, " \t\r\n") != s
}

func (w *textWriter) node(n *html.Node) {
	switch {
	case n.Type == html.TextNode:
		w.text(n.Data)
		return
	case n.DataAtom == atom.Summary || n.DataAtom == atom.Head:
		if n.DataAtom == atom.Summary {
			w.lines++
		}
		return
	}
	before, after := w.around(n)
	before()
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		w.node(child)
	}
	after()
}

// around returns what an element does before and after what is in it.
func (w *textWriter) around(n *html.Node) (before, after func()) {
	nothing := func() {}
	switch n.DataAtom {
	case atom.Br:
		return w.newline, nothing
	case atom.Hr:
		return w.gap, nothing
	case atom.Img:
		return func() {
			if alt := attribute(n, "alt"); alt != "" {
				w.text("[" + alt + "]")
			}
			w.lines += 6
		}, nothing
	case atom.Blockquote:
		return func() { w.gap(); w.quotes++ }, func() { w.end(); w.quotes--; w.gap() }
	case atom.Details:
		return func() { w.end(); w.folded++ }, func() { w.end(); w.folded-- }
	case atom.Pre:
		return func() { w.gap(); w.verbatim++ }, func() { w.verbatim--; w.gap() }
	case atom.Li:
		return func() { w.end(); w.text("- ") }, w.end
	case atom.Td, atom.Th:
		return func() { w.space = true }, func() { w.space = true }
	case atom.P, atom.Ul, atom.Ol, atom.Dl, atom.Table, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Figure:
		return w.gap, w.gap
	case atom.Div, atom.Tr, atom.Dt, atom.Dd, atom.Address, atom.Article, atom.Section, atom.Header, atom.Footer, atom.Center, atom.Caption, atom.Figcaption:
		return w.end, w.end
	}
	return nothing, nothing
}
