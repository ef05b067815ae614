package nats_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mailbricks/mailbricks/examples/adapters/nats"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/spenttest"
)

// start starts a server in this process, which ends with the test, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not answer")
	}
	return s.ClientURL()
}

func connect(t *testing.T, at string) jetstream.JetStream {
	t.Helper()
	nc, err := natsgo.Connect(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func open(t *testing.T, at, bucket string, now func() time.Time) hashcash.SpentStore {
	t.Helper()
	s, err := nats.OpenSpent(t.Context(), connect(t, at), bucket, 1, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConforms(t *testing.T) {
	at := start(t)
	var n atomic.Int32
	spenttest.Run(t, func(t *testing.T, now func() time.Time) hashcash.SpentStore {
		return open(t, at, fmt.Sprintf("spent%d", n.Add(1)), now)
	})
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := open(t, at, "far", func() time.Time { return now })
	if ok, err := s.Spend(t.Context(), "stamp", now.Add(nats.MaxLife+time.Second)); ok || err == nil {
		t.Errorf("an expiry that is too far: %v, %v", ok, err)
	}
	if ok, err := s.Spend(t.Context(), "stamp", now.Add(nats.MaxLife)); !ok || err != nil {
		t.Errorf("the furthest expiry: %v, %v", ok, err)
	}
}

func TestProcesses(t *testing.T) {
	spenttest.Processes(t, func() string { return start(t) },
		func(t *testing.T, at string) hashcash.SpentStore { return open(t, at, "spent", nil) })
}
