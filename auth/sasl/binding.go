package sasl

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	_ "crypto/sha512" // of tls-server-end-point
)

// The channel bindings that are known. tls-unique is not: TLS 1.3 has none, and below it needs the extended master
// secret to mean anything (RFC 9266 §3).
const (
	// TLSExporter binds to the TLS session itself (RFC 9266).
	TLSExporter = "tls-exporter"
	// TLSServerEndPoint binds to the certificate of the server (RFC 5929 §4). It works behind a proxy that ends TLS with
	// that certificate.
	TLSServerEndPoint = "tls-server-end-point"
)

// channelBinding returns the data of the binding type for a connection, on which the server showed cert; that may be
// nil for TLSExporter.
func channelBinding(kind string, state *tls.ConnectionState, cert *x509.Certificate) ([]byte, error) {
	if state == nil || !state.HandshakeComplete {
		return nil, ErrEncryption
	}
	switch kind {
	case TLSExporter:
		// RFC 9266 §2. Below TLS 1.3 Go refuses without the extended master secret.
		return state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	case TLSServerEndPoint:
		if cert == nil {
			return nil, fmt.Errorf("%w: the certificate is not known", ErrChannelBinding)
		}
		h := certificateHash(cert.SignatureAlgorithm)
		if h == 0 {
			return nil, fmt.Errorf("%w: %v is not defined for %s", ErrChannelBinding, cert.SignatureAlgorithm, kind)
		}
		return digest(h, cert.Raw), nil
	}
	return nil, fmt.Errorf("%w: unknown type", ErrChannelBinding)
}

// certificateHash is the hash function of a signature, SHA-256 where it is older than that; 0 where it has none or its own
// (RFC 5929 §4.1).
func certificateHash(a x509.SignatureAlgorithm) crypto.Hash {
	switch a {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.DSAWithSHA256, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		return crypto.SHA512
	}
	return 0
}
