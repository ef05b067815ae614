// Package imapclient is the client side of IMAP: one connection, used by one goroutine at a time, without goroutines
// of its own. Every method takes a context, whose end ends the method.
//
//	C: a1 STARTTLS                              Dial: no way around TLS unless Options say so
//	C: a2 AUTHENTICATE PLAIN AGJv…              Authenticate(ctx, sasl.Credentials)
//	C: a3 SELECT INBOX                          Select
//	C: a4 UID FETCH 1:* (UID FLAGS BODY.PEEK[]) for m, err := range Fetch(ctx, uids, fields, Body(""))
//	S: * 1 FETCH (UID 7 FLAGS () BODY[] {9000000}
//	   …                                        m.Body(): an io.Reader on the connection, nothing is kept
//	S: * 2 FETCH (BODYSTRUCTURE (garbage        an *ItemError for this message, and on with the next
//	S: * 9 EXPUNGE                              Options.Unilateral
//	C: a5 IDLE                                  for event, err := range Idle(ctx)
//
// A SearchContext is a search whose results the server keeps up to date. A Follower watches a mailbox over as many connections as it
// takes, and tells what has changed meanwhile too. Watch tells of the counters of several mailboxes over one connection, by NOTIFY or by
// asking. Raw sends commands of
// one's own.
//
// Messages are named by UID. Names of mailboxes are UTF-8, whatever the server writes. What a server may send is
// bounded by Limits and by time: a server that sends one octet a minute, a line without end, or a literal of 2^63 octets
// gets a typed error and is left.
//
// Done: RFC 9051 and RFC 3501 as a client needs them, RFC 2177 (IDLE), 2342 (NAMESPACE), 2971 (ID), 3502 (MULTIAPPEND), 3691 (UNSELECT),
// 4315 (UIDPLUS), 4731 (ESEARCH), 4959 (SASL-IR), 4978 (COMPRESS), 5032 (WITHIN), 5161 (ENABLE), 5256 and 5957 (SORT, THREAD,
// SORT=DISPLAY), 5267 (ESORT, CONTEXT), 5258 and 5819 (LIST-EXTENDED, LIST-STATUS), 6154 (SPECIAL-USE), 6851 (MOVE), 7162 (CONDSTORE and QRESYNC), 7377 (MULTISEARCH),
// 7888 (LITERAL+ and LITERAL-), 8314 (TLS), 8437 (UNAUTHENTICATE), 8438 (STATUS=SIZE), 8474 (OBJECTID), 8508 (REPLACE), 8514
// (SAVEDATE), 8970 (PREVIEW), 9394 (PARTIAL), 9586 (UIDONLY), 9698 (JMAPACCESS), 9755 (UTF8=ACCEPT),
// 4314 and 8440 (ACL, LIST-MYRIGHTS), 9208 (QUOTA), 10022 (UIDBATCHES), 4469 (CATENATE), 5255 (LANGUAGE), 6203 (SEARCH=FUZZY), 5464 (METADATA), 5465 (NOTIFY), 9585 (INPROGRESS), 9738 (MESSAGELIMIT).
//
// Not done: referrals.
package imapclient
