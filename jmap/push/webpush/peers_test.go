package webpush

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/internal/suites"
)

// TestHTTPECE: http_ece reads what Encrypt writes, and Decrypt what http_ece writes, padded.
func TestHTTPECE(t *testing.T) {
	program := suites.Node(t, "testdata/httpece")
	r, err := NewReceiver(nil)
	if err != nil {
		t.Fatal(err)
	}
	var input strings.Builder
	message := func(i int) string { return strings.Repeat("é", i*10) + "!" }
	const n = 100
	for i := range n {
		body, err := r.Keys().Encrypt(nil, []byte(message(i)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&input, encode(body))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key, auth := r.Secrets()
	cmd := exec.CommandContext(ctx, program, "testdata/httpece/peer.cjs", key, auth)
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	answers := strings.Fields(string(out))
	if len(answers) != n {
		t.Fatalf("%d answers", len(answers))
	}
	for i, a := range answers {
		if got, err := r.Decrypt(unbase(t, a)); err != nil || string(got) != message(i) {
			t.Errorf("%d: %q, %v", i, got, err)
		}
	}
}
