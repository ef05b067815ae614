// Package dmarc decides whether a message really comes from the domain that its author claims, and what that domain
// asks for if not.
//
//	From: Ann <ann@news.example.com>          AuthorDomain: exactly one, or a refusal
//	      │
//	_dmarc.news.example.com TXT ?  none       Discover: the tree walk, at most eight questions
//	_dmarc.example.com      TXT ?  "v=DMARC1; p=reject; rua=mailto:d@example.com"
//	_dmarc.com              TXT ?  none
//	      │
//	SPF pass for bounce.example.com           Evaluate: same organizational domain, so aligned: pass
//	DKIM pass for esp.example
//
// Evaluate is a pure function over what was found, so a verdict can be computed again from a log; Verify asks the
// questions and calls it. The package knows neither SPF nor DKIM, only which domains they authenticated. Every result
// carries the questions asked, the answers, and the paragraph that decided.
//
// RFC 9989 (Proposed Standard): record grammar, discovery by tree walk, np, psd and t, alignment and evaluation are done; RFC
// 8616 in that author domains may be U-labels; RFC 7489 §3.2, organizational domains by the list of public suffixes, as an
// option. Reports (RFC 9990, RFC 9991) are in package dmarc/report.
package dmarc
