package message

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestSuite parses every file of the suite, with its line ends and with CRLF, and cut short at several places.
func TestSuite(t *testing.T) {
	n := 0
	err := filepath.WalkDir(suites.Dir(t, "mime"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		m := Parse(raw)
		check(t, m)
		for i := range 8 {
			check(t, Parse(raw[:len(raw)*i/8]))
		}
		lf := bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
		crlf := Parse(bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")))
		check(t, crlf)
		if a, b := shape(Parse(lf).Root()), shape(crlf.Root()); a != b {
			t.Errorf("%s: %s with LF, %s with CRLF", path, a, b)
		}
		return nil
	})
	if err != nil || n < 300 {
		t.Fatalf("%d files, %v", n, err)
	}
}

// TestMime4j compares the trees with what mime4j saw.
func TestMime4j(t *testing.T) {
	different := map[string]string{
		// mime4j decodes an encoded message/rfc822; RFC 2046 §5.2.1 forbids that encoding.
		"bad-newlines-multiple-parts-base64.msg": "msg(msg(leaf))",
		"base64encoded-rfc822message-nested.msg": "msg(msg(leaf))",
		// A multipart without parts gets one.
		"missing-boundary.msg":             "msg(multi(leaf))",
		"missing-inner-boundary.msg":       "msg(multi(leafmulti(leaf)))",
		"missing-inner-start-boundary.msg": "msg(multi(leafmulti(leaf)))",
		"multipartnopart.msg":              "msg(multi(leaf))",
	}
	files, err := filepath.Glob(filepath.Join(suites.Dir(t, "mime/mime4j/testmsgs"), "*.msg"))
	if err != nil || len(files) < 30 {
		t.Fatal(len(files), err)
	}
	tags := regexp.MustCompile(`(?s)<header>.*?</header>|</?(multipart|message|body-part|body)>`)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		xml, err := os.ReadFile(strings.TrimSuffix(file, ".msg") + ".xml")
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for _, tag := range tags.FindAllString(string(xml), -1) {
			switch tag {
			case "<multipart>":
				want.WriteString("multi(")
			case "</multipart>", "</message>":
				want.WriteString(")")
			case "<message>":
				want.WriteString("msg(")
			case "<body>":
				want.WriteString("leaf")
			}
		}
		name := filepath.Base(file)
		got := "msg(" + shape(Parse(raw).Root()) + ")"
		if w, ok := different[name]; ok {
			if w != got {
				t.Errorf("%s: got %s, want our %s", name, got, w)
			}
		} else if got != want.String() {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want.String())
		}
	}
}

func shape(p *Part) string {
	var b strings.Builder
	for c := range p.Children() {
		b.WriteString(shape(c))
	}
	return map[Kind]string{Leaf: "leaf", Multipart: fmt.Sprintf("multi(%s)", &b), Embedded: fmt.Sprintf("msg(%s)", &b)}[p.Kind]
}
