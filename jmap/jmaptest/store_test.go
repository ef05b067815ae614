package jmaptest_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func TestStore(t *testing.T) {
	jmaptest.TestStore(t, func(_ *testing.T, users ...string) mail.Backend {
		s := jmaptest.NewStore(users...)
		s.Limit(users[0], 10<<20, 10_000)
		return s
	})
}
