package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// TestFlushes has what zlib writes with each of its flushes: all of what came before is there at once, without one octet more.
func TestFlushes(t *testing.T) {
	want := []string{"a1 NOOP\r\n", "a2 SELECT INBOX\r\n" + strings.Repeat("x", 300),
		strings.Repeat("a3 UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])\r\n", 3), "z"}
	for name, parts := range map[string][]string{
		"sync":    {"4a3454f0f3f70fe0e502000000ffff", "4a34520876f571750e51f0f473f28fe0e5aa1805440300000000ffff", "4a345608f5745170730d71f65030b4d252d070f371740f5670f27789d40b7075f58ef6707574710dd273f374f57109064a07f9fb2a84f82b04873a7981c2dcc531c455335613180d83d02400000000ffff", "aa02000000ffff"},
		"partial": {"4a3454f0f3f70fe0e50208", "a044238560571f57e710054f3f27ff085eae8a5140340008", "a0446385504f170537d710670f05432b2d050d371f47f76005277f9748bd005757ef680f574717d7203d374f571f9760a07490bfaf4288bf4270a8931728cc5d1c435c35633581d130084d0208", "a02a8000"},
		"full":    {"4a3454f0f3f70fe0e502000000ffff", "4a34520876f571750e51f0f473f28fe0e5aa1805440300000000ffff", "4a345608f5745170730d71f65030b4d252d070f371740f5670f27789d40b7075f58ef6707574710dd273f374f57109064a07f9fb2a84f82b04873a79b93a8728b83886b86ac66af272250e429300000000ffff", "aa02000000ffff"},
	} {
		t.Run(name, func(t *testing.T) {
			in, out := io.Pipe()
			defer in.Close()
			r := NewReader(in)
			for i, p := range parts {
				raw, err := hex.DecodeString(p)
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = out.Write(raw) }()
				got := make([]byte, len(want[i]))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != want[i] {
					t.Fatalf("part %d: %q, %v", i, got, err)
				}
			}
			out.Close()
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("at the end: %d, %v", n, err)
			}
		})
	}
}

// samples are texts of every kind: repeated, random, long.
func samples() [][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	few := make([]byte, 100_000)
	for i := range few {
		few[i] = "abcde"[rnd.IntN(5)]
	}
	return [][]byte{nil, []byte("x"), bytes.Repeat([]byte("x"), 200_000), []byte(strings.Repeat("* 1 FETCH (FLAGS (\\Seen))\r\n", 5000)), noise, few,
		append(bytes.Clone(noise[:40_000]), noise[:40_000]...)}
}

func TestAgainstFlate(t *testing.T) {
	for i, text := range samples() {
		for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression, flate.HuffmanOnly} {
			var wire bytes.Buffer
			w, err := flate.NewWriter(&wire, level)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(text)
			_ = w.Close()
			raw := wire.Bytes()
			for name, in := range map[string]io.Reader{"whole": bytes.NewReader(raw), "bytes": iotest.OneByteReader(bytes.NewReader(raw))} {
				if got, err := io.ReadAll(NewReader(in)); err != nil || !bytes.Equal(got, text) {
					t.Errorf("sample %d, level %d, %s: %d octets of %d, %v", i, level, name, len(got), len(text), err)
				}
			}
			if len(raw) > 10 {
				if _, err := io.ReadAll(NewReader(bytes.NewReader(raw[:len(raw)/2]))); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("sample %d, level %d, cut: %v", i, level, err)
				}
			}
		}
	}
}

// TestWriter has both readers read what is written, with and without parking between.
func TestWriter(t *testing.T) {
	var link, wire, all bytes.Buffer
	w := NewWriter(io.MultiWriter(&link, &wire))
	r := NewReader(&link)
	for i, text := range samples() {
		if n, err := w.Write(text); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
		all.Write(text)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("part %d: %v", i, err)
		}
		if i%2 == 0 {
			w.Park()
			w.Park()
		}
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	got, err := io.ReadAll(flate.NewReader(&wire))
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, all.Bytes()) { // no block is the last one
		t.Errorf("%d octets of %d, %v", len(got), all.Len(), err)
	}
}

// stuttering has a timeout before every octet.
type stuttering struct {
	r    io.Reader
	late bool
}

func (s *stuttering) Read(p []byte) (int, error) {
	if s.late = !s.late; s.late {
		return 0, os.ErrDeadlineExceeded
	}
	return s.r.Read(p[:1])
}

// TestTimeouts goes on after a timeout at every place.
func TestTimeouts(t *testing.T) {
	for i, text := range samples() {
		for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.BestCompression, flate.HuffmanOnly} {
			var wire, got bytes.Buffer
			w, err := flate.NewWriter(&wire, level)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(text[:len(text)/10])
			_ = w.Close()
			r := NewReader(&stuttering{r: &wire})
			for err = nil; err == nil || errors.Is(err, os.ErrDeadlineExceeded); {
				_, err = io.Copy(&got, r)
				if err == nil {
					break
				}
			}
			if err != nil || !bytes.Equal(got.Bytes(), text[:len(text)/10]) {
				t.Errorf("sample %d, level %d: %d octets of %d, %v", i, level, got.Len(), len(text)/10, err)
			}
		}
	}
}

func TestCorrupt(t *testing.T) {
	for name, wire := range map[string]string{
		"reserved block":        "07",
		"lengths of a stored":   "0101000000",
		"distance before all":   "030200",
		"codes against the sum": "05e0ffffffffffffffffffffffffffffff",
	} {
		raw, err := hex.DecodeString(wire)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(NewReader(bytes.NewReader(raw)))
		_, want := io.ReadAll(flate.NewReader(bytes.NewReader(raw)))
		if err == nil || want == nil {
			t.Errorf("%s: %v, compress/flate %v", name, err, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range samples()[:4] {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 6)
		_, _ = w.Write(s)
		_ = w.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		const most = 1 << 20
		got, err := io.ReadAll(io.LimitReader(NewReader(bytes.NewReader(raw)), most))
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), most))
		if err != nil && wantErr == nil || err == nil && !bytes.Equal(got, want) { // ours takes an end between any two blocks
			t.Errorf("%d octets, %v; compress/flate %d octets, %v", len(got), err, len(want), wantErr)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	text := []byte(strings.Repeat("* 1 FETCH (UID 1234 FLAGS (\\Seen $Label) RFC822.SIZE 4096)\r\n", 5000))
	var wire bytes.Buffer
	w := NewWriter(&wire)
	_, _ = w.Write(text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if n, err := io.Copy(io.Discard, NewReader(bytes.NewReader(wire.Bytes()))); n != int64(len(text)) || err != nil {
			b.Fatal(n, err)
		}
	}
}
