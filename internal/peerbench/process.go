package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// treeCPU returns the CPU time of a process and of those below it that live.
func treeCPU(pid int) (time.Duration, error) {
	var cpu time.Duration
	for pids := []int{pid}; len(pids) > 0; {
		pid, pids = pids[0], pids[1:]
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
		if err != nil || len(tasks) == 0 {
			return 0, fmt.Errorf("process %d: no tasks", pid)
		}
		for _, t := range tasks {
			b, err := os.ReadFile(t + "/schedstat")
			if errors.Is(err, os.ErrNotExist) { // it has ended meanwhile
				continue
			}
			var ns int64
			if _, err := fmt.Sscan(string(b), &ns); err != nil {
				return 0, err
			}
			cpu += time.Duration(ns)
			children, _ := os.ReadFile(t + "/children")
			for c := range strings.FieldsSeq(string(children)) {
				var child int
				if _, err := fmt.Sscan(c, &child); err != nil {
					return 0, err
				}
				pids = append(pids, child)
			}
		}
	}
	return cpu, nil
}
