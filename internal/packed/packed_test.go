package packed

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func gz(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, files int, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if _, err := w.Create("folder/"); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		f, err := w.Create(fmt.Sprintf("folder/%d.xml", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(data []byte, l Limits) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(data), l)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestReader: what comes out, and what is refused.
func TestReader(t *testing.T) {
	text := []byte(strings.Repeat("some text, over and over\n", 1000))
	zeros := make([]byte, 2<<20)
	lying := zipped(t, 1, text)
	lying[bytes.LastIndex(lying, []byte("PK\x05\x06"))+16]++
	many := zipped(t, 20, nil)
	for name, tt := range map[string]struct {
		data []byte
		l    Limits
		want []byte
		err  error
	}{
		"plain":            {text, Limits{}, text, nil},
		"empty":            {nil, Limits{}, nil, nil},
		"gzip":             {gz(t, text), Limits{}, text, nil},
		"two gzips":        {append(gz(t, text), gz(t, text)...), Limits{}, append(bytes.Clone(text), text...), nil},
		"zip":              {zipped(t, 1, text), Limits{}, text, nil},
		"plain, too long":  {text, Limits{Max: 1000}, nil, ErrTooLarge},
		"gzip, too long":   {gz(t, text), Limits{Max: 1000}, nil, ErrTooLarge},
		"zip, too long":    {zipped(t, 1, text), Limits{Max: 1000}, nil, ErrTooLarge},
		"input too long":   {text, Limits{Input: 1000}, nil, ErrTooLarge},
		"gzip bomb":        {gz(t, zeros), Limits{}, nil, ErrTooLarge},
		"zip bomb":         {zipped(t, 1, zeros), Limits{}, nil, ErrTooLarge},
		"ratio allowed":    {gz(t, zeros), Limits{Ratio: 2000}, zeros, nil},
		"many files":       {many, Limits{}, nil, ErrTooLarge},
		"two files":        {zipped(t, 2, text), Limits{}, nil, ErrFormat},
		"no file":          {zipped(t, 0, text), Limits{}, nil, ErrFormat},
		"list elsewhere":   {lying, Limits{}, nil, ErrFormat},
		"no list of files": {[]byte("PK\x03\x04 and nothing more"), Limits{}, nil, ErrFormat},
		"gzip, cut short":  {gz(t, text)[:50], Limits{}, nil, ErrFormat},
		"gzip, head alone": {gz(t, text)[:4], Limits{}, nil, ErrFormat},
		"gzip, damaged":    {append(gz(t, text)[:20], make([]byte, 50)...), Limits{}, nil, ErrFormat},
		"gzip, checksum":   {func() []byte { b := gz(t, text); b[len(b)-6]++; return b }(), Limits{}, nil, ErrFormat},
	} {
		got, err := read(tt.data, tt.l)
		if !errors.Is(err, tt.err) || tt.err == nil && !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %d octets, %v", name, len(got), err)
		}
	}
	for _, data := range [][]byte{text, gz(t, text), zipped(t, 1, text)} {
		r, err := NewReader(io.MultiReader(bytes.NewReader(data[:10]), iotest.ErrReader(io.ErrClosedPipe)), Limits{})
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("an error of the reader: %v", err)
		}
	}
}

// TestDecode undoes encodings, in pieces of any size.
func TestDecode(t *testing.T) {
	for _, tt := range [][3]string{
		{"base64", "SGVs\r\nbG8g!\x00d29y\nbGQ=\r\n", "Hello world"},
		{" BASE64 ", "SGVsbG8=", "Hello"},
		{"quoted-printable", "H=65llo=\r\n world", "Hello world"},
		{"7bit", "H=65llo", "H=65llo"},
		{"", "Hello", "Hello"},
	} {
		for _, in := range []io.Reader{strings.NewReader(tt[1]), iotest.OneByteReader(strings.NewReader(tt[1]))} {
			got, err := io.ReadAll(Decode(in, tt[0]))
			if err != nil || string(got) != tt[2] {
				t.Errorf("%s: %q, %v", tt[0], got, err)
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add(gz(f, []byte("text")))
	f.Add(zipped(f, 1, []byte("text")))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := read(data, Limits{Max: 1 << 16})
		if len(got) > 1<<16 || err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrFormat) {
			t.Errorf("%d octets, %v", len(got), err)
		}
	})
}
