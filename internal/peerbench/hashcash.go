package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
)

// hashcashBits is the price of the stamps that are minted, and the attempts that an operation stands for are 2^hashcashBits:
// luck is taken out of the figures, for both by the attempts that were made.
const hashcashBits = 22

// hashcashRows mint stamps with each kernel on one core, beside the hashcash program of the format's author, which runs as a
// process of its own, its start counted. Without that program there are no rows.
func hashcashRows() ([]row, error) {
	path, err := exec.LookPath("hashcash")
	if err != nil {
		return nil, nil
	}
	version, err := exec.Command(path, "-V").CombinedOutput()
	name := "hashcash"
	if m := regexp.MustCompile(`[0-9]+\.[0-9]+`).Find(version); m != nil {
		name += " " + string(m)
	} else if err != nil {
		return nil, fmt.Errorf("hashcash -V: %w", err)
	}
	var rows []row
	for _, k := range hashcash.Kernels() {
		rows = append(rows, row{fmt.Sprintf("hashcash mint %d bits, %s", hashcashBits, k), []impl{
			hashcashImpl("mailbricks", func() (uint64, time.Duration, error) { return mintOurs(k) }),
			hashcashImpl(name, func() (uint64, time.Duration, error) { return mintTool(path) }),
		}})
	}
	return rows, nil
}

// hashcashImpl counts the CPU time that mint reports, brought to the mean number of attempts.
func hashcashImpl(name string, mint func() (attempts uint64, cpu time.Duration, err error)) impl {
	var total time.Duration
	return impl{
		name: name,
		start: func() (func() error, error) {
			return func() error {
				attempts, cpu, err := mint()
				if err == nil {
					total += time.Duration(float64(cpu) * (1 << hashcashBits) / float64(attempts))
				}
				return err
			}, nil
		},
		cpu: func() (time.Duration, error) { return total, nil },
	}
}

func mintOurs(kernel string) (uint64, time.Duration, error) {
	before, err := processCPU()
	if err != nil {
		return 0, 0, err
	}
	s, err := hashcash.Minter{Bits: hashcashBits, Workers: 1, Kernel: kernel}.Mint(context.Background(), "bob@example.com", "")
	if err != nil {
		return 0, 0, err
	}
	if s.Value() != hashcashBits {
		return 0, 0, fmt.Errorf("%s is worth %d bits", s, s.Value())
	}
	after, err := processCPU()
	var counter uint64 // counts from 0, in base 64
	for _, c := range s.Counter {
		counter = counter<<6 + uint64(strings.IndexRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", c))
	}
	return counter + 1, after - before, err
}

var toolTries = regexp.MustCompile(`(?m)^tries: ([0-9]+)`)

func mintTool(path string) (uint64, time.Duration, error) {
	cmd := exec.Command(path, "-v", "-m", "-b", strconv.Itoa(hashcashBits), "bob@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("hashcash: %w: %s", err, out)
	}
	m := toolTries.FindSubmatch(out)
	if m == nil {
		return 0, 0, fmt.Errorf("hashcash does not tell its tries: %s", out)
	}
	tries, err := strconv.ParseUint(string(m[1]), 10, 64)
	return tries, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}
