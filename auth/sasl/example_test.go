package sasl_test

import (
	"context"
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
