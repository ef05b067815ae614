package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func addrs(list string) []netip.Addr {
	var out []netip.Addr
	for s := range strings.FieldsSeq(list) {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestInterleave(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 8, ""},
		{"192.0.2.1 192.0.2.2", 8, "192.0.2.1 192.0.2.2"},
		{"192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2 2001:db8::3", 8, "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 2001:db8::3"},
		{"192.0.2.1 ::ffff:192.0.2.1 192.0.2.1", 8, "192.0.2.1"},
		{"192.0.2.1 2001:db8::1 192.0.2.2", 2, "2001:db8::1 192.0.2.1"},
	} {
		if got := interleave(addrs(tt.in), tt.limit); !slices.Equal(got, addrs(tt.want)) {
			t.Errorf("%s: %v", tt.in, got)
		}
	}
}

// TestRace dials addresses that answer after a while or never, and looks at who was dialed when.
func TestRace(t *testing.T) {
	type host struct {
		after time.Duration // until it answers
		err   bool          // with a refusal
	}
	never := host{after: time.Hour}
	now, fails := host{}, host{err: true}
	late := func(d time.Duration) host { return host{after: d} }
	for _, tt := range []struct {
		name   string
		hosts  []host
		cancel time.Duration // 0: never
		want   int           // the winner, -1 for nobody
		took   time.Duration
		starts []time.Duration
	}{
		{"the first", []host{now, now}, 0, 0, 0, []time.Duration{0}},
		{"the first is slow", []host{late(time.Second), now}, 0, 1, 250 * time.Millisecond, []time.Duration{0, 250 * time.Millisecond}},
		{"the first is a little slow", []host{late(200 * time.Millisecond), now}, 0, 0, 200 * time.Millisecond, []time.Duration{0}},
		{"the first wins all the same", []host{late(300 * time.Millisecond), late(time.Second), now}, 0, 0, 300 * time.Millisecond, []time.Duration{0, 250 * time.Millisecond}},
		{"failures do not wait", []host{fails, fails, fails, now}, 0, 3, 0, []time.Duration{0, 0, 0, 0}},
		{"all fail", []host{fails, fails}, 0, -1, 0, []time.Duration{0, 0}},
		{"nobody answers", []host{never, never}, 3 * time.Second, -1, 3 * time.Second, []time.Duration{0, 250 * time.Millisecond}},
		{"black hole, refusal, host", []host{never, fails, now}, 0, 2, 250 * time.Millisecond, []time.Duration{0, 250 * time.Millisecond, 250 * time.Millisecond}},
		{"given up early", []host{never, never, now}, 100 * time.Millisecond, -1, 100 * time.Millisecond, []time.Duration{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancel > 0 {
					time.AfterFunc(tt.cancel, cancel)
				}
				begin := time.Now()
				starts := make(chan time.Duration, len(tt.hosts))
				var open []net.Conn
				dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
					starts <- time.Since(begin)
					i := int(netip.MustParseAddrPort(addr).Addr().As4()[3])
					h := tt.hosts[i]
					select {
					case <-time.After(h.after):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if h.err {
						return nil, errors.New("refused")
					}
					c, other := net.Pipe()
					open = append(open, other)
					return named{c, fmt.Sprint(i)}, nil
				}
				var list []netip.Addr
				for i := range tt.hosts {
					list = append(list, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
				}
				c, of, err := race(ctx, dial, "tcp", list, "25")
				got := -1
				if err == nil {
					if got = of; c.(named).name != fmt.Sprint(of) {
						t.Errorf("connection of %s said to be that of %d", c.(named).name, of)
					}
					c.Close()
				}
				took := time.Since(begin)
				close(starts)
				var started []time.Duration
				for s := range starts {
					started = append(started, s)
				}
				if got != tt.want || took != tt.took || !slices.Equal(started, tt.starts) {
					t.Errorf("%d after %v, dialed at %v; want %d, %v, %v (%v)", got, took, started, tt.want, tt.took, tt.starts, err)
				}
				for _, o := range open { // all are closed
					if _, err := o.Read(make([]byte, 1)); err == nil {
						t.Error("text")
					}
				}
			})
		})
	}
}

type named struct {
	net.Conn
	name string
}
