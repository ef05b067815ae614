package spenttest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
)

// atEnv tells a child process of Processes where the store is.
const atEnv = "MAILBRICKS_SPENTTEST_AT"

// Processes spends the same stamps from two processes at once, a hundred calls for each stamp, and wants each spent once.
// at tells open where the store is: a path, an address. The processes are this test binary, running the test that calls
// Processes, and no other; there Processes does not return. So what comes before it must work in both.
//
//	func TestProcesses(t *testing.T) {
//		spenttest.Processes(t, func() string { return startServer(t) }, open)
//	}
func Processes(t *testing.T, start func() (at string), open func(t *testing.T, at string) hashcash.SpentStore) {
	t.Helper()
	if at := os.Getenv(atEnv); at != "" {
		spendAll(t, open(t, at))
		return
	}
	at := start()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	outs := make([]strings.Builder, 2)
	var wg sync.WaitGroup
	for i := range outs {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), atEnv+"="+at)
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Errorf("child: %v", err)
			}
		})
	}
	wg.Wait()
	for n := range processStamps {
		first := 0
		for i := range outs {
			first += strings.Count(outs[i].String(), fmt.Sprintf("first %d\n", n))
		}
		if first != 1 {
			t.Errorf("stamp %d: %d calls of two processes were told they are the first", n, first)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", outs[0].String(), outs[1].String())
	}
}

const processStamps = 20

// spendAll is what a child does.
func spendAll(t *testing.T, s hashcash.SpentStore) {
	expires := time.Now().Add(time.Hour)
	for n := range processStamps {
		var first atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				ok, err := s.Spend(t.Context(), fmt.Sprintf("1:20:261124:a@example.com::AAAA:%d", n), expires)
				if err != nil {
					t.Error(err)
				}
				if ok {
					first.Add(1)
				}
			})
		}
		wg.Wait()
		for range first.Load() {
			fmt.Printf("first %d\n", n)
		}
	}
}
