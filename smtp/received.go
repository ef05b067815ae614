package smtp

import (
	"bytes"
	"crypto/tls"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/address"
)

// Received is what a Received field says (RFC 5321 §4.4).
type Received struct {
	// Peer is where the message came from: Hello, RemoteAddr, Protocol and TLS are written. A nil or zero Peer is a
	// local origin and leaves out "from".
	Peer *Peer
	// PeerName is the host name that the peer's address is known to have, looked up by the caller; "" if unknown.
	PeerName string
	// By is the name of this host.
	By string
	// ID names the transaction in the logs of this host, "" to leave it out.
	ID string
	// For is the recipient; the zero Path leaves it out. It must be left out where there are several, for it
	// shows one recipient to the others (RFC 5321 §7.2).
	For Path
	// Priority is the priority of the message (RFC 6710 §7), written where it is not 0.
	Priority int
	// Time is when the message came.
	Time time.Time
}

// AppendReceived appends a whole Received field, folded, with its CRLF. Characters that do not belong in a field
// become "?".
//
//	Received: from client.example.org (mail.example.org [192.0.2.1])
//		by mx.example.com with ESMTPS id 4f1a
//		for <alice@example.com> tls TLS_AES_128_GCM_SHA256;
//		Mon, 02 Jan 2006 15:04:05 +0000
func AppendReceived(dst []byte, r Received) []byte {
	peer := r.Peer
	if peer == nil {
		peer = &Peer{}
	}
	dst = append(dst, "Received:"...)
	if ip := peer.IP(); ip.IsValid() || peer.Hello != "" {
		dst = append(dst, " from "...)
		if peer.Hello != "" {
			dst = appendWord(dst, peer.Hello)
		} else {
			dst = address.AppendLiteral(dst, ip)
		}
		if ip.IsValid() {
			dst = append(dst, " ("...)
			if r.PeerName != "" {
				dst = append(appendWord(dst, r.PeerName), ' ')
			}
			dst = append(address.AppendLiteral(dst, ip), ')')
		}
		dst = append(dst, "\r\n\t"...)
	} else {
		dst = append(dst, ' ')
	}
	dst = appendWord(append(dst, "by "...), r.By)
	if peer.Protocol != "" {
		dst = appendWord(append(dst, " with "...), peer.Protocol)
	}
	if r.ID != "" {
		dst = appendWord(append(dst, " id "...), r.ID)
	}
	sep := "\r\n\t"
	if !r.For.IsNull() && (!r.For.NeedsUTF8() || strings.HasPrefix(peer.Protocol, "UTF8")) {
		if out, err := AppendPath(append(append(dst, sep...), "for "...), r.For); err == nil {
			dst, sep = out, " "
		}
	}
	if peer.TLS != nil { // RFC 8314 §4.3
		dst = append(append(append(dst, sep...), "tls "...), tls.CipherSuiteName(peer.TLS.CipherSuite)...)
		sep = " "
	}
	if r.Priority != 0 {
		dst = strconv.AppendInt(append(append(dst, sep...), "PRIORITY "...), int64(r.Priority), 10)
	}
	dst = append(dst, ";\r\n\t"...)
	return append(r.Time.AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 -0700"), "\r\n"...)
}

// appendWord appends s for a place in a Received field where a domain, a literal or an atom stands.
func appendWord(dst []byte, s string) []byte {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>;@\,"`, r) {
			r = '?'
		}
		dst = append(dst, byte(r))
	}
	return dst
}

// A HopCounter counts the Received fields of a message that is written through it, to find loops (RFC 5321 §6.3). The
// zero value is ready. It looks at the header section only and costs nothing after it.
type HopCounter struct {
	hops, size int
	col        int // octets of "received" matched in this line; -1: this line is settled
	done       bool
}

// Hops returns the number of Received fields so far.
func (c *HopCounter) Hops() int { return c.hops }

// HeaderSize returns the octets of the header section so far.
func (c *HopCounter) HeaderSize() int { return c.size }

// Done reports whether the header section has ended.
func (c *HopCounter) Done() bool { return c.done }

// Write counts the fields in the next octets of the message, which has CRLF line endings. It never fails.
func (c *HopCounter) Write(p []byte) (int, error) {
	const name = "received"
	n := len(p)
	for len(p) > 0 && !c.done {
		b := p[0]
		switch {
		case c.col < 0:
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				c.size += len(p)
				return n, nil
			}
			c.size += i + 1
			p, c.col = p[i+1:], 0
			continue
		case c.col == 0 && (b == '\r' || b == '\n'):
			c.done = true
			return n, nil
		case c.col < len(name) && b|0x20 == name[c.col]:
			c.col++
		case c.col == len(name) && (b == ' ' || b == '\t'): // RFC 5322 §4.5.3
		case c.col == len(name) && b == ':':
			c.hops++
			c.col = -1
		default:
			c.col = -1
			continue
		}
		c.size++
		p = p[1:]
	}
	return n, nil
}
