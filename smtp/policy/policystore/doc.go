// Package policystore keeps what package policy must remember: whom the users of a host know (policy.Relations), and the
// capabilities that others gave to them (policy.Wallet). In memory, or in one file that processes share. Package policytest
// is the suite for stores elsewhere.
package policystore
