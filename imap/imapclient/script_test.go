package imapclient

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// plain is how tests connect without TLS.
var plain = Options{TLS: TLSNone, AllowPlaintextAuth: true, Timeouts: Timeouts{Command: 20 * time.Second}}

// script is a server with its part of a dialogue: "C: " lines that it wants, "S: " lines that it says, "S> " what it says
// without a line end, with \r, \n and \0 for octets. Then it closes, when the client has or at once after "S: (close)".
func script(t testing.TB, dialogue string) net.Conn {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		r := bufio.NewReader(theirs)
		for l := range strings.Lines(dialogue) {
			l = strings.TrimLeft(strings.TrimRight(l, "\n"), "\t ")
			text := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00").Replace(l[min(len(l), 3):])
			switch {
			case l == "":
			case l == "S: (close)":
				return
			case strings.HasPrefix(l, "C:"):
				_ = theirs.SetReadDeadline(time.Now().Add(20 * time.Second))
				got, err := r.ReadString('\n')
				if strings.TrimSuffix(got, "\r\n") != text {
					t.Errorf("the client sent %q (%v), want %q", got, err, text)
					return
				}
			case strings.HasPrefix(l, "S>"):
				_, _ = io.WriteString(theirs, text)
			default:
				if _, err := io.WriteString(theirs, text+"\r\n"); err != nil {
					return
				}
			}
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	t.Cleanup(func() { _ = ours.Close(); <-done })
	return ours
}

// connect plays the beginning of a session with capabilities, and then the dialogue.
func connect(t testing.TB, o Options, capabilities, dialogue string) *Client {
	t.Helper()
	c, err := New(t.Context(), script(t, "S: * OK [CAPABILITY IMAP4rev1 "+capabilities+"] ready\n"+dialogue), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
