package main

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// A row is one piece of work that several implementations do.
type row struct {
	name  string // what -run matches: "dkim verify rsa2048 1 MiB"
	impls []impl // the first is ours, the others are compared with it
}

// An impl is one implementation of a row's work.
type impl struct {
	name string
	// floor marks what is no peer but a bound: the least that any implementation must do.
	floor bool
	// start prepares the work. op does it once and says whether it came out right.
	start func() (op func() error, err error)
	// cpu is the CPU time used so far by whoever does the work; nil: this process. A peer that is a program has its own.
	cpu func() (time.Duration, error)
	// memory is the allocations and octets so far of whoever does the work; nil: this process.
	memory func() (mallocs, size uint64, err error)
	// program says that it is no Go program, whose allocations nobody counts.
	program bool
	// stop ends what start began; nil: nothing.
	stop func()
}

// families are the functions that make the rows, one a family.
func families() []func() ([]row, error) {
	return []func() ([]row, error){dkimRows, arcRows, spfRows, dmarcRows, authresRows, smtpRows, smtpClientRows, imapRows, imapStoreRows, jmapRows, jmapPushRows, hashcashRows}
}

// version returns "name vX" for a Go module that this program is built with.
func version(name, module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == module {
				return fmt.Sprintf("%s %s", name, strings.TrimPrefix(d.Version, "v"))
			}
		}
	}
	return name
}
