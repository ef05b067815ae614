//go:build unix

package smtpclient

import (
	"net"
	"syscall"
)

// pending reports whether something has come on a connection that should be silent: text, its end or an error. It
// does not wait.
func pending(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	silent := false
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		silent = err == syscall.EAGAIN || err == syscall.EINTR
		return true
	})
	return err != nil || !silent
}
