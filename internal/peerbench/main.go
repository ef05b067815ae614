package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"time"
)

// timeLimit bounds a run: no round is begun after it.
const timeLimit = 100 * time.Second

func main() {
	if name := os.Getenv(serveEnv); name != "" {
		if err := serve(name); err != nil {
			fmt.Fprintln(os.Stderr, "peerbench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("peerbench", flag.ContinueOnError)
	pattern := flags.String("run", "", "measure only the rows whose name matches this regular expression")
	rounds := flags.Int("rounds", 9, "rounds, fewer if they take longer than 100 s")
	plot := flags.String("o", "", "file of the plot; peerbench.svg without -run, else none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	if *plot == "" && *pattern == "" {
		*plot = "peerbench.svg"
	}
	if *rounds < 1 || flags.NArg() > 0 {
		return fmt.Errorf("usage: peerbench [-run REGEXP] [-rounds N] [-o FILE]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	var rows []row
	for _, family := range families() {
		more, err := family()
		if err != nil {
			return err
		}
		for _, r := range more {
			if match.MatchString(r.name) {
				rows = append(rows, r)
			}
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("no row matches %q", *pattern)
	}
	results, err := measure(ctx, rows, *rounds)
	if err != nil {
		return err
	}
	caption := fmt.Sprintf("%s, %s/%s, %d CPUs, %d rounds, CPU time of the process", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), len(results[len(results)-1].samples[0]))
	if _, err := fmt.Fprintf(stdout, "%s\n\n", caption); err != nil {
		return err
	}
	if err := writeTable(stdout, results); err != nil {
		return err
	}
	if *plot == "" {
		return nil
	}
	return os.WriteFile(*plot, appendPlot(nil, results, caption), 0o644)
}
