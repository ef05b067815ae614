package imap_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

func TestMessageLimit(t *testing.T) {
	for _, l := range []imap.MessageLimit{{Messages: 1000, Lowest: 23221}, {Messages: 1000}, {Messages: 1<<32 - 1, Lowest: 1<<32 - 1}} {
		if got, err := imap.ParseMessageLimit(l.String()); err != nil || got != l {
			t.Errorf("%v: %v, %v", l, got, err)
		}
	}
	for _, args := range []string{"", "0", "*", "x", "1000 ", "1000 0", "1000 *", "1000 x", "1000 1 2", "1000,1", "01000 1x", "4294967296", "1000 4294967296", "-1"} {
		if l, err := imap.ParseMessageLimit(args); err == nil || l != (imap.MessageLimit{}) {
			t.Errorf("%q: %v, %v", args, l, err)
		}
	}
}
