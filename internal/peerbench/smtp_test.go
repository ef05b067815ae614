package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain is the process of a server where it is started as one.
func TestMain(m *testing.M) {
	if name := os.Getenv(serveEnv); name != "" {
		if err := serve(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestSMTP sends to both servers in each way.
func TestSMTP(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-run", "smtp server", "-rounds", "1", "-o", ""}, &out); err != nil {
		t.Fatal(err)
	}
	if table := out.String(); strings.Count(table, "| mailbricks |") != 8 || strings.Count(table, "| go-smtp ") != 8 {
		t.Errorf("table:\n%s", table)
	}
}

// TestSMTPClient sends with both clients.
func TestSMTPClient(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-run", "smtp client", "-rounds", "1", "-o", ""}, &out); err != nil {
		t.Fatal(err)
	}
	if table := out.String(); strings.Count(table, "| mailbricks |") != 2 || strings.Count(table, "| go-smtp ") != 2 {
		t.Errorf("table:\n%s", table)
	}
}
