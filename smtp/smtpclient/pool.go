package smtpclient

import (
	"sync"
	"time"
)

// Defaults of Pool.
const (
	DefaultMaxIdle     = 100
	DefaultIdleTime    = 30 * time.Second
	DefaultMaxMessages = 100
)

// maxIdlePerKey is how many connections to one server lie idle.
const maxIdlePerKey = 10

// A Pool keeps idle connections, each for a Client that would open the same: address, server name, Hostname, TLS
// policy and what is verified, and login are equal. The zero Pool is ready for use by several goroutines.
type Pool struct {
	// MaxIdle is how many connections lie idle, ten of them to one server at most; 0 is DefaultMaxIdle, negative keeps
	// none.
	MaxIdle int
	// IdleTime is how long each lies idle before it is closed; 0 is DefaultIdleTime.
	IdleTime time.Duration
	// MaxMessages is how many messages one connection carries; 0 is DefaultMaxMessages.
	MaxMessages int

	mu     sync.Mutex
	idle   map[key][]*idleConn
	count  int
	closed bool
	ending sync.WaitGroup // connections that say QUIT
}

type idleConn struct {
	conn  *Conn
	timer *time.Timer
}

// get takes out the connection that was used last, if it is still good.
func (p *Pool) get(k key) *Conn {
	for {
		p.mu.Lock()
		list := p.idle[k]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		ic := list[len(list)-1]
		p.remove(k, len(list)-1)
		p.mu.Unlock()
		ic.timer.Stop()
		if !pending(ic.conn.raw) {
			return ic.conn
		}
		ic.conn.kill()
	}
}

// remove takes the connection at index i of a list out. p.mu is held.
func (p *Pool) remove(k key, i int) {
	list := p.idle[k]
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	if list = list[:len(list)-1]; len(list) == 0 {
		delete(p.idle, k)
	} else {
		p.idle[k] = list
	}
	p.count--
}

// put takes a connection back after a transaction.
func (p *Pool) put(k key, conn *Conn) {
	if !conn.usable() || conn.mails >= def(p.MaxMessages, DefaultMaxMessages) {
		p.end(conn)
		return
	}
	maxIdle := p.MaxIdle
	if maxIdle == 0 {
		maxIdle = DefaultMaxIdle
	}
	if conn.raw.SetDeadline(time.Time{}) != nil {
		conn.kill()
		return
	}
	p.mu.Lock()
	if p.closed || p.count >= maxIdle || len(p.idle[k]) >= maxIdlePerKey {
		p.mu.Unlock()
		p.end(conn)
		return
	}
	if p.idle == nil {
		p.idle = make(map[key][]*idleConn)
	}
	ic := &idleConn{conn: conn}
	ic.timer = time.AfterFunc(def(p.IdleTime, DefaultIdleTime), func() { p.expire(k, ic) })
	p.idle[k] = append(p.idle[k], ic)
	p.count++
	p.mu.Unlock()
}

// expire ends a connection that has lain idle for long enough, if it still does.
func (p *Pool) expire(k key, ic *idleConn) {
	p.mu.Lock()
	for i, o := range p.idle[k] {
		if o == ic {
			p.remove(k, i)
			p.mu.Unlock()
			p.end(ic.conn)
			return
		}
	}
	p.mu.Unlock()
}

// end says QUIT on a connection without waiting for it.
func (p *Pool) end(conn *Conn) {
	if conn.dead.Load() {
		return
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.ending.Go(func() { _ = conn.Close() })
	}
	p.mu.Unlock()
	if closed {
		_ = conn.Close()
	}
}

// Close ends all idle connections and returns when that is done. Those in use are closed when they come back.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle, p.count = nil, 0
	p.mu.Unlock()
	for _, list := range all {
		for _, ic := range list {
			ic.timer.Stop()
			p.ending.Go(func() { _ = ic.conn.Close() })
		}
	}
	p.ending.Wait()
	return nil
}
