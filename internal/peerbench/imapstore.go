package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/mailbricks/mailbricks/internal/suites"
)

// imapStoreRows ask servers that keep mail on the disk and say so only once it is there: program store and Dovecot with
// a Maildir.
func imapStoreRows() ([]row, error) {
	letter := imapLetter(1)
	var jobs []imapJob
	const each = 8
	jobs = append(jobs, imapJob{name: "append 64 of 4 KiB over 8 connections, wall clock", conns: 8, wall: true, run: func(c *imapConn, _ int) error {
		for range each {
			if err := c.append("Drop", letter); err != nil {
				return err
			}
		}
		return nil
	}})
	for _, j := range imapJobs() {
		switch j.name {
		case "store one flag", "store 500 flags":
			j.wall, j.name = true, j.name+", wall clock"
			jobs = append(jobs, j)
		case "copy 500", "expunge", "append 4 KiB":
		default:
			jobs = append(jobs, j)
		}
	}
	peers := []*imapPeer{{title: "mailbricks store", program: true, open: openStore}, {title: "Dovecot with mail_fsync=always", program: true, open: openDovecot}}
	return imapRowsOf("imap store ", jobs, peers), nil
}

// openStore builds program store and starts it on an empty folder.
func openStore() (*imapServer, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	pid, stop, err := startStore([]string{addr}, "-user", imapUser+":"+imapPassword, "-imap", addr)
	if err != nil {
		return nil, err
	}
	return &imapServer{addr: addr, user: imapUser, password: imapPassword, used: treeUsed(pid), stop: stop}, nil
}

// startStore builds program store and starts it on an empty folder. It returns when it listens on all addresses.
func startStore(addrs []string, args ...string) (pid int, stop func(), err error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return 0, nil, errors.New("where are the sources?")
	}
	dir, err := os.MkdirTemp("", "peerbench")
	if err != nil {
		return 0, nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	program := filepath.Join(dir, "store")
	build := exec.Command("go", "build", "-o", program, "./store")
	build.Dir = filepath.Join(filepath.Dir(file), "../../examples")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, nil, fmt.Errorf("go build ./store: %w: %s", err, out)
	}
	cmd := exec.Command(program, append([]string{"-data", filepath.Join(dir, "data"), "-allow-plaintext-auth"}, args...)...)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return 0, nil, err
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	for _, addr := range addrs {
		if err := await(addr); err != nil {
			text, _ := os.ReadFile(log.Name())
			stop()
			return 0, nil, fmt.Errorf("store: %w: %s", err, text)
		}
	}
	return cmd.Process.Pid, stop, nil
}

func openDovecot() (*imapServer, error) {
	d, err := suites.StartDovecot(suites.DovecotOptions{Sync: true, Plaintext: true})
	if err != nil {
		return nil, err
	}
	return &imapServer{addr: d.IMAP, user: d.User, password: d.Password, used: treeUsed(d.Process()), stop: d.Close}, nil
}

// treeUsed counts the CPU time of a process and all below it. Nobody counts their allocations.
func treeUsed(pid int) func() (cpu time.Duration, mallocs, size uint64, err error) {
	return func() (time.Duration, uint64, uint64, error) {
		cpu, err := treeCPU(pid)
		return cpu, 0, 0, err
	}
}
