// Package message finds its way through what SMTP carries: the fields and the MIME parts of a message, by byte
// offset, in one pass, without copying or decoding anything. IMAP, JMAP and stores that parse once share it.
//
//	Parts[0]  multipart/mixed                 Start ── From: a@example.com
//	                                                   Content-Type: multipart/mixed; boundary=b
//	                                      BodyStart ── preamble
//	                                                   --b
//	Parts[1]  ├─ text/plain                   Start ── Content-Type: text/plain
//	          │                           BodyStart ── Hello.
//	          │                                 End ── --b
//	Parts[2]  └─ message/rfc822                        Content-Type: message/rfc822
//	Parts[3]     └─ text/plain (the message in it)     Subject: hi ...
//	                                                   --b--
//
// Any bytes are a message: Parse never fails. What it makes of malformed input is written on Parse. Lines end in LF
// with or without CR before it.
//
// RFC 5322 §2.2 (fields, folding), RFC 2045 §5 (Content-Type), RFC 2046 §5 (multipart, message/rfc822), RFC 2183
// (Content-Disposition), RFC 2231 §3 and §4 (parameter continuations and charsets), RFC 6532 §3.7 (message/global).
// Not here: content-transfer-encodings, encoded words, charsets.
package message
