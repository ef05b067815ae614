package linelog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// words is a state of distinct words; "-word" takes one away.
type words struct{ have []string }

func (w *words) Reset() { w.have = nil }

func (w *words) Apply(line []byte) error {
	word, gone := strings.CutPrefix(string(line), "-")
	if word == "bad" {
		return errors.New("a bad line")
	}
	if gone {
		w.have = slices.DeleteFunc(w.have, func(s string) bool { return s == word })
	} else {
		w.have = append(w.have, word)
	}
	return nil
}

func (w *words) Compact() ([]byte, bool) {
	var b bytes.Buffer
	for _, s := range w.have {
		fmt.Fprintln(&b, s)
	}
	return b.Bytes(), slices.Contains(w.have, "compact")
}

func open(t *testing.T, path string) (*Log, *words) {
	t.Helper()
	w := &words{}
	l, err := Open(path, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, w
}

func add(t *testing.T, l *Log, w *words, word string) bool {
	t.Helper()
	added := false
	err := l.Update(func() ([]byte, error) {
		if slices.Contains(w.have, word) {
			return nil, nil
		}
		added = true
		return []byte(word), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l1, w1 := open(t, path)
	l2, w2 := open(t, path)
	if !add(t, l1, w1, "a") || add(t, l2, w2, "a") || !add(t, l2, w2, "b") || add(t, l1, w1, "b") {
		t.Error("two logs of one file do not see each other")
	}
	// One word is added once, whoever asks.
	var wg sync.WaitGroup
	count := make(chan int, 20)
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 0 && add(t, l1, w1, "c") || i%2 == 1 && add(t, l2, w2, "c") {
				count <- i
			}
		})
	}
	wg.Wait()
	if len(count) != 1 {
		t.Errorf("one word was added %d times", len(count))
	}
}

func TestCompactAndFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l1, w1 := open(t, path)
	add(t, l1, w1, "a")
	add(t, l1, w1, "-a")
	add(t, l1, w1, "compact")
	l2, w2 := open(t, path) // writes the file anew
	if b, err := os.ReadFile(path); err != nil || string(b) != "compact\n" {
		t.Errorf("%q, %v", b, err)
	}
	if !add(t, l1, w1, "b") || add(t, l2, w2, "b") || !slices.Equal(w1.have, []string{"compact", "b"}) {
		t.Errorf("the log of the old file did not follow: %v, %v", w1.have, w2.have)
	}
}

func TestTornAndForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("a\nhalf a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, w := open(t, path)
	add(t, l, w, "b")
	if b, _ := os.ReadFile(path); string(b) != "a\nb\n" {
		t.Errorf("after a torn line: %q", b)
	}
	for _, content := range []string{"a\nbad\n", strings.Repeat("x", MaxLine+5) + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := Open(path, &words{}); err == nil {
			l.Close()
			t.Errorf("%.10q was opened", content)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "log"), &words{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestUpdateRefuses(t *testing.T) {
	l, _ := open(t, filepath.Join(t.TempDir(), "log"))
	want := errors.New("no")
	if err := l.Update(func() ([]byte, error) { return nil, want }); !errors.Is(err, want) {
		t.Error(err)
	}
	if err := l.Update(func() ([]byte, error) { return make([]byte, MaxLine+1), nil }); err == nil {
		t.Error("a line that is too long was written")
	}
	l.Close()
	if err := l.Update(func() ([]byte, error) { return []byte("x"), nil }); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}
