package smtpserver

import "time"

// Limits bound what a peer may ask for. In each field 0 is the default and a negative number is no limit.
type Limits struct {
	// MessageSize is the octets of a message as it is on the wire after dot-stuffing is taken off (RFC 1870): 552 5.3.4
	// beyond it. Default 100 MiB.
	MessageSize int64
	// Recipients are those accepted in one transaction: 452 4.5.3 beyond it. RFC 5321 §4.5.3.1.8 asks for 100 at
	// least. Default 1000.
	Recipients int
	// HeaderSize is the octets of a message's header section: 552 5.3.4 beyond it. Default 256 KiB.
	HeaderSize int
	// Hops are the Received fields that a message brings along: 554 5.4.6 beyond it, for it goes in circles (RFC 5321
	// §6.3). Default 100.
	Hops int
	// CommandLine is the octets of a command line with its CRLF: 500 5.5.2 beyond it. RFC 5321 §4.5.3.1.4 asks for 512,
	// its extensions for some 1100 more. Default 2048. An Extension adds its Line; AUTH has 12288 (RFC 4954 §4).
	CommandLine int
	// BodyLine is the octets of a line of a message with its CRLF: 554 5.6.0 beyond it. RFC 5321 §4.5.3.1.6 has 1000,
	// which much mail oversteps. Default 64 KiB.
	BodyLine int
	// Commands are those since the last message that was taken: 421 4.7.0 beyond it. Default 5000.
	Commands int
	// Errors are commands that the Server itself refused, and failed authentications, of one session: 421 4.7.0 beyond
	// it. Default 20.
	Errors int
	// Refused are recipients that the Handler refused for good in one session: 421 4.7.0 beyond it, for somebody is
	// guessing addresses. Default 500.
	Refused int
	// Conns and PerNetwork are connections at a time, in all and of one IPv4 address or IPv6 /64. Default 1000 and 100.
	Conns, PerNetwork int
}

// noLimit is larger than anything that is counted.
const noLimit = 1 << 62

func (l Limits) withDefaults() Limits {
	l.MessageSize = limit(l.MessageSize, 100<<20)
	l.Recipients = limit(l.Recipients, 1000)
	l.HeaderSize = limit(l.HeaderSize, 256<<10)
	l.Hops = limit(l.Hops, 100)
	if l.CommandLine <= 0 { // memory: never without a limit
		l.CommandLine = 2048
	}
	if l.BodyLine == 0 {
		l.BodyLine = 64 << 10
	}
	l.BodyLine = max(l.BodyLine, 0)
	l.Commands = limit(l.Commands, 5000)
	l.Errors = limit(l.Errors, 20)
	l.Refused = limit(l.Refused, 500)
	return l // Conns and PerNetwork have their defaults in the loop
}

func limit[T int | int64](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return T(noLimit)
	}
	return v
}

// Timeouts are how long a peer may take, each for a whole phase: an octet now and then does not prolong it. 0 is the
// default; there is no way to wait for ever. Beyond them the session ends with 421 4.4.2.
type Timeouts struct {
	// Command is the wait for a whole command line, and for a whole response within AUTH. Default 5 minutes (RFC 5321
	// §4.5.3.2.7).
	Command time.Duration
	// Data is the wait for a whole message or chunk, all of its reads together, to which every MinRate octets that
	// came add a second. The time that the Handler takes does not count. Default 5 minutes.
	Data time.Duration
	// MinRate is in octets a second. Default 1000.
	MinRate int
	// Write is the wait until the peer has taken a group of replies. Default 1 minute.
	Write time.Duration
	// TLS is the wait for a whole handshake. Default 30 seconds.
	TLS time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(p *time.Duration, def time.Duration) {
		if *p <= 0 {
			*p = def
		}
	}
	set(&t.Command, 5*time.Minute)
	set(&t.Data, 5*time.Minute)
	set(&t.Write, time.Minute)
	set(&t.TLS, 30*time.Second)
	if t.MinRate <= 0 {
		t.MinRate = 1000
	}
	return t
}
