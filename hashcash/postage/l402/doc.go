// Package l402 is postage paid over the Lightning network, in the manner of L402: the receipt of a payment is a stamp.
//
//	recipient                                            sender
//	  invoice of its node, macaroon with the payment hash
//	  Demand: macaroon="AgJ...", invoice="lnbc..." ────────▶ pays the invoice, learns the preimage
//	  SHA-256(preimage) is the payment hash, ◀── stamp ──── macaroon:preimage
//	  macaroon is ours, its caveats hold, not spent
//
// A stamp is the macaroon in base64, a colon and the preimage in hexadecimal: what HTTP carries as "Authorization: L402
// macaroon:preimage" in answer to "WWW-Authenticate: L402 " and the parameters of the Demand. The recipient keeps nothing
// of what it has quoted: identifier (version, payment hash, token id) and caveats are authenticated by an HMAC under the
// recipient's Root, and whoever holds a macaroon can add caveats but take none away:
//
//	for=<SHA-256 of recipient, sender, message digest>   value=<units>   start=<Unix seconds>   end=<Unix seconds>
//
// A real Lightning node is the user's: Invoicer and Payer are the two methods that this package calls. Node is one in this
// process that moves no money, for tests and demonstrations. Nothing here reads BOLT 11 invoices; that an invoice asks no
// more than the price is for the Payer to see to.
//
// What it is worth: postage raises the cost of bulk mail, it makes nothing impossible. Here the cost is what the
// recipient asks, and the recipient gets it.
//
// Specifications: bLIP 26 (L402), libmacaroons' binary format version 2. Done: first-party caveats. Not done: third-party
// caveats, BOLT 11, HTTP.
package l402
