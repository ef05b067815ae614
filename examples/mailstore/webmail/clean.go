package webmail

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A cleaner puts an HTML body together anew from what is harmless.
type cleaner struct {
	images  bool                    // pictures from elsewhere are wanted
	picture func(cid string) string // returns a data: URL for a part of the message, "" for none
	remote  int                     // pictures from elsewhere that the body has
	nodes   int
	quoting bool // within a quotation
}

// Bounds of an HTML body: how deep it may nest, and of how many nodes it may be made. What is beyond is left out.
const (
	maxDepth = 200
	maxNodes = 100_000
)

// clean returns a body that is safe to show. It takes any text.
func (c *cleaner) clean(body string) string {
	context := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragment(strings.NewReader(body), context)
	if err != nil {
		return textOnly(body)
	}
	out := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	for _, n := range nodes {
		c.add(out, n, 0)
	}
	var b strings.Builder
	if html.Render(&b, out) != nil {
		return ""
	}
	return b.String()
}

// textOnly returns the text of a body that nests too deep to be taken apart.
func textOnly(body string) string {
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return "<div>" + html.EscapeString(b.String()) + "</div>"
		case html.TextToken:
			b.Write(z.Text())
		case html.StartTagToken:
			if name, _ := z.TagName(); atom.Lookup(name) == atom.Script || atom.Lookup(name) == atom.Style {
				z.Next() // what is in it
			}
		}
	}
}

// dropped are elements that go with all that is in them.
func dropped(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Template, atom.Iframe, atom.Frame, atom.Frameset, atom.Noframes, atom.Noscript, atom.Object, atom.Embed, atom.Applet,
		atom.Svg, atom.Math, atom.Head, atom.Title, atom.Meta, atom.Link, atom.Base, atom.Textarea, atom.Select, atom.Option, atom.Input, atom.Button,
		atom.Audio, atom.Video, atom.Source, atom.Track, atom.Canvas, atom.Dialog, atom.Plaintext, atom.Xmp:
		return true
	}
	return false
}

// kept are elements that stay; of all others, what is in them does.
func kept(a atom.Atom) bool {
	switch a {
	case atom.A, atom.Abbr, atom.Address, atom.Article, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Blockquote, atom.Br, atom.Caption, atom.Center, atom.Cite,
		atom.Code, atom.Col, atom.Colgroup, atom.Dd, atom.Del, atom.Dfn, atom.Div, atom.Dl, atom.Dt, atom.Em, atom.Figcaption, atom.Figure, atom.Font,
		atom.Footer, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.I, atom.Img, atom.Ins, atom.Kbd, atom.Li, atom.Mark,
		atom.Ol, atom.P, atom.Pre, atom.Q, atom.S, atom.Samp, atom.Section, atom.Small, atom.Span, atom.Strike, atom.Strong, atom.Sub, atom.Sup, atom.Table,
		atom.Tbody, atom.Td, atom.Tfoot, atom.Th, atom.Thead, atom.Time, atom.Tr, atom.Tt, atom.U, atom.Ul, atom.Var, atom.Wbr:
		return true
	}
	return false
}

// add adds what is harmless of a node.
func (c *cleaner) add(to, n *html.Node, depth int) {
	if c.nodes++; c.nodes > maxNodes || depth > maxDepth {
		return
	}
	switch {
	case n.Type == html.TextNode:
		to.AppendChild(&html.Node{Type: html.TextNode, Data: n.Data})
		return
	case n.Type != html.ElementNode || n.Namespace != "" || dropped(n.DataAtom) || n.DataAtom == 0 && strings.ContainsAny(n.Data, "<>"):
		return
	}
	into := to
	if kept(n.DataAtom) {
		into = &html.Node{Type: html.ElementNode, Data: n.DataAtom.String(), DataAtom: n.DataAtom, Attr: c.attributes(n)}
		if n.DataAtom == atom.Img && !slices.ContainsFunc(into.Attr, func(a html.Attribute) bool { return a.Key == "src" }) {
			if alt := attribute(n, "alt"); alt != "" {
				to.AppendChild(&html.Node{Type: html.TextNode, Data: "[" + alt + "]"})
			}
			return
		}
		if n.DataAtom == atom.Blockquote && !c.quoting {
			to = fold(to)
			c.quoting = true
			defer func() { c.quoting = false }()
		}
		to.AppendChild(into)
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		c.add(into, child, depth+1)
	}
	if n.DataAtom == atom.A {
		c.reveal(to, into)
	}
}

