// Package jmaptest is mail in memory for tests of JMAP servers and clients: a small, complete implementation of the
// roles of package mail, with threads, states, changes and a change feed. Nothing is kept when the process ends.
//
// Who writes a store runs TestStore over its roles, and TestQueries over a server of it:
//
//	mail.Backend ── TestStore      records, sets, changes in pages, windows of queries, blobs, the Watcher
//	     │
//	http.Handler ── TestQueries    Email/query and Email/queryChanges against a naive model, over random histories
package jmaptest
