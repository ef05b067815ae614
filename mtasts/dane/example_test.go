package dane_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/mtasts/dane"
)

// Make the record to publish for a certificate, look it up, and check what a server shows.
func Example() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)} // no name, no date: DANE-EE asks for neither
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := dane.New(dane.EE, dane.SPKI, dane.SHA256, cert)
	if err != nil {
		fmt.Println(err)
		return
	}
	zone := dnstest.New() // or a resolver.Resolver that validates
	zone.MustAdd("mx.example.com. IN A 192.0.2.1\n_25._tcp.mx.example.com. IN TLSA " + record.String())
	zone.Sign("example.com")

	policy, err := dane.Lookup(context.Background(), zone, dane.Host{Name: "mx.example.com", Port: 25})
	if err != nil {
		fmt.Println("must not be sent to now:", err)
		return
	}
	fmt.Println(policy.Base, policy.Authenticates())
	fmt.Println(policy.Verify(tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}))
	// Output:
	// mx.example.com true
	// <nil>
}
