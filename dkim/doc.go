// Package dkim signs messages and verifies signatures: DomainKeys Identified Mail.
//
//	DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=sel;
//	 h=From:To:Subject:From; bh=<hash of the body>; b=<signature over the fields of h= and this one>
//	          │
//	sel._domainkey.example.com. TXT "v=DKIM1; k=rsa; p=<public key>"
//
// Verification has two steps. The header comes first: signatures are parsed and their keys looked up at once. Then the
// body is written once, in pieces of any size; one hash for each distinct canonicalisation and length serves all
// signatures. Memory is constant, whatever the size of the body.
//
//	v := dkim.Verifier{Resolver: net.DefaultResolver}
//	check := v.Begin(ctx, header)      // key look-ups start
//	defer check.Close()
//	io.Copy(check, body)               // one pass
//	for _, r := range check.Results() { fmt.Println(r.Value, r.Signature.Domain, r.Reason) }
//
// A signature that passes says that its domain answers for the message as signed. Whether that domain is the author's
// is what package dmarc decides.
//
// RFC 6376 (Internet Standard) is done, with RFC 8301 (no rsa-sha1, no RSA key under 1024 bits), RFC 8463
// (ed25519-sha256) and RFC 8616 (internationalised domains, in A-labels). A signature over a part of the body (l=)
// is not accepted unless asked for. Not done: RFC 6651 (reports), RFC 6541 (ATPS).
package dkim
