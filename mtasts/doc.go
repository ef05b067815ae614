// Package mtasts is MTA-STS: how a domain says that its mail must come over TLS to hosts that it names.
//
//	_mta-sts.example.com. TXT "v=STSv1; id=20160831085700Z;"        the record: there is a policy, and which
//
//	GET https://mta-sts.example.com/.well-known/mta-sts.txt         the policy
//	version: STSv1
//	mode: enforce
//	mx: mail.example.com
//	mx: *.example.net
//	max_age: 604800
//
// A Fetcher looks up the record, gets the policy, and keeps it in a Cache for max_age; a domain whose policy cannot be
// had just now goes on under the one that was cached. Policy.Match says whether a host of the MX set may take the
// mail; the sender then asks for a certificate valid for that name (RFC 8461 §4.2).
//
// RFC 8461 (Proposed Standard): record, policy, fetching, matching and the cache are done. What a sender does with a
// failure is in package smtp/route; reports about failures (RFC 8460) are package mtasts/tlsrpt.
package mtasts
