// Package arc validates and seals chains of custody: what each host that handled a message found out about it, signed by
// that host.
//
//	ARC-Seal: i=2; cv=pass; d=lists.example; s=nov; b=...               over everything below, i=1 first
//	ARC-Message-Signature: i=2; d=lists.example; h=...; bh=...; b=...   the message as it left
//	ARC-Authentication-Results: i=2; lists.example; dkim=pass ...       what the host had found
//	ARC-Seal: i=1; cv=none; ...                                         the set of the host before
//	ARC-Message-Signature: i=1; ...
//	ARC-Authentication-Results: i=1; ...
//	DKIM-Signature: ...                                                 broken by the list, but seen whole by the first host
//
// [Verifier] tells whether the chain holds, over one pass of the body that it can share with package dkim. A chain that
// holds says that those hosts say so, and nothing about whether they are honest: without a list of hosts that one
// believes it decides nothing. [Sealer] adds a set to a message that is sent on.
//
// ARC is an experiment on its way to Historic (draft-ietf-dmarc-arc-to-historic): large receivers still write and read
// it, nobody should build on it. That is why it is all here, and small.
//
// RFC 8617 (Experimental) is done, with the limits of RFC 8301 and the algorithms of RFC 8463. A message signature
// over a part of the body (l=) is not accepted unless asked for. Not done: several algorithms in one set.
package arc
