// Package spf says whether a host may send mail for a domain: RFC 7208 (Sender Policy Framework), whole.
//
//	MAIL FROM:<alice@example.com>  from 192.0.2.7, which said EHLO mail.example.com
//	     |
//	     v                TXT example.com  ->  "v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all"
//	Verify(ctx, resolver, Request{IP, HELO, MailFrom}, Options{})
//	     |                terms in order: ip4 matches
//	     v
//	*Check{Result: pass, Mechanism: "ip4:192.0.2.0/28", Steps: every term looked at, every question asked}
//
// Two vocabularies: [ParseRecord] and [AppendRecord] know the grammar of a record, [Verify] evaluates one. The
// resolver is any type with four of net.Resolver's methods.
//
// A [Check] prints as an entry of Authentication-Results ([Check.AppendResult], RFC 8601) and as a Received-SPF field
// ([Check.AppendReceived]). The explanation that a domain publishes for those it refuses (exp=) is a stranger's text:
// it is kept only when it is printable US-ASCII, and never longer than [MaxExplanation].
//
// # Limits
//
// Ten terms that ask the DNS (redirect= counts), two void answers, ten MX hosts (more are a permerror), ten PTR names
// (more are ignored), 20 seconds, [MaxSteps] steps kept: RFC 7208 §4.6.4.
//
// # Where the RFC leaves a choice
//
//   - A target name that no DNS query can hold (an empty label, one over 63 octets) does not match, and costs no
//     question (§4.8). As target of include or redirect it is a permerror, as any domain without a record.
//   - Identical records twice are two records: permerror (§4.5). Most resolvers merge them first.
//   - A void answer is one to the question of a term itself: the addresses of MX and PTR names do not count, nor the
//     record of the domain, nor an explanation (§4.6.4).
//   - %{p} uses the domain itself, else its first subdomain, else the first validated name (§7.3). It counts as one
//     term, once for the whole check.
//   - A known modifier with a malformed domain is an error, not an unknown modifier (§6).
//   - Terms over the limit are a permerror when they are reached, not when the record is read (§4.6.4).
//
// Done: RFC 7208, RFC 8616 (internationalised domains are looked up as A-labels). The DNSSEC state of the answers is
// kept by package auth, not here.
package spf
