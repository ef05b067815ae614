// Package postage is one interface for the ways to pay for a letter: what it costs, paying, and checking what was paid.
//
//	recipient's side                       sender's side
//	  d := s.Quote(ctx, binding)  ──d──▶     stamp := s.Pay(ctx, d)
//	  v := s.Verify(ctx, d, stamp) ◀─stamp─
//
// A stamp is a line of printable ASCII. It is bound to the recipient, and where the Demand says so to the domain of the
// sender and to the message, so that one made ahead or seen on the way is of no use elsewhere. Verify takes it: the same
// stamp is not valid again.
//
// Schemes: Hashcash here, and sub-packages.
//
//	hashcash   bits of SHA-1: what everybody can check, and graphics processors make for nothing
//	equihash   a puzzle that takes memory
//	ticket     bought from an issuer, who cannot tell what for
//	payword    chains of hashes, a signature for thousands of letters, settled a domain
//	l402       receipts of Lightning payments
//	mbound     walks through a table, as history
//
// Package postagetest is the suite that a Scheme passes.
//
// What it is worth: postage raises the cost of bulk mail, it makes nothing impossible. One price for all charges most
// those who have the slowest machines, and least those who steal theirs. So let difficulty follow reputation, let one
// stamp buy the introduction, and answer with a capability (package capability): then nobody pays twice.
//
// What a day costs, in seconds of one core, at the rates of a core with AVX-512 (400 million hashes a second) for the
// list owner and of a large graphics processor (45,000 million) for the spammer; the second column charges by reputation
// (see the test Simulation):
//
//	                                            22 bits for all   22, known senders 0, bad ones 32
//	list owner, 10,000 letters, 9,900 known             105 s                       1.05 s
//	spammer, 1,000,000 letters                           93 s                     95,444 s
//
// The rate of the graphics processor is an estimate. Package smtp/policy asks for postage and pays it, in any scheme.
//
// There is no RFC. Penny Black (Microsoft Research, 2003) named the kinds: processor, memory, tickets.
package postage
