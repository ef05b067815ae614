package smtp

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAppendReceived(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 23, 5, 0, time.FixedZone("", 3600))
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 25} }
	for _, tt := range []struct {
		name string
		r    Received
		want string
	}{
		{"whole", Received{
			Peer: &Peer{RemoteAddr: tcp("192.0.2.1"), Hello: "client.example.org", Protocol: "ESMTPS", TLS: &tls.ConnectionState{CipherSuite: tls.TLS_AES_128_GCM_SHA256}},
			By:   "mx.example.com", ID: "4f1a", PeerName: "mail.example.org", For: Path{"alice", "example.com"}, Time: at,
		}, "Received: from client.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.com with ESMTPS id 4f1a\r\n" +
			"\tfor <alice@example.com> tls TLS_AES_128_GCM_SHA256;\r\n\tTue, 24 Nov 2026 08:23:05 +0100\r\n"},
		{"IPv6 without hello", Received{Peer: &Peer{RemoteAddr: tcp("2001:db8::1"), Protocol: "LMTP"}, By: "x", Time: at},
			"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby x with LMTP;\r\n\tTue, 24 Nov 2026 08:23:05 +0100\r\n"},
		{"local", Received{By: "x", Time: at}, "Received: by x;\r\n\tTue, 24 Nov 2026 08:23:05 +0100\r\n"},
		{"no IP", Received{Peer: &Peer{Hello: "x", RemoteAddr: &net.UnixAddr{Name: "/s", Net: "unix"}}, By: "y", Time: at},
			"Received: from x\r\n\tby y;\r\n\tTue, 24 Nov 2026 08:23:05 +0100\r\n"},
		{"hostile", Received{Peer: &Peer{Hello: "x\r\nBcc: y (", Protocol: "E;"}, By: "b\x00", ID: "a b", For: Path{"ü", "x"}, Time: at},
			"Received: from x??Bcc:?y??\r\n\tby b? with E? id a?b;\r\n\tTue, 24 Nov 2026 08:23:05 +0100\r\n"},
		{"UTF-8", Received{Peer: &Peer{Hello: "x", Protocol: "UTF8SMTP"}, By: "b", For: Path{"ü", "x"}, Time: at},
			"Received: from x\r\n\tby b with UTF8SMTP\r\n\tfor <ü@x>;\r\n\tTue, 24 Nov 2026 08:23:05 +0100\r\n"},
	} {
		if got := string(AppendReceived(nil, tt.r)); got != tt.want {
			t.Errorf("%s:\n%q\n%q", tt.name, got, tt.want)
		}
	}
}

func TestHopCounter(t *testing.T) {
	for _, tt := range []struct {
		msg  string
		hops int
		size int
		done bool
	}{
		{"", 0, 0, false},
		{"Received: a\r\nreceived: b\r\n\tmore\r\nRECEIVED \t: c\r\nX-Received: no\r\nReceived-SPF: no\r\nReceivedx: no\r\n\r\nReceived: body\r\n", 3, 97, true},
		{"Received: a\r\nSubject: x\r\n", 1, 25, false},
		{"\r\nReceived: body\r\n", 0, 0, true},
		{" Received: folded\r\n\r\n", 0, 19, true},
		{"Rec\r\nReceived: a\r\nReceived", 1, 26, false},
	} {
		for piece := 1; piece <= len(tt.msg)+1; piece++ {
			var c HopCounter
			for s := tt.msg; s != ""; {
				n := min(piece, len(s))
				_, _ = c.Write([]byte(s[:n]))
				s = s[n:]
			}
			if c.Hops() != tt.hops || c.Done() != tt.done || c.HeaderSize() != tt.size {
				t.Fatalf("%q in pieces of %d: %d hops, %d octets, done %v", tt.msg, piece, c.Hops(), c.HeaderSize(), c.Done())
			}
		}
	}
}

func FuzzReceived(f *testing.F) {
	f.Add("client.example.org", "mx.example.com", "id1", "alice", "example.com")
	f.Fuzz(func(t *testing.T, hello, by, id, local, domain string) {
		out := string(AppendReceived(nil, Received{Peer: &Peer{Hello: hello, Protocol: "ESMTP"}, By: by, ID: id, For: Path{local, domain}}))
		var c HopCounter
		_, _ = c.Write([]byte(out + "\r\n"))
		if c.Hops() != 1 || c.HeaderSize() != len(out) || strings.ContainsAny(strings.NewReplacer("\r\n\t", "", "\r\n", "").Replace(out), "\r\n\x00") {
			t.Fatalf("%q", out)
		}
	})
}
