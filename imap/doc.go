// Package imap is the grammar of IMAP and its vocabulary: parse, append, compare, and the seam that a store of mail
// implements (Backend). It neither dials nor listens; imapserver and imapclient are built on it, pop3 shares the seam.
//
//	C: a1 SELECT INBOX            Decoder: Atom, Astring, EOL       → imapserver
//	S: * 2 EXISTS
//	C: a2 UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (FROM)])      ParseSequenceSet, FetchItems
//	S: * 1 FETCH (UID 7 FLAGS (\Seen) BODY[HEADER.FIELDS (FROM)] {27}
//	   From: alice@example.com
//
//	   )                          AppendFlags, Section.Extract       → imapclient: the same Decoder
//	S: a2 OK done
package imap
