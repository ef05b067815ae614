package imaptest_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

func TestMemory(t *testing.T) {
	imaptest.TestBackend(t, func(t *testing.T) (b imap.Backend, user, other string) {
		m := &imaptest.Memory{}
		m.AddUser("alice")
		m.AddUser("bob")
		return m, "alice", "bob"
	})
}
