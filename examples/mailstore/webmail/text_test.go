package webmail

import "testing"

func TestPlainText(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		lines    int
	}{
		{"", "", 0},
		{"one <b>two</b>\n  three<br>four", "one two three\nfour", 2},
		{"<p>a</p><p>b<i>c</i> d</p>", "a\n\nbc d", 4},
		{"<div>a<div>b</div></div><ul><li>c<li>d</ul>", "a\nb\n\n- c\n- d", 6},
		{"<pre>x\n  y</pre>z", "x\n  y\n\nz", 4},
		{"<table><tr><td>a</td><td>b</td></tr></table>", "a b", 2},
		{"hello<blockquote>x<blockquote>y</blockquote>z</blockquote>", "hello\n\n> x\n>\n>> y\n>\n> z", 2},
		{`<img src="cid:a" alt="A">`, "[A]", 1},
	} {
		if got, lines := plainText((&cleaner{}).clean(tt.in)); got != tt.want || lines != tt.lines {
			t.Errorf("%s\ngot  %q, %d\nwant %q, %d", tt.in, got, lines, tt.want, tt.lines)
		}
	}
}
