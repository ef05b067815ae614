// Package jmaptest is mail in memory for tests of JMAP servers and clients: a small, complete implementation of the
// roles of package mail, with threads, states, changes and a change feed. Nothing is kept when the process ends.
package jmaptest
