// Package imap is the grammar of IMAP and its vocabulary: parse, append, compare, and the seam that a store of mail
// implements (Backend). It neither dials nor listens; imapserver and imapclient are built on it, pop3 shares the seam.
//
//	C: a1 SELECT INBOX            Decoder: Tag, Keyword, Astring, EOL       → imapserver
//	S: * 2 EXISTS
//	C: a2 UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (FROM)])      Decoder: SequenceSet, FetchItems
//	S: * 1 FETCH (UID 7 FLAGS (\Seen) BODY[HEADER.FIELDS (FROM)] {27}
//	   From: alice@example.com
//
//	   )                          AppendFlags, Section.Extract              → imapclient: the same Decoder
//	C: a3 SEARCH UNSEEN SUBJECT x                                    Decoder: SearchKeys; SearchCriteria.Match
//	S: a2 OK done                 AppendStatus, Decoder.Status
//
// One Decoder reads commands and responses: lines, tokens and literals, all bounded. What it reads is checked against the
// grammar of RFC 9051 §9 and RFC 3501 §9; the errors are *SyntaxError and *LimitError. Every element has its own file.
//
// Done: the grammar of RFC 9051 and RFC 3501 (modified UTF-7, FETCH, SEARCH, STATUS, LIST patterns, status responses), and
// what these add to it: RFC 3516 (BINARY), 4315 (UIDPLUS), 4466 (as far as ESEARCH needs it), 4731 (ESEARCH), 5032 (WITHIN),
// 5182 ($), 5256 (SORT and THREAD), 5267 (updates of searches), 5957 (SORT=DISPLAY), 6154 (SPECIAL-USE), 7162 (mod-sequences), 7377 (sources of searches), 7888 (LITERAL+), 8474
// (OBJECTID), 8514 (SAVEDATE), 8970 (PREVIEW), 9208 (QUOTA), 5464 (METADATA), 5465 (NOTIFY), 2342 (NAMESPACE), 4314 (ACL), 4469 and 5092 (URLs of messages), 9394 (PARTIAL), 6203 (FUZZY), 10022 (UIDBATCHES). A SearchCriteria tests a
// message without an index: encoded words, content-transfer-encodings and charsets decoded, and what is decoded compared by the
// collation i;unicode-casemap (RFC 5051, as RFC 5255 §4 wants it).
//
// An Account may show mailboxes of other users, below OtherUsers (RFC 2342). What RFC 4314 §4 lets a user do with them is decided in one
// place, Enforce, which a Backend wraps its accounts with; servers do not look at rights, but to tell of them.
package imap
