// Package auth runs the checks of who a message is from over one pass of it, with one budget: SPF, DKIM, ARC and
// DMARC together, each question to DNS asked once, all of them on record.
//
//	connection  192.0.2.7, EHLO mail.example.com, MAIL FROM:<ann@example.com>
//	     │  Begin                        SPF is asked for
//	header  ──  Check.Header             keys of the signatures and the author domain's policy are asked for
//	     │
//	body    ──  Check.Write, any pieces  one hash for each canonicalisation
//	     │
//	        Check.Verdict                spf=pass  dkim=pass  dmarc=pass
//	        │                            Authentication-Results: mx.example.org; spf=pass ...; dkim=pass ...; dmarc=pass ...
//	        └─ Trace, Questions          TXT example.com -> "v=spf1 ip4:192.0.2.0/24 -all", secure -> matches: pass
//
// [Checker.Check] does all of it for a message at hand. Questions overlap with the body that comes in; what one check
// has asked another gets from memory, and one message sees one answer. A [Verdict] holds the results of the packages
// spf, dkim, auth/arc and dmarc as they are, and says nothing about what is to be done: that is for smtp/policy.
//
// # Budget
//
// A stranger's message decides how much DNS is asked: [Budget] bounds it for all checks together. A question over the
// budget is a [*BudgetError] in the result that wanted it: SPF ends in permerror, as over every limit of RFC 7208
// §4.6.4, DKIM and DMARC in temperror (RFC 6376 §6.1.2, RFC 9989 §5.3.6), because nothing is known then. SPF is given
// three quarters of the questions and ARC a tenth, so that neither the domain in MAIL FROM nor a long chain can use up
// those about the author.
//
// Done: RFC 7208, RFC 6376, RFC 8617, RFC 9989 through the packages beside this one, RFC 8601 for the field and, if asked
// for, the names of the peer (iprev, §3). A Verdict prints as that field, as a trace for people and as JSON, and gives what
// the reports of RFC 9990 and RFC 9991 say of the message ([Verdict.Record], [Verdict.Failure]).
package auth
