// Package tlsrpt reads and writes reports about TLS between mail servers: where a domain wants them sent, and what they
// say.
//
//	_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:tls@example.com"     the record
//
//	{"organization-name": "Example Net", "date-range": {...},                the report: one day of sessions to
//	 "policies": [{"policy": {"policy-type": "sts", ...},                    the domain, counted by policy and by
//	               "summary": {"total-successful-session-count": 5326, ...}, what went wrong
//	               "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 100}]}]}
//
// [Lookup] finds the record. [Report.Count] counts sessions, [Report.Append] and [Report.AppendMessage] write what is
// sent. [Read] and [ReadMessage] read what has come, compressed or not, within limits: reports are written by strangers.
//
// RFC 8460 (Proposed Standard): record, report, file name and message are done. Not done: sending (a message is what
// package smtp sends, an HTTPS POST what net/http does; RFC 8460 §5.3 wants the message signed by DKIM, and lets no TLS
// failure hold it up), waiting and trying again (§4.1, §5.5).
package tlsrpt
