package line

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 300)
	wire := "NOOP\r\n\r\na\nb\rc\r\nd\x00e\r\n" + long + "\r\nlast\r\n" + long[:98] + "\r\nhalf"
	want := []struct{ line, err string }{
		{"NOOP", ""}, {"", ""},
		{"", "offence 10 at 1"}, {"", "offence 13 at 1"}, {"", "offence 0 at 1"},
		{"", "long"}, {"last", ""}, {long[:98], ""}, {"", "unexpected EOF"},
	}
	for piece := 1; piece < 400; piece += 3 {
		r := NewReader(&chunks{[]byte(wire), piece}, 0)
		for i, w := range want {
			l, err := r.ReadLine(100)
			got := ""
			if err != nil {
				got = outcome(err)
			}
			if string(l) != w.line || got != w.err {
				t.Fatalf("pieces of %d, line %d: %q %q, want %q %q", piece, i, l, got, w.line, w.err)
			}
		}
	}
	if _, err := NewReader(strings.NewReader(""), 0).ReadLine(10); err != io.EOF {
		t.Fatalf("clean end: %v", err)
	}
}

// endless never ends a line.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n += len(p)
	return len(p), nil
}

func TestReadLineGivesUp(t *testing.T) {
	e := new(endless)
	r := NewReader(e, 512)
	_, err := r.ReadLine(2048)
	tl, ok := errors.AsType[*TooLongError](err)
	if !ok || tl.Ended || tl.Limit != 2048 {
		t.Fatal(err)
	}
	if e.n > 2*lostAfter || len(r.buf) > 4096 {
		t.Fatalf("read %d octets with a buffer of %d", e.n, len(r.buf))
	}
}

func TestSwap(t *testing.T) {
	r := NewReader(strings.NewReader(strings.Repeat("x", 100)+"\r\nrest\r\n"), 128)
	if _, err := r.ReadLine(1000); err != nil {
		t.Fatal(err)
	}
	small := make([]byte, 4)
	if got := r.Swap(small); &got[0] != &small[0] {
		t.Fatal("swapped for a buffer that is too small")
	}
	if old := r.Swap(make([]byte, 64)); len(old) != 128 {
		t.Fatalf("old buffer of %d", len(old))
	}
	if l, err := r.ReadLine(1000); string(l) != "rest" {
		t.Fatalf("%q %v", l, err)
	}
}

func TestReadRaw(t *testing.T) {
	r := NewReader(&chunks{[]byte("BDAT 3\r\nabcNOOP\r\n"), 5}, 64)
	if _, err := r.ReadLine(100); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3)
	if _, err := io.ReadFull(r, p); err != nil || string(p) != "abc" {
		t.Fatalf("%q %v", p, err)
	}
	if l, err := r.ReadLine(100); string(l) != "NOOP" {
		t.Fatalf("%q %v", l, err)
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add([]byte("EHLO x\r\nMAIL\n"), uint8(3))
	f.Fuzz(func(t *testing.T, wire []byte, piece uint8) {
		r := NewReader(&chunks{wire, int(piece) + 1}, 64)
		for {
			l, err := r.ReadLine(80)
			if strings.ContainsAny(string(l), "\r\n\x00") || len(l) > 78 {
				t.Fatalf("line %q", l)
			}
			if err != nil {
				if o := outcome(err); o == "EOF" || o == "unexpected EOF" {
					return
				}
			}
		}
	})
}

func TestNext(t *testing.T) {
	r := NewReader(strings.NewReader("ab\r\ncdef"), 64)
	if l, err := r.ReadLine(100); string(l) != "ab" || err != nil {
		t.Fatalf("%q %v", l, err)
	}
	for _, want := range []string{"cde", "f", ""} {
		b, err := r.Next(3)
		if string(b) != want || (err == io.EOF) != (want == "") {
			t.Errorf("%q %v, want %q", b, err, want)
		}
	}
}

// TestAwait: waiting takes nothing away, errors included, and a read that fills the buffer says so.
func TestAwait(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader(strings.Repeat("x", 98)+"\r\n"), iotest.ErrReader(broken)), 100)
	r.Await()
	if r.Buffered() != 100 || !r.Full() {
		t.Errorf("%d octets, full: %v", r.Buffered(), r.Full())
	}
	r.Await() // there is something
	if l, err := r.ReadLine(200); err != nil || len(l) != 98 {
		t.Errorf("%q, %v", l, err)
	}
	r.Await()
	if _, err := r.ReadLine(200); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
