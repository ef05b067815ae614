// Package imaptest is for those who implement or use imap.Backend: a backend in memory, a suite that every backend should
// pass, and tests for a server: Dialogue, which plays a script, Stress, and Contexts for searches that are kept up to date.
//
//	func TestBackend(t *testing.T) {
//		imaptest.TestBackend(t, func(t *testing.T) (b imap.Backend, user, other string) {
//			return newStore(t), "alice", "bob" // users without mail
//		})
//	}
//
//	imaptest.Dialogue(t, dial, "S: * OK ...\nC: a NOOP\nS: a OK ...\n")
//	imaptest.Stress(t, dial, imaptest.StressOptions{User: "alice", Password: "secret"})
//
// Memory is the reference: it has every role, and shows in few lines what each method of the seam has to do. It keeps
// everything in memory and forgets it with the process, so it is for tests.
package imaptest
