package jmaptest_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func TestStore(t *testing.T) {
	jmaptest.TestStore(t, func(_ *testing.T, users ...string) mail.Backend { return jmaptest.NewStore(users...) })
}
