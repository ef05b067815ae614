// Package dsn builds and parses delivery status notifications, the messages that tell a sender what became of a
// message, and message disposition notifications (MDN), which tell what the recipient did with it.
//
//	From: Mail Delivery System <mailer-daemon@mx.example.com>
//	To: <alice@example.com>
//	Auto-Submitted: auto-replied
//	Content-Type: multipart/report; report-type=delivery-status; boundary=B
//
//	--B  text/plain                    what happened, for people
//	--B  message/delivery-status       what happened, for programs: one block for the message,
//	                                   one block for each recipient
//	--B  text/rfc822-headers           the header of the message, or all of it (message/rfc822)
//	--B--
//
// RFC 3464 (format) and RFC 6522 (multipart/report) are implemented for writing and reading; of RFC 3461 the rules on
// when to notify (§4.1, §5.2). RFC 3834 §5: what is sent is marked Auto-Submitted, and a null reverse-path is never
// notified. RFC 6533: the SMTPUTF8 forms of all three parts, and the address type utf-8 in both. Extension fields are
// skipped when parsing. Not here: who sends the notification, and when (smtp/queue).
//
// An MDN (RFC 8098) is such a report too, with message/disposition-notification in the middle; see MDN, ParseMDN and
// Receipt. Its global form (RFC 6533) is read, not written.
package dsn
