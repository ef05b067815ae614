// Package milter speaks the protocol between an MTA and its mail filters, that of Sendmail and Postfix, both ways: a Filter
// puts a milter of others in front of an smtp.Handler, a Server offers a Checker to an MTA of others.
//
//	Filter.Handler(next)                          the milter, or a Server in front of a Checker
//	  O version, actions, steps  ──▶  ◀──  O version, actions, steps
//	  C host, family, port, address ──▶  ◀──  c continue | a accept | r reject | t try again | y "550 5.7.1 ..." | d discard
//	  H name        ──▶  ◀──  ...
//	  M <a@example.org> SIZE=...   ──▶  ◀──  ...               Checker.Mail
//	  R <b@example.com> NOTIFY=... ──▶  ◀──  ...               Transaction.Rcpt
//	  T (DATA)      ──▶  ◀──  ...
//	  L field, one a packet ──▶  ◀──  ...
//	  N end of the header   ──▶  ◀──  ...
//	  B up to 65535 octets of the body ──▶  ◀──  ... | s skip the rest
//	  E end of the message  ──▶  ◀──  h i m + - 2 e b q what is to be changed, p working on it,
//	                                  and then one of the answers above      Transaction.Check → Changes
//
// A packet is its length in four octets, one that says what it is, and the rest. D, before each step, carries macros: the
// name of this host, the number of the message, who has logged in.
//
// A Filter opens a connection for each transaction and tells next of a message only when the milter has seen all of it. Of
// what the milter wants changed, header fields, body, sender and recipients are.
//
// There is no RFC: the protocol is that of libmilter, documented by Sendmail's and Postfix's sources. Done: version 6, and
// 2 to 5 as a subset; all steps but U (unknown commands) and A (a Filter has one message a connection; a Server knows it);
// all changes. Symbol lists are not obeyed: the macros of each step are always sent. A Server does not say that it is
// working on it: a Check has the time that the MTA gives (Postfix: milter_content_timeout, 300 s).
package milter
