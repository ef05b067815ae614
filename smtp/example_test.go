package smtp_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

func ExampleParsePath() {
	p, rest, err := smtp.ParsePath(`<@old.example:"b c"@example.com> NOTIFY=NEVER`)
	fmt.Printf("%q %q %q %v\n", p.Local, p.Domain, rest, err)
	fmt.Println(p)
	// Output:
	// "b c" "example.com" " NOTIFY=NEVER" <nil>
	// <"b c"@example.com>
}

func ExampleReplyOf() {
	err := fmt.Errorf("quota of alice: %w", smtp.NewError(452, smtp.EnhancedCode{4, 2, 2}, "Mailbox full"))
	fmt.Println(smtp.ReplyOf(err))
	fmt.Println(smtp.ReplyOf(errors.New("open /var/mail/alice: permission denied")))
	// Output:
	// 452 4.2.2 Mailbox full
	// 451 4.3.0 Local error in processing
}

func ExampleAppendReceived() {
	peer := &smtp.Peer{
		RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000},
		Hello:      "client.example.org",
		Protocol:   "ESMTP",
	}
	at := time.Date(2026, 11, 24, 8, 23, 5, 0, time.UTC)
	field := smtp.AppendReceived(nil, smtp.Received{Peer: peer, By: "mx.example.com", ID: "4f1a", Time: at})
	fmt.Print(strings.ReplaceAll(string(field), "\r\n", "\n"))
	// Output:
	// Received: from client.example.org ([192.0.2.1])
	// 	by mx.example.com with ESMTP id 4f1a;
	// 	Tue, 24 Nov 2026 08:23:05 +0000
}

func ExampleParseReply() {
	r, err := smtp.ParseReply([]byte("550-5.7.1 Not here\r\n550 5.7.1 and not there\r\n"))
	fmt.Println(r.Code, r.Enhanced, r.Lines, err)
	// Output:
	// 550 5.7.1 [Not here and not there] <nil>
}
