package mailstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// Durable appends of 4 KiB messages, all different, by so many producers.
func BenchmarkAppend(b *testing.B) {
	for _, producers := range []int{1, 8, 50} {
		b.Run(fmt.Sprintf("durable-%d", producers), func(b *testing.B) {
			benchmarkAppend(b, openDir(b, b.TempDir(), Options{}), producers)
		})
	}
	b.Run("memory-8", func(b *testing.B) {
		s, err := OpenMemory(Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		benchmarkAppend(b, s, 8)
	})
}

func benchmarkAppend(b *testing.B, s *Store, producers int) {
	var accounts []*imap.Account
	for i := range min(producers, 8) {
		accounts = append(accounts, user(b, s, fmt.Sprint("user", i)))
	}
	text := strings.Repeat("The quick brown fox jumps over the lazy dog, once more.\r\n", 4096/57)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for p := range producers {
		wg.Go(func() {
			a := accounts[p%len(accounts)]
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				body := letter(fmt.Sprint(n), fmt.Sprint("letter ", n), text)
				if _, err := a.Appender.Append(b.Context(), "INBOX", []imap.AppendMessage{{Size: int64(len(body)), Body: strings.NewReader(body)}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkMessages(b *testing.B) {
	s := openDir(b, b.TempDir(), Options{})
	a := user(b, s, "alice")
	const n = 5000
	var bodies []string
	for i := range n {
		bodies = append(bodies, letter(fmt.Sprint(i), fmt.Sprint("letter ", i), "text\r\n"))
	}
	add(b, a, "INBOX", bodies...)
	m := box(b, a, "INBOX")
	for name, want := range map[string]imap.Fields{
		"flags": imap.FieldFlags, "envelope": imap.FieldFlags | imap.FieldEnvelope | imap.FieldStructure | imap.FieldSize | imap.FieldInternalDate,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := len(list(b, m, imap.AllUIDs(), want)); got != n {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			list(b, m, imap.UIDSet{{First: 2500, Last: 2500}}, imap.FieldFlags)
		}
	})
	b.Run("body", func(b *testing.B) {
		for b.Loop() {
			read(b, m, 2500)
		}
	})
}

// BenchmarkMailbox reads 500 messages of 4 KiB, one after another.
func BenchmarkMailbox(b *testing.B) {
	s := openDir(b, b.TempDir(), Options{})
	a := user(b, s, "alice")
	const n = 500
	var bodies []string
	for i := range n {
		bodies = append(bodies, letter(fmt.Sprint(i), fmt.Sprint("letter ", i), strings.Repeat("The quick brown fox jumps over the lazy dog, once more.\r\n", 4096/57)))
	}
	add(b, a, "INBOX", bodies...)
	m := box(b, a, "INBOX")
	b.Run("bodies", func(b *testing.B) {
		for b.Loop() {
			for u := range n {
				read(b, m, imap.UID(u+1))
			}
		}
	})
	b.Run("store", func(b *testing.B) {
		for i := range 2 * b.N {
			c := imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}}
			if i%2 == 1 {
				c.Op = imap.FlagsRemove
			}
			if done, err := a.Flagger.StoreFlags(b.Context(), "INBOX", imap.AllUIDs(), c, 1<<62); err != nil || done.Changed.Len() != n {
				b.Fatal(done, err)
			}
		}
	})
}
