package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/iotest"
)

// TestRoundTrip writes in pieces of every kind around the threshold and reads the same back, whole and in part.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 99, 100, 101, 5000} {
		for _, memory := range []int{-1, 100, 1 << 20} {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(rnd.Uint32())
			}
			b := New(Options{Memory: memory, Dir: dir})
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+rnd.IntN(70))
				var err error
				switch rnd.IntN(3) {
				case 0:
					b.Grow(int64(n))
					fallthrough
				case 1:
					_, err = b.ReadFrom(iotest.HalfReader(bytes.NewReader(rest[:n])))
				case 2:
					_, err = b.Write(rest[:n])
				}
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if b.Size() != int64(size) {
				t.Fatalf("size %d, want %d", b.Size(), size)
			}
			if inFile := b.file != nil; inFile != (size > memory && size > 0) {
				t.Errorf("size %d memory %d: in file %v", size, memory, inFile)
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if err := iotest.TestReader(b.Reader(), want); err != nil {
						t.Errorf("size %d memory %d: %v", size, memory, err)
					}
				})
			}
			wg.Wait()
			if err := errors.Join(b.Close(), b.Close()); err != nil {
				t.Error(err)
			}
			if _, err := b.ReadAt(make([]byte, 1), 0); err == nil || err == io.EOF {
				t.Errorf("read after Close: %v", err)
			}
			if _, err := b.Write([]byte("x")); err == nil {
				t.Error("write after Close")
			}
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestLimit(t *testing.T) {
	for _, memory := range []int{-1, 1 << 20} {
		b, err := ReadAll(bytes.NewReader(make([]byte, 1000)), Options{Memory: memory, Max: 1000, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Write([]byte{0}); err == nil {
			t.Error("one byte beyond Max")
		}
		b.Close()
		_, err = ReadAll(bytes.NewReader(make([]byte, 1001)), Options{Memory: memory, Max: 1000, Dir: t.TempDir()})
		if e, ok := errors.AsType[*TooLargeError](err); !ok || e.Max != 1000 {
			t.Errorf("got %v", err)
		}
	}
}

func TestReadError(t *testing.T) {
	boom := errors.New("boom")
	if _, err := ReadAll(io.MultiReader(bytes.NewReader(make([]byte, 10)), iotest.ErrReader(boom)), Options{}); !errors.Is(err, boom) {
		t.Error(err)
	}
	if _, err := ReadAll(bytes.NewReader(make([]byte, 10)), Options{Memory: -1, Dir: "/does/not/exist"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func BenchmarkReadAll(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		data := make([]byte, size)
		b.Run(map[bool]string{true: "memory", false: "file"}[size <= DefaultMemory], func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				buf, err := ReadAll(bytes.NewReader(data), Options{})
				if err != nil {
					b.Fatal(err)
				}
				buf.Close()
			}
		})
	}
}
