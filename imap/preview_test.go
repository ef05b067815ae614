package imap

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/smtp/message"
)

func TestPreview(t *testing.T) {
	mixed := func(parts ...string) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
	}
	html := func(s string) string { return "Content-Type: text/html\r\n\r\n" + s }
	for name, c := range map[string]struct{ raw, want string }{
		"plain":                  {"\r\nHello,\r\n\r\n  how   are\tyou?\r\n", "Hello, how are you?"},
		"nothing":                {"Subject: x\r\n\r\n", ""},
		"quotations":             {"\r\n> what?\r\n>> who?\r\nYes.\r\n", "Yes."},
		"the signature":          {"\r\nYes.\r\n-- \r\nAlice\r\n", "Yes."},
		"base64, a charset":      {"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nR3L832U=\r\n", "Grüße"},
		"an unknown encoding":    {"Content-Transfer-Encoding: x-secret\r\n\r\nxyz\r\n", ""},
		"HTML":                   {html("<html><head><title>No</title><style>p{}</style></head><body><p>Tom &amp;<b>Jerry</b><!-- x > y --><script>a<b</script> run</p>"), "Tom & Jerry run"},
		"HTML that does not end": {html("Hello <b"), "Hello"},
		"a script without end":   {html("Hello <SCRIPT>x</b>"), "Hello"},
		"plain before HTML":      {mixed(html("<b>second</b>"), "Content-Type: text/plain\r\n\r\nfirst"), "first"},
		"plain of quotations":    {mixed("\r\n> x", html("<b>second</b>")), "second"},
		"an attachment":          {mixed("Content-Disposition: attachment\r\n\r\nno", "\r\nyes"), "yes"},
		"a message within":       {mixed("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nno", "\r\nyes"), "yes"},
		"an image":               {"Content-Type: image/png\r\n\r\nPNG", ""},
		"control characters":     {"\r\na\x00b\x1bc\xffd\r\n", "abcd"},
		"cut off":                {strings.TrimSuffix(mixed("\r\nHello"), "lo\r\n--b--\r\n"), "Hel"},
	} {
		if got := Preview(message.Parse([]byte(c.raw))); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	long := Preview(message.Parse([]byte("\r\n" + strings.Repeat("ü ", 1000))))
	if n := utf8.RuneCountInString(long); n > maxPreview || n < maxPreview-1 {
		t.Errorf("%d characters", n)
	}
}

func FuzzPreview(f *testing.F) {
	f.Add([]byte("Content-Type: text/html\r\n\r\n<p>a<script>x</script>&lt;b<!-- c -->"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n> a\r\n-- \r\n--b\r\nContent-Type: text/html\r\n\r\n<"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := Preview(message.Parse(raw))
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxPreview || strings.ContainsFunc(s, unicode.IsControl) || s != strings.TrimSpace(s) {
			t.Errorf("%q", s)
		}
	})
}
