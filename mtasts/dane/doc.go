// Package dane is DANE for SMTP: certificates that the DNS names, where DNSSEC secures it.
//
//	example.com.               MX   10 mx.example.com.       secure
//	mx.example.com.            A    192.0.2.1                secure
//	_25._tcp.mx.example.com.   TLSA 3 1 1 <hash of a key>    secure: there is TLS at this host, with this key
//	                                │ │ └ 0 as it is, 1 SHA-256, 2 SHA-512
//	                                │ └── 0 the certificate, 1 its public key
//	                                └──── 3 the host's own, 2 of an authority above it
//
// [Lookup] finds the records of a host. Where there are secure ones, mail goes to that host over TLS or not at all, and
// [Policy.Verify] decides whom it talks to; authorities that everybody trusts play no part. It has the shape of
// tls.Config.VerifyConnection and of smtpclient.Config.Verify:
//
//	p, err := dane.Lookup(ctx, resolver, dane.Host{Name: "mx.example.com", Port: 25})
//	switch {
//	case err != nil:            the host must not have the mail: this may be an attack
//	case p == nil:              no DANE
//	case !p.Authenticates():    TLS, with whatever certificate
//	default:                    TLS, with p.Verify
//	}
//
// DANE belongs to transport security, so it stands beside MTA-STS; it wins where a domain has both (RFC 8461 §2). The
// resolver is believed in what it says is secure: it validates itself, or is a validating one on this machine.
//
// RFC 7672 (Proposed Standard) with RFC 6698 and RFC 7671 is done: usages 2 and 3, all selectors and matching types,
// unusable records, reference names, digest agility. Records of usage 0 and 1 are unusable (RFC 7672 §3.1.3). Not done:
// bare keys that stand whole in a record of usage 2 (2 1 0), unless the server shows a certificate of that key.
package dane
