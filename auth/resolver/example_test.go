package resolver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/resolver"
)

// Asking a server, and telling an absent record from one that could not be looked up.
func Example() {
	zone := dnstest.New() // in real life: resolver.System(), or &resolver.Servers{Addrs: []string{"127.0.0.1:53"}}
	zone.AddTXT("example.com", "v=spf1 -all")
	zone.Fail("broken.example.com", dnstest.ServFail)
	server, err := zone.Serve("")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	r := resolver.New(&resolver.Servers{Addrs: []string{server.Addr()}}, resolver.Options{})
	for _, name := range []string{"example.com", "absent.example.com", "broken.example.com"} {
		txt, err := r.LookupTXT(context.Background(), name)
		dnsErr, _ := errors.AsType[*net.DNSError](err)
		switch {
		case err == nil:
			fmt.Println(name, txt)
		case dnsErr.IsNotFound:
			fmt.Println(name, "has none")
		default:
			fmt.Println(name, "may have some: try again later")
		}
	}
	// Output:
	// example.com [v=spf1 -all]
	// absent.example.com has none
	// broken.example.com may have some: try again later
}

// What a recorder has written answers the same questions again, offline.
func ExampleReplay() {
	zone := dnstest.New()
	zone.AddTXT("example.com", "v=spf1 -all")
	var recording bytes.Buffer
	r := resolver.New(&resolver.Recorder{Transport: zone, W: &recording}, resolver.Options{})
	_, _ = r.LookupTXT(context.Background(), "example.com")
	fmt.Print(recording.String())

	offline, err := resolver.Replay(&recording)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resolver.New(offline, resolver.Options{}).LookupTXT(context.Background(), "example.com"))
	// Output:
	// {"name":"example.com.","type":"TXT","rcode":"NOERROR","ra":true,"answer":["example.com.\t300\tIN\tTXT\t\"v=spf1 -all\""]}
	// [v=spf1 -all] <nil>
}
