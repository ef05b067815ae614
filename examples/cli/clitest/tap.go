package clitest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// A Tap hands connections on to another address and writes down the dialogue, which must be one in plain lines.
type Tap struct {
	// Addr is where it listens.
	Addr string

	mu     sync.Mutex
	to     string
	lines  []string
	open   map[net.Conn]bool
	closed bool
}

// NewTap listens until the end of the test.
func NewTap(t testing.TB) *Tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Tap{Addr: ln.Addr().String(), open: make(map[net.Conn]bool)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

// To says where connections are handed on to; until then they are closed.
func (p *Tap) To(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = addr
}

// Said returns the dialogue so far, with "C: " and "S: " before the lines, and forgets it.
func (p *Tap) Said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := strings.Join(p.lines, "\n")
	p.lines = nil
	return out
}

func (p *Tap) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.hold(client, server) {
		return
	}
	defer p.let(client, server)
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(server, client, "C: ") })
	wg.Go(func() { p.copy(client, server, "S: ") })
	wg.Wait()
}

// hold keeps connections for the end of the test to close.
func (p *Tap) hold(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.open[c] = true
	}
	return !p.closed
}

func (p *Tap) let(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.open, c)
	}
}

// copy hands lines on, each written down before.
func (p *Tap) copy(dst, src net.Conn, mark string) {
	defer dst.Close()
	r := bufio.NewReader(src)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			p.mu.Lock()
			p.lines = append(p.lines, mark+strings.TrimRight(line, "\r\n"))
			p.mu.Unlock()
		}
		if _, e := io.WriteString(dst, line); e != nil || err != nil {
			return
		}
	}
}
