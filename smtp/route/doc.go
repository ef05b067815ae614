// Package route sends mail to the hosts that the DNS names for a domain. A Router is an smtp.BatchHandler, the Next of a
// queue.
//
//	to bob@example.com
//	  MX of example.com          10 mx1, 10 mx2, 20 backup      none: example.com itself; ".": 556 5.1.10
//	  MTA-STS policy             mx: mx1, mx2; enforce          backup is left out, TLS is required
//	  mx2 (equal preference is drawn by lot)
//	    TLSA of mx2              3 1 1 ..., secure                TLS is required, with that key
//	    AAAA, A                  dialed one after another, 250 ms apart; the first that answers has it
//	    220 ... 354, the message
//	      no TLS where it is required, 4yz greeting, 421, lost before the message: its next address, then mx1
//	      no connection: mx1
//	      any other reply decides
//
// Connections are kept for the next message to the same host. Results name the host that answered (RemoteMTA). The
// dialogue is package smtpclient's; a single host without DNS, a smarthost, is its Client.
//
// Followed are RFC 5321 §5 (MX, implicit MX, preferences, address literals, own name among the MX), RFC 7505 (null MX),
// RFC 8305 §4 and §5 (several addresses; without the part about asking for AAAA and A apart), RFC 8461 §5 (MTA-STS,
// through package mtasts), RFC 7672 (DANE, through package mtasts/dane), RFC 8689 §4.2.1 (REQUIRETLS). Special addresses,
// loopback and private ones, are not dialed unless Allow names them. RFC 8460 through Report.Count, which fills the
// reports of package mtasts/tlsrpt; sending them is the caller's.
package route
