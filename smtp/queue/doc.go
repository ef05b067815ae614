// Package queue keeps mail until the next hop has taken it. A Queue is an smtp.Handler: what it has acknowledged is on
// durable storage. Run sends it on through another smtp.Handler, usually the router of package smtp/route.
//
//	server ── Mail, Rcpt, Data ──> Queue.Mail ── Put ──> Spool        250 2.0.0 Queued as ID
//	                                                       │
//	Run:  Claim what is due ──> group the recipients by domain ──> smtp.Deliver(Next)
//	      a reply for each recipient:  2yz done · 4yz again, later · 5yz failed, expired
//	      Settle: the new state, or nothing left; at the end one notification to the sender
//
// Followed are RFC 5321 §4.5.4 (retry and expiry), §4.5.5 (no notification to <>), §6.1 (responsibility), RFC 3461 §5
// (NOTIFY, RET, ENVID, ORCPT; relayed to a host without DSN), RFC 2852 (DELIVERBY), RFC 4865 (FUTURERELEASE, with
// its quotas), RFC 6710 (MT-PRIORITY: what is due, and what waits for a slot, goes by priority), RFC 3464 through package
// smtp/dsn, RFC 8689 §5 (REQUIRETLS stays on notifications).
//
// Nothing acknowledged is lost: a message leaves the Spool after every recipient was settled, and after the
// notification, where one is due, has been stored itself. What can happen is that a message comes twice: if the process
// ends between the next hop's 250 and Settle. Its Message-ID is then the same, also for notifications.
//
// The Spool is an interface. Dir keeps a queue in one directory; package queuetest holds others to the rules.
package queue
