// Package authres reads and writes the Authentication-Results field: what a host found out about a message, told to
// those behind it.
//
//	Authentication-Results: mx.example.org;              authserv-id: who says so
//	 spf=pass smtp.mailfrom=ann@example.com;             one entry a check: method=result
//	 dkim=pass header.d=example.com header.s=nov;        ptype.property=value: what was looked at
//	 dkim=fail reason="body has changed" header.d=list.example.net
//
// Every check of this project appends its own entry (AppendResult); [Append] joins entries of any origin into a field,
// folded. [Parse] reads a field, whoever wrote it.
//
// The field is worth what its writer is worth: a border host takes away those that claim its own name ([Strip]) before
// it adds one, and a reader believes only names that its own border takes away.
//
// RFC 8601 is done: comments wherever the grammar has them, any method, any ptype, versions, quoted strings with
// UTF-8. Comments are skipped. What is read beyond the grammar, because it is met: characters in values that would
// need quotes, properties without ptype ("action=none"), an empty entry.
package authres
