package proxyproto

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	from4 = netip.MustParseAddrPort("192.0.2.1:4711")
	to4   = netip.MustParseAddrPort("198.51.100.2:25")
	from6 = netip.MustParseAddrPort("[2001:db8::1]:4711")
	to6   = netip.MustParseAddrPort("[2001:db8::2]:25")
)

const (
	longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

	sig   = "\r\n\r\n\x00\r\nQUIT\n"
	ends4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"
	ends6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x12\x67\x00\x19"
)

func TestReadHeader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Header
		fails    bool
	}{
		{"v1 IPv4", "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n", Header{from4, to4}, false},
		{"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n", Header{from6, to6}, false},
		{"v1 longest", "PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n", Header{netip.MustParseAddrPort("[" + longest + "]:65535"), netip.MustParseAddrPort("[" + longest + "]:65535")}, false},
		{"v1 unknown", "PROXY UNKNOWN\r\n", Header{}, false},
		{"v1 unknown with addresses", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Header{}, false},
		{"v2 IPv4", sig + "\x21\x11\x00\x0c" + ends4, Header{from4, to4}, false},
		{"v2 IPv6", sig + "\x21\x21\x00\x24" + ends6, Header{from6, to6}, false},
		{"v2 IPv6 mapped", sig + "\x21\x21\x00\x24" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x02\x12\x67\x00\x19", Header{from4, to4}, false},
		{"v2 TLVs", sig + "\x21\x11\x00\x14" + ends4 + "\x04\x00\x00\x01\x00\x02ab", Header{from4, to4}, false},
		{"v2 local", sig + "\x20\x00\x00\x00", Header{}, false},
		{"v2 local, the rest ignored", sig + "\x20\x11\x00\x0c" + ends4, Header{}, false},
		{"v2 unspecified", sig + "\x21\x00\x00\x03abc", Header{}, false},

		{"no header", "EHLO client.test\r\n", Header{}, true},
		{"lower case", "proxy TCP4 192.0.2.1 198.51.100.2 4711 25\r\n", Header{}, true},
		{"v1 LF", "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\n", Header{}, true},
		{"v1 CR within", "PROXY TCP4 192.0.2.1\r 198.51.100.2 4711 25\r\n", Header{}, true},
		{"v1 CR LF CR", "PROXY UNKNOWN\r\r\n", Header{}, true},
		{"v1 two spaces", "PROXY  TCP4 192.0.2.1 198.51.100.2 4711 25\r\n", Header{}, true},
		{"v1 space at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25 \r\n", Header{}, true},
		{"v1 too few", "PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n", Header{}, true},
		{"v1 UDP", "PROXY UDP4 192.0.2.1 198.51.100.2 4711 25\r\n", Header{}, true},
		{"v1 families mixed", "PROXY TCP4 192.0.2.1 2001:db8::2 4711 25\r\n", Header{}, true},
		{"v1 IPv6 as TCP4", "PROXY TCP4 2001:db8::1 2001:db8::2 4711 25\r\n", Header{}, true},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 4711 25\r\n", Header{}, true},
		{"v1 name", "PROXY TCP4 localhost 198.51.100.2 4711 25\r\n", Header{}, true},
		{"v1 leading zero", "PROXY TCP4 192.0.2.01 198.51.100.2 4711 25\r\n", Header{}, true},
		{"v1 port", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n", Header{}, true},
		{"v1 port with a zero", "PROXY TCP4 192.0.2.1 198.51.100.2 04711 25\r\n", Header{}, true},
		{"v1 port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +4711 25\r\n", Header{}, true},
		{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", Header{}, true},
		{"v1 without end", "PROXY TCP4 " + strings.Repeat("1", 1000), Header{}, true},
		{"v1 cut", "PROXY TCP4 192.0.2.1", Header{}, true},
		{"v2 version 1", sig + "\x11\x11\x00\x0c" + ends4, Header{}, true},
		{"v2 command 2", sig + "\x22\x11\x00\x0c" + ends4, Header{}, true},
		{"v2 UDP", sig + "\x21\x12\x00\x0c" + ends4, Header{}, true},
		{"v2 Unix", sig + "\x21\x31\x00\xd8" + strings.Repeat("x", 216), Header{}, true},
		{"v2 short for its addresses", sig + "\x21\x11\x00\x0b" + ends4, Header{}, true},
		{"v2 IPv6 with the length of IPv4", sig + "\x21\x21\x00\x0c" + ends6, Header{}, true},
		{"v2 TLV cut", sig + "\x21\x11\x00\x0f" + ends4 + "\x04\x00\x01", Header{}, true},
		{"v2 TLV head cut", sig + "\x21\x11\x00\x0e" + ends4 + "\x04\x00", Header{}, true},
		{"v2 cut", sig + "\x21\x11\x00\x0c" + ends4[:11], Header{}, true},
		{"v2 too long", sig + "\x21\x11\xff\xff" + ends4 + strings.Repeat("\x04\x00\x00", 30000), Header{}, true},
		{"nothing", "", Header{}, true},
	} {
		for _, split := range []bool{false, true} {
			r := strings.NewReader(tt.in + "EHLO")
			if tt.fails {
				r = strings.NewReader(tt.in)
			}
			var in io.Reader = r
			if split {
				in = iotest.OneByteReader(in)
			}
			got, err := ReadHeader(in)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
			if rest, _ := io.ReadAll(r); !tt.fails && string(rest) != "EHLO" {
				t.Errorf("%s: %q is left", tt.name, rest)
			}
			if _, ok := errors.AsType[*HeaderError](err); err != nil && !ok && err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

func TestAppend(t *testing.T) {
	for _, h := range []Header{{}, {from4, to4}, {from6, to6}} {
		b, err := h.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ReadHeader(bytes.NewReader(b)); got != h || err != nil {
			t.Errorf("%+v: %+v, %v", h, got, err)
		}
	}
	for _, h := range []Header{{from4, to6}, {from6, to4}, {from4, netip.AddrPort{}}} {
		if b, err := h.Append(nil); err == nil {
			t.Errorf("%+v: %q", h, b)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\nEHLO"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(sig + "\x21\x21\x00\x27" + ends6 + "\x04\x00\x00"))
	f.Add([]byte(sig + "\x20\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		h, err := ReadHeader(r)
		if err != nil {
			return
		}
		if used := len(in) - r.Len(); used > 16+maxV2 {
			t.Fatalf("%d octets", used)
		}
		if h.Source.IsValid() != h.Destination.IsValid() || h.Source.Addr().Zone() != "" || h.Source.Addr().Is4In6() {
			t.Fatalf("%+v", h)
		}
		if b, err := h.Append(nil); err == nil {
			if back, err := ReadHeader(bytes.NewReader(b)); back != h || err != nil {
				t.Fatalf("%+v: %+v, %v", h, back, err)
			}
		}
	})
}
