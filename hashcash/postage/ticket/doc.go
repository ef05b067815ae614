// Package ticket is postage by tickets: an issuer sells them, the recipient takes them, and the two cannot tell by them
// who wrote to whom. It is Penny Black's ticket server as publicly verifiable Privacy Pass tokens.
//
//	sender (Scheme)                     issuer                        recipient (Scheme)
//	  blind(nonce, challenge, key) ──request──▶ charge, sign blindly
//	  token ◀────unblind──── response ──┘
//	  └──────────────────────────────── ticket ──────────────────────▶ signature, challenge, key in its time, nonce new
//	  ◀────────────────────────────── refund ───────────────────────── letter wanted: signed by the recipient
//	  refund ──▶ once a ticket: one signature free of charge
//
// A stamp is a token in base64url, 354 octets in 472 characters:
//
//	0002 │ nonce, 32 │ SHA-256 of the challenge, 32 │ key id, 32 │ signature, 256
//
// The challenge names issuer and recipient's domain, and its redemption context is the SHA-256 of recipient, sender and
// message digest: the ticket is good for nothing else. What a ticket is worth is a property of the issuer's key; one key a
// denomination and epoch.
//
// The recipient checks with the public key alone, without asking anybody: one RSA verification. The issuer never sees a
// ticket but in a refund, and then cannot tell which of its signatures it came from, among all those of the same key: so
// let a key be used by many, for a week or longer. A refund tells the issuer which domain the ticket was for.
//
// What it is worth: postage raises the cost of bulk mail, it makes nothing impossible. A ticket costs what its issuer
// asks; who pays is the issuer's affair (Issuer.Charge).
//
// RFC 9474: blind signatures, variant RSABSSA-SHA384-PSS-Deterministic (by github.com/cloudflare/circl). RFC 9577
// §2.1.1, §2.2.1: challenge and token. RFC 9578 §6: request, response, key id, keys of 2048 bits. The vectors of RFC 9578
// appendix A.2 are tests. Not done: HTTP (§5.1 and the issuer directory are left to the caller), batches, other types.
package ticket
