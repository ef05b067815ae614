// Package deflate is DEFLATE (RFC 1951) for a dialogue: what the peer has flushed can be read at once, and what is written is
// flushed.
//
//	r := deflate.NewReader(conn)          // blocks for input only when there is nothing left to return
//	w := deflate.NewWriter(conn)
//	w.Write([]byte("a1 NOOP\r\n"))        // the peer can decode all of it
//
// The reader differs from that of compress/flate in that it also returns what comes before a partial flush (an empty block of
// fixed codes), which several peers send in place of a sync flush (an empty stored block). It holds 32 KiB and its tables;
// the writer holds next to nothing between two calls.
package deflate
