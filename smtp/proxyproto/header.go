package proxyproto

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of a header in octets: version 1 with its CRLF, and what follows the 16 fixed octets of version 2.
const (
	maxV1 = 107
	maxV2 = 4096
)

// signature begins version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// A HeaderError says that a connection began with no PROXY header or a wrong one.
type HeaderError struct {
	// Version is 1 or 2, 0 where it is neither.
	Version int
	// What is wrong.
	What string
}

func (e *HeaderError) Error() string {
	if e.Version == 0 {
		return "proxyproto: " + e.What
	}
	return fmt.Sprintf("proxyproto: version %d: %s", e.Version, e.What)
}

// A Header says who is on the other side.
type Header struct {
	// Source and Destination are the two ends of the client's connection; both are invalid where the header does not tell,
	// so that those of the connection itself hold.
	Source, Destination netip.AddrPort
}

// ReadHeader reads a header of version 1 or 2 from r and not an octet more. The errors are *HeaderError and those of r; io.EOF
// within a header is io.ErrUnexpectedEOF.
func ReadHeader(r io.Reader) (Header, error) {
	var buf [maxV1]byte
	// The shortest header, "PROXY UNKNOWN" with its CRLF, has 15 octets, so that the 13 that tell the versions apart are
	// always there.
	if _, err := io.ReadFull(r, buf[:13]); err != nil {
		return Header{}, err
	}
	switch {
	case string(buf[:12]) == signature:
		return readV2(r, buf[12])
	case string(buf[:6]) != "PROXY ":
		return Header{}, &HeaderError{What: "no PROXY header"}
	}
	for n := 13; n < maxV1; n++ {
		if _, err := io.ReadFull(r, buf[n:n+1]); err != nil {
			return Header{}, unexpected(err)
		}
		if buf[n] == '\n' {
			return parseV1(string(buf[:n+1]))
		}
	}
	return Header{}, &HeaderError{1, "too long"}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseV1 parses a line with its line end.
func parseV1(l string) (Header, error) {
	l, ok := strings.CutSuffix(l, "\r\n")
	if !ok || strings.ContainsAny(l, "\r\n\x00") {
		return Header{}, &HeaderError{1, "line end"}
	}
	f := strings.Split(l, " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" {
		return Header{}, nil // what follows is to be ignored
	}
	if len(f) != 6 {
		return Header{}, &HeaderError{1, "not six words"}
	}
	if f[1] != "TCP4" && f[1] != "TCP6" {
		return Header{}, &HeaderError{1, "unknown family"}
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(f[2+i])
		if err != nil || a.Is4() != (f[1] == "TCP4") || a.Zone() != "" {
			return Header{}, &HeaderError{1, "bad address"}
		}
		port, err := strconv.ParseUint(f[4+i], 10, 16)
		if err != nil || f[4+i] != strconv.FormatUint(port, 10) {
			return Header{}, &HeaderError{1, "bad port"}
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return Header{ends[0], ends[1]}, nil
}

// readV2 reads what follows the octet of version and command.
func readV2(r io.Reader, command byte) (Header, error) {
	var fixed [3]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return Header{}, unexpected(err)
	}
	n := int(binary.BigEndian.Uint16(fixed[1:]))
	switch {
	case command>>4 != 2:
		return Header{}, &HeaderError{2, "unknown version"}
	case command&15 > 1:
		return Header{}, &HeaderError{2, "unknown command"}
	case n > maxV2:
		return Header{}, &HeaderError{2, "too long"}
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return Header{}, unexpected(err)
	}
	if command&15 == 0 { // LOCAL: the proxy asks on its own behalf, and the rest is to be ignored
		return Header{}, nil
	}
	size := 0
	switch fixed[0] {
	case 0x00: // UNSPEC
		return Header{}, nil
	case 0x11:
		size = 4
	case 0x21:
		size = 16
	default:
		return Header{}, &HeaderError{2, "family or transport that is not served"}
	}
	if n < 2*size+4 {
		return Header{}, &HeaderError{2, "too short for its addresses"}
	}
	if !tlvs(b[2*size+4:]) {
		return Header{}, &HeaderError{2, "malformed TLV"}
	}
	end := func(i int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(b[i*size : (i+1)*size])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[2*size+2*i:]))
	}
	return Header{end(0), end(1)}, nil
}

// tlvs reports whether b is a list of type, length of two octets, value.
func tlvs(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 3 || len(b)-3 < int(binary.BigEndian.Uint16(b[1:])) {
			return false
		}
		b = b[3+int(binary.BigEndian.Uint16(b[1:])):]
	}
	return true
}

// Append appends h in version 2, as a test or a proxy sends it. A Header that does not tell is written as LOCAL; its ends must be of
// one family.
func (h Header) Append(dst []byte) ([]byte, error) {
	dst = append(dst, signature...)
	s, d := h.Source.Addr(), h.Destination.Addr()
	switch {
	case !s.IsValid() && !d.IsValid():
		return append(dst, 0x20, 0, 0, 0), nil
	case s.Is4() && d.Is4():
		dst = append(dst, 0x21, 0x11, 0, 12)
	case s.Is6() && d.Is6() && s.Zone() == "" && d.Zone() == "":
		dst = append(dst, 0x21, 0x21, 0, 36)
	default:
		return dst, &HeaderError{2, "ends of different families"}
	}
	dst = append(append(dst, s.AsSlice()...), d.AsSlice()...)
	dst = binary.BigEndian.AppendUint16(dst, h.Source.Port())
	return binary.BigEndian.AppendUint16(dst, h.Destination.Port()), nil
}
