package jmaptest_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/push"
)

func TestSubscriptions(t *testing.T) {
	jmaptest.TestSubscriptions(t, func(*testing.T) push.SubscriptionStore { return new(push.Memory) }, nil)
}
