package imapserver_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// serverTLS is a configuration with a certificate of its own for 127.0.0.1.
func serverTLS(t testing.TB) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, Subject: pkix.Name{CommonName: "127.0.0.1"}, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// clientTLS trusts whatever serverTLS made.
func clientTLS() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

func TestSTARTTLS(t *testing.T) {
	s := server(t)
	s.AllowPlaintextAuth, s.TLS = false, serverTLS(t)
	addr := start(t, s)
	p := dial(t, addr)
	p.want("* OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE LANGUAGE STARTTLS LOGINDISABLED] ...")
	p.send("a LOGIN alice {6}\r\n")
	p.want("a NO [PRIVACYREQUIRED] ...")
	p.send("b AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n")
	p.want("b NO [PRIVACYREQUIRED] ...")
	p.send("c STARTTLS x\r\n")
	p.want("c BAD ...")
	p.send("d STARTTLS\r\n")
	p.want("d OK begin TLS")
	c := tls.Client(p.Conn, clientTLS())
	p.Conn, p.r = c, bufio.NewReader(c)
	p.send("e CAPABILITY\r\n")
	p.want("* CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE LANGUAGE AUTH=PLAIN AUTH=LOGIN")
	p.want("e OK ...")
	p.send("f STARTTLS\r\n")
	p.want("f BAD ...")
	p.send("g AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n")
	p.want("g OK [CAPABILITY ...")
	p.send("h LOGOUT\r\n")
	p.want("* BYE ...")
	p.want("h OK ...")

	// What follows STARTTLS in the clear is not run, before or after the handshake.
	p = dial(t, addr)
	p.want("* OK ...")
	p.send("a STARTTLS\r\nb NOOP\r\n")
	p.want("a BAD ...")
	p.want("<closed>")
}

func TestImplicitTLS(t *testing.T) {
	s := server(t)
	s.AllowPlaintextAuth, s.TLS = false, serverTLS(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", startOn(t, s, tls.NewListener(ln, s.TLS)), clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := newPeer(t, c)
	p.want("* OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE LANGUAGE AUTH=PLAIN AUTH=LOGIN] ...")
	p.send("a LOGIN alice secret\r\nb IDLE\r\n")
	p.want("a OK ...")
	p.want("+ idling")
	p.send("DONE\r\n")
	p.want("b OK ...")
}

func TestSASL(t *testing.T) {
	addr := start(t, server(t))
	p := dial(t, addr)
	p.want("* OK ...")
	p.send("a AUTHENTICATE login\r\n")
	p.want("+ VXNlcm5hbWU6")
	p.send("YWxpY2U=\r\n")
	p.want("+ UGFzc3dvcmQ6")
	p.send("c2VjcmV0\r\n")
	p.want("a OK [CAPABILITY ...")
	p = dial(t, addr)
	p.want("* OK ...")
	p.send("a AUTHENTICATE PLAIN\r\n")
	p.want("+ ")
	p.send("AGFsaWNlAHNlY3JldA==\r\n")
	p.want("a OK [CAPABILITY ...")
}
