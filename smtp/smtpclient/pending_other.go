//go:build !unix

package smtpclient

import "net"

// pending cannot look without waiting on this system.
func pending(net.Conn) bool { return false }
