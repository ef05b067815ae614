// Command border is the ten lines of the README: mail comes in over SMTP on 127.0.0.1:2525, is verified (SPF, DKIM,
// DMARC) and goes on over LMTP to a store on 127.0.0.1:2424.
//
//	go run -C examples ./store -memory -lmtp 127.0.0.1:2424 -user bob@example.com:secret
//	go run -C examples ./border
package main

import (
	"context"
	"log"
	"net"

	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

func main() {
	store := &smtpclient.Client{Addr: "127.0.0.1:2424", Config: smtpclient.Config{Hostname: "mx.example.com", LMTP: true}}
	verify := policy.Verifier{ID: "mx.example.com", Resolver: net.DefaultResolver}
	server := &smtpserver.Server{Hostname: "mx.example.com", Handler: verify.Handler(store)}
	ln, err := net.Listen("tcp", "127.0.0.1:2525")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Serve(context.Background(), ln))
}
