package dnstest_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mailbricks/mailbricks/auth/dnstest"
)

func Example() {
	zone := dnstest.New()
	zone.MustAdd(`
	    example.com.     300 IN MX 10 mx.example.com.
	    www.example.com. 300 IN CNAME example.com.`)
	zone.AddTXT("example.com", "v=spf1 mx -all")
	zone.AddAddr("mx.example.com", netip.MustParseAddr("192.0.2.1"))
	zone.Fail("slow.example.com", dnstest.Timeout)

	ctx := context.Background()
	fmt.Println(zone.LookupTXT(ctx, "www.example.com"))
	fmt.Println(zone.LookupTXT(ctx, "mx.example.com"))
	fmt.Println(zone.LookupTXT(ctx, "ftp.example.com"))
	fmt.Println(zone.LookupTXT(ctx, "slow.example.com"))
	// Output:
	// [v=spf1 mx -all] <nil>
	// [] lookup mx.example.com: no record of this type (NODATA)
	// [] lookup ftp.example.com: no such name (NXDOMAIN)
	// [] lookup slow.example.com: no answer
}

// A server for programs that must be given a real one.
func ExampleZone_Serve() {
	zone := dnstest.New()
	zone.MustAdd(`example.com. IN A 192.0.2.1`)
	server, err := zone.Serve("")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	addr := netip.MustParseAddrPort(server.Addr())
	fmt.Println(addr.Addr(), addr.Port() != 0)
	// Output: 127.0.0.1 true
}
