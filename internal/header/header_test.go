package header

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFields(t *testing.T) {
	section := "A: 1\r\nB : two\r\n lines\r\n\tand three\r\nno field\r\nC:\r\n: empty name\r\nD D: space\nE:lf\nF: last"
	var got []string
	var joined strings.Builder
	for f := range Fields([]byte(section)) {
		got = append(got, string(f.Name)+"="+string(f.Value))
		joined.Write(f.Raw)
	}
	want := []string{"A= 1", "B= two\r\n lines\r\n\tand three", "=", "C=", "=", "=", "E=lf", "F= last"}
	if !slices.Equal(got, want) || joined.String() != section {
		t.Errorf("%q", got)
	}
	for f := range Fields([]byte("A: 1\r\n\r\nB: body\r\n")) {
		if !f.Is("a") || f.Is("b") {
			t.Errorf("%q", f.Raw)
		}
	}
}

// failsOnce fails, and then reads on.
type failsOnce struct {
	io.Reader
	err error
}

func (f *failsOnce) Read(p []byte) (int, error) {
	if err := f.err; err != nil {
		f.err = nil
		return 0, err
	}
	return f.Reader.Read(p)
}

func TestRead(t *testing.T) {
	for _, tt := range []struct{ in, header, body string }{
		{"A: 1\r\n\r\nbody", "A: 1\r\n\r\n", "body"},
		{"A: 1\n\nbody", "A: 1\n\n", "body"},
		{"\r\nbody", "\r\n", "body"},
		{"A: 1\r\n", "A: 1\r\n", ""},
		{"A: 1", "A: 1", ""},
		{"", "", ""},
		{"A: " + strings.Repeat("x", 100) + "\r\n\r\nbody", "A: " + strings.Repeat("x", 100) + "\r\n\r\n", "body"},
		{"A: 1\r\n\nbody\r\n\r\nmore", "A: 1\r\n\n", "body\r\n\r\nmore"},
		{"A: 1\n\r\nbody\n\nmore", "A: 1\n\r\n", "body\n\nmore"},
		{strings.Repeat("x", 16) + "\r\n\r\nbody", strings.Repeat("x", 16) + "\r\n\r\n", "body"},
	} {
		for _, r := range []*bufio.Reader{bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(tt.in)), 16), bufio.NewReaderSize(strings.NewReader(tt.in), 16),
			bufio.NewReader(strings.NewReader(tt.in)), bufio.NewReader(iotest.HalfReader(strings.NewReader(tt.in)))} {
			h, err := Read(r, 0)
			body, _ := io.ReadAll(r)
			if err != nil || string(h) != tt.header || string(body) != tt.body {
				t.Errorf("%q: %q, %q, %v", tt.in, h, body, err)
			}
		}
		for _, r := range []io.Reader{strings.NewReader(tt.in), bytes.NewReader([]byte(tt.in)), bytes.NewBufferString(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			h, rest, err := Split(r)
			if err != nil {
				t.Fatal(err)
			}
			var body strings.Builder
			n, err := rest.WriteTo(&body)
			if err != nil || string(h) != tt.header || body.String() != tt.body || n != int64(len(tt.body)) {
				t.Errorf("%T %q: %q, %q, %d, %v", r, tt.in, h, body.String(), n, err)
			}
		}
	}
	once := &failsOnce{strings.NewReader("A: 1\r\n\r\n"), io.ErrNoProgress}
	if _, err := Read(bufio.NewReader(once), 0); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("an error was passed over: %v", err)
	}
	if _, err := Read(bufio.NewReader(strings.NewReader("A: 123456\r\n\r\n")), 10); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := Read(bufio.NewReader(iotest.ErrReader(broken)), 0); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestSplitErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, _, err := Split(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	long := []byte("A: " + strings.Repeat("x", MaxHeader) + "\r\n\r\n")
	for _, r := range []io.Reader{bytes.NewReader(long), strings.NewReader(string(long))} {
		if _, _, err := Split(r); !errors.Is(err, ErrTooLong) {
			t.Errorf("%T: %v", r, err)
		}
	}
	_, body, err := Split(io.MultiReader(strings.NewReader("A: 1\r\n\r\nbody"), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := body.WriteTo(io.Discard); n != 4 || !errors.Is(err, broken) {
		t.Error(n, err)
	}
	for _, r := range []io.Reader{bytes.NewReader([]byte("\r\nbody")), strings.NewReader("\r\nbody")} {
		_, body, err := Split(r)
		if err != nil {
			t.Fatal(err)
		}
		closed, w := io.Pipe()
		closed.CloseWithError(broken)
		if _, err := body.WriteTo(w); !errors.Is(err, broken) {
			t.Errorf("%T: %v", r, err)
		}
	}
}

func TestParseTags(t *testing.T) {
	tags, err := ParseTags(" v=1; a = rsa-sha256 ;b=x\r\n\ty=; ; Case=1;case=2;")
	want := Tags{{"v", "1"}, {"a", "rsa-sha256"}, {"b", "x\r\n\ty="}, {"Case", "1"}, {"case", "2"}}
	if err != nil || !slices.Equal(tags, want) {
		t.Errorf("%q, %v", tags, err)
	}
	if _, ok := tags.Get("missing"); ok {
		t.Error("a tag that is not there")
	}
	for _, s := range []string{"a", "=1", "1a=1", "a b=1", "a=1;a=2", "a=\x00", "ü=1", strings.Repeat("a=1;", 2), "-=1", manyTags()} {
		if tags, err := ParseTags(s); !errors.Is(err, ErrTags) {
			t.Errorf("%.30q: %v, %v", s, tags, err)
		}
	}
	if got := StripSpace(" a\r\n\t b "); got != "ab" {
		t.Errorf("%q", got)
	}
}

func manyTags() string {
	var s strings.Builder
	for i := range MaxTags + 1 {
		s.WriteString(strings.Repeat("a", i+1) + "=1;")
	}
	return s.String()
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"example.com": "example.com", "": `""`, "a b": `"a b"`, `a"b\`: `"a\"b\\"`, "a;b": `"a;b"`, "a\r\nX: y": `"a??X: y"`, "a\x00b": `"a?b"`,
		"legit.com(.attacker.com": `"legit.com(.attacker.com"`, "bücher": `"bücher"`, "a@b": `"a@b"`,
	} {
		if got := string(AppendValue(nil, in)); got != want {
			t.Errorf("value %q: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"a@b.example": "a@b.example", "@b.example": "@b.example", "a b@c": `"a b@c"`, "a@b@c": `"a@b@c"`, "a@b;x": `"a@b;x"`, "a@": `"a@"`} {
		if got := string(AppendProperty(nil, in)); got != want {
			t.Errorf("property %q: %s, want %s", in, got, want)
		}
	}
	if got := string(AppendComment(nil, "a (b) \\ \r\n")); got != `(a \(b\) \\ ??)` {
		t.Errorf("comment: %s", got)
	}
}

func FuzzFields(f *testing.F) {
	f.Add([]byte("A: 1\r\n B\r\nC\r\n\r\nbody"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Read(bufio.NewReaderSize(bytes.NewReader(b), 16), 0)
		if err != nil || !bytes.HasPrefix(b, h) {
			t.Fatalf("%q, %v", h, err)
		}
		n := 0
		for f := range Fields(b) {
			n += len(f.Raw)
			if len(f.Raw) == 0 || len(f.Name) > 0 && !bytes.HasPrefix(f.Raw, f.Name) {
				t.Fatalf("%q", f.Raw)
			}
		}
		if n > len(h) {
			t.Fatalf("fields of %d octets in a header of %d", n, len(h))
		}
	})
}

func FuzzParseTags(f *testing.F) {
	f.Add("v=1; a=b; c=")
	f.Fuzz(func(t *testing.T, s string) {
		tags, err := ParseTags(s)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, tag := range tags {
			b.WriteString(tag.Name + "=" + tag.Value + ";")
		}
		again, err := ParseTags(b.String())
		if err != nil || !slices.Equal(tags, again) {
			t.Fatalf("%q: %q became %q, %v", s, tags, again, err)
		}
	})
}
