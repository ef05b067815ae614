// Package report reads and writes what receivers tell a domain about mail in its name: aggregate reports, one a day, and
// failure reports, one a message.
//
//	_dmarc.example.com. TXT "v=DMARC1; p=reject; rua=mailto:agg@example.com; ruf=mailto:fail@example.org"
//	                                                  │                          │
//	Destinations: may these get reports?        same domain: yes     TXT example.com._report._dmarc.example.org ?
//
//	<feedback> policy_published, and a record for each source and outcome      aggregate: XML, in gzip, by mail
//	  <record> 192.0.2.1, 123 messages, dkim=pass spf=fail ... </record>
//
//	multipart/report; report-type=feedback-report                              failure: what failed, and of which message
//
// A report is written by a stranger and says what he likes: [Read] takes it within limits (size, ratio of compression,
// number of records, no document type), whatever its packing (gzip, zip, or the mail that carried it) and its charset, and
// lists what is wrong with it. Who sent it is for package auth to say (RFC 9990 §3.5.2 asks for DMARC pass).
// [Writer] writes a report record by record, so that its size does not matter.
//
// RFC 9990 and RFC 9991 (Proposed Standard) are done, with the reports of RFC 7489 appendix C and the fields of RFC 6591
// that occur. Elements of extensions are skipped. Not done: sending, keeping account between reports, limits on the rate of
// failure reports (RFC 9991 §2), whose parts of a message are kept is the caller's choice too.
package report
