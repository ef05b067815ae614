package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
)

func TestUsage(t *testing.T) {
	clitest.Usage(t, "firstcontact", run, []string{"operand"}, []string{"-bits", "0"}, []string{"-bits", "41"})
}

// TestTooDear: what Ann's host does not pay, nobody reads.
func TestTooDear(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-bits", "30"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if first, _, ok := strings.Cut(out.String(), "Bob accepts"); !ok || !strings.Contains(first, "bits=30") || strings.Contains(first, "in the mailbox") {
		t.Errorf("%s", first)
	}
}

// TestWalk: what is printed is the walk, in this order.
func TestWalk(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, want := range []string{
		`Ann writes to Bob`,
		`<- 550-5\.7\.1 Unknown sender, capability not established`,
		`<- 550 5\.7\.1 Postage: scheme=hashcash; bits=20; resource=bob@b\.example`,
		`-> RCPT TO:<bob@b\.example> POSTAGE=1:20:`,
		`in the mailbox of bob@b\.example: Mailbricks-Decision: class=request; postage=20\n`,
		`Bob accepts`,
		`-> RCPT TO:<ann@a\.example> CAP=`,
		`in the mailbox of ann@a\.example: Mailbricks-Decision: class=trusted; channel=`,
		`Ann writes again`,
		`-> RCPT TO:<bob@b\.example> CAP=`,
		`in the mailbox of bob@b\.example: Mailbricks-Decision: class=trusted; channel=`,
		`Bob takes it back`,
		`-> RCPT TO:<bob@b\.example> CAP=`,
		`<- 550 5\.7\.1 Unknown sender, capability not established\n`,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %s after the one before in:\n%s", want, &out)
		}
		rest = rest[at[1]:]
	}
	if bytes.Contains(out.Bytes()[len(out.String())-len(rest):], []byte("in the mailbox")) {
		t.Errorf("taken after the end:\n%s", &out)
	}
}
