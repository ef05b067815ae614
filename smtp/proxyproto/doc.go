// Package proxyproto takes connections from a load balancer or TLS terminator that says, in the PROXY protocol, who is really
// on the other side. It stands with SMTP, where the client's address decides most, and serves any protocol: what it
// returns is a net.Listener.
//
//	client 192.0.2.1:4711 ── proxy 10.0.0.9 ── Listener.Accept: RemoteAddr() is 192.0.2.1:4711
//	                           │
//	                           ├ v1: PROXY TCP4 192.0.2.1 198.51.100.2 4711 25 CRLF
//	                           └ v2: 12 octets, version and command, family, length, addresses, TLVs
//
// A server that begins with TLS has the header before it:
//
//	ln = &proxyproto.Listener{Listener: ln, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}
//	err := server.Serve(ctx, tls.NewListener(ln, config))
//
// Only Trusted networks may send a header, and they must: without a right one the connection is closed. All others are
// passed on as they are, and what they send first is the server's to judge.
//
// Done: versions 1 and 2 of the PROXY protocol as the documentation of HAProxy has it (there is no RFC), TCP over IPv4 and IPv6,
// UNKNOWN, UNSPEC and LOCAL, which leave the addresses of the connection itself. Not done: TLVs are checked for their form
// and not read, the checksum neither; UDP and Unix sockets are refused; nothing sends headers.
package proxyproto