// fold adds what hides a quotation until it is asked for, and returns where it goes.
func fold(to *html.Node) *html.Node {
	details := &html.Node{Type: html.ElementNode, Data: "details", DataAtom: atom.Details}
	summary := &html.Node{Type: html.ElementNode, Data: "summary", DataAtom: atom.Summary}
	summary.AppendChild(&html.Node{Type: html.TextNode, Data: "Quoted text"})
	details.AppendChild(summary)
	to.AppendChild(details)
	return details
}

// reveal writes out where a link leads, unless that is what its text says.
func (c *cleaner) reveal(to, link *html.Node) {
	href := attribute(link, "href")
	if text := strings.TrimSpace(textOf(link)); href == "" || text == href || text == strings.TrimPrefix(href, "mailto:") || text+"/" == href {
		return
	}
	span := &html.Node{Type: html.ElementNode, Data: "span", DataAtom: atom.Span, Attr: []html.Attribute{{Key: "class", Val: "address"}}}
	span.AppendChild(&html.Node{Type: html.TextNode, Data: " [" + href + "] "})
	to.AppendChild(span)
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		b.WriteString(textOf(child))
	}
	return b.String()
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == name {
			return a.Val
		}
	}
	return ""
}

// attributes returns what is harmless of the attributes of an element that stays.
func (c *cleaner) attributes(n *html.Node) (out []html.Attribute) {
	set := func(key, value string) { out = append(out, html.Attribute{Key: key, Val: value}) }
	for _, a := range n.Attr {
		if a.Namespace != "" {
			continue
		}
		switch a.Key {
		case "align", "valign", "width", "height", "border", "cellpadding", "cellspacing", "colspan", "rowspan", "bgcolor", "color", "size", "face", "dir", "lang",
			"alt", "start", "type", "value", "datetime", "reversed", "nowrap":
			set(a.Key, a.Val)
		case "style":
			if s := style(a.Val); s != "" {
				set("style", s)
			}
		case "href":
			if n.DataAtom != atom.A {
				continue
			}
			if href := address(a.Val, "https", "http", "mailto"); href != "" {
				set("href", href)
				set("rel", "noopener noreferrer nofollow")
				set("target", "_blank")
			}
		case "src":
			if n.DataAtom != atom.Img {
				continue
			}
			if src := c.source(a.Val); src != "" {
				set("src", src)
			}
		}
	}
	return out
}

// address returns an absolute URL of one of the schemes in one form, "" for all else.
func address(s string, schemes ...string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Scheme != "mailto" && u.Host == "" {
		return ""
	}
	return u.String()
}

// source returns where a picture comes from: the message itself, or elsewhere if that is wanted.
func (c *cleaner) source(s string) string {
	if cid, ok := strings.CutPrefix(strings.TrimSpace(s), "cid:"); ok {
		if id, err := url.PathUnescape(cid); err == nil && c.picture != nil {
			return c.picture(id)
		}
		return ""
	}
	src := address(s, "https", "http")
	if src == "" {
		return ""
	}
	if c.remote++; !c.images {
		return ""
	}
	return src
}

// style returns the declarations of a style attribute that can neither fetch nor cover anything.
func style(s string) string {
	if strings.ContainsAny(s, `\@<>{}`) || strings.Contains(s, "/*") {
		return ""
	}
	var out []string
	for declaration := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(declaration, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || !plain(name) || !slices.ContainsFunc([]string{"color", "background-color", "font", "text", "margin", "padding", "border", "width", "height", "max-width",
			"line-height", "vertical-align", "white-space", "list-style-type", "direction", "letter-spacing"}, func(p string) bool { return name == p || strings.HasPrefix(name, p+"-") }) {
			continue
		}
		if lower := strings.ToLower(value); strings.Contains(lower, "url") || strings.Contains(lower, "image") || strings.Contains(lower, "expression") ||
			strings.Contains(lower, "var(") || strings.Contains(lower, "src") {
			continue
		}
		out = append(out, name+": "+value)
	}
	return strings.Join(out, "; ")
}

func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') })
}
