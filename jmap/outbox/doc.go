// Package outbox sends what is kept: the submissions of JMAP (RFC 8621 §7) that wait for their time, or for a next host
// that takes them.
//
//	EmailSubmission/set ─▶ store: kept, durable ─▶ Box.Send: handed over at once, or left to its time
//	                         ▲        │
//	     what came of it ────┘        └─ Queue.Due ─▶ one goroutine, asleep until the first is due ─▶ Submitter
//
// A submission is kept before it is handed over, and what came of it afterwards: after a crash in between it is handed over
// again, with the same ID (which a Submitter gives as ENVID), so that it may arrive twice but is never lost. What failed for
// now is tried again after a minute, then later and later, and given up after [GiveUpAfter]; recipients that were taken are
// not sent to again. Who cancels and who sends hold the submission, so that only one of them can.
//
// The times of RFC 4865 are kept here: the next host gets the message when it is to be released.
package outbox
