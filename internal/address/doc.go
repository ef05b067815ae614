// Package address holds the parts of a mail address that the SMTP envelope, DKIM and DMARC share: the local part and
// its quoting, the domain with its A-labels and U-labels, and address literals.
//
//	"a b"@bücher.example        ParseLocal, AppendLocal; CheckDomain, ToASCII
//	postmaster@[IPv6:2001:db8::1]   ParseLiteral, AppendLiteral
//
// The grammar is that of RFC 5321 §4.1.2 and §4.1.3 with the extensions of RFC 6531 §3.3. Underscores in domains are
// let through, because host names with them send mail. General address literals (§4.1.3) are refused: no tag but IPv6
// was ever registered.
package address
