package sasl_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"fmt"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

func Example() {
	users := sasl.NewUsers()
	if err := users.Set("alice", "correct horse"); err != nil {
		fmt.Println(err)
		return
	}
	var auth sasl.Authenticator = &sasl.Limiter{Authenticator: sasl.New(sasl.Plain(users.Check), sasl.LoginMechanism(users.Check))}

	conn := sasl.Conn{Service: "imap", TLS: &tls.ConnectionState{}}
	fmt.Println(auth.Mechanisms(conn))
	id, err := sasl.Login(context.Background(), auth, conn, "alice", "correct horse")
	fmt.Println(id.Name, err)
	_, err = sasl.Login(context.Background(), auth, conn, "alice", "battery staple")
	fmt.Println(err)
	_, err = sasl.Login(context.Background(), auth, sasl.Conn{Service: "imap"}, "alice", "correct horse")
	fmt.Println(err)
	// Output:
	// [PLAIN LOGIN]
	// alice <nil>
	// sasl: invalid credentials
	// sasl: encryption required
}

// A server that offers SCRAM and PLAIN out of one set of users, and a client that takes the best of what is offered. Here, without
// TLS, that is SCRAM without channel binding.
func ExampleSCRAM() {
	users := sasl.NewUsers()
	if err := users.Set("alice", "correct horse"); err != nil {
		fmt.Println(err)
		return
	}
	scram := sasl.SCRAM{Keys: users.Keys}
	auth := sasl.New(append(scram.Mechanisms(), sasl.Plain(users.Check))...)

	conn := sasl.Conn{Service: "smtp", AllowPlaintext: true}
	offered := auth.Mechanisms(conn)
	fmt.Println(offered)
	credentials := sasl.Credentials{Username: "alice", Password: "correct horse", AllowPlaintext: true}
	client, err := credentials.Client(offered, conn.TLS)
	if err != nil {
		fmt.Println(err)
		return
	}
	mechanism, response, _ := client.Start()
	exchange, err := auth.Start(context.Background(), conn, mechanism)
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, done, err = exchange.Next(response); err == nil && !done {
			response, err = client.Next(challenge)
		}
	}
	fmt.Println(exchange.Identity().Name, exchange.Identity().Mechanism, err, sasl.Proven(client))
	// Output:
	// [SCRAM-SHA-256 PLAIN]
	// alice SCRAM-SHA-256 <nil> <nil>
}

// What a server writes down instead of a password.
func ExampleDeriveKeys() {
	keys, err := sasl.DeriveKeys(crypto.SHA256, "pencil", []byte("0123456789abcdef"), sasl.DefaultIterations)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := keys.MarshalText()
	fmt.Println(string(text), err)
	users := sasl.NewUsers()
	keys.Name = "alice"
	fmt.Println(users.SetKeys(keys))
	// Output:
	// SCRAM-SHA-256$15000:MDEyMzQ1Njc4OWFiY2RlZg==$8utdwiGJEjSEq+kTCUWOX8x0GXO5koCayvYEnOgAa0k=:BsY2UjCh7FMBJtiXsvc58nOEXAaA6642gg1FDvDJkcY= <nil>
	// <nil>
}
