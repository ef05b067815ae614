package sasl_test

import (
	"context"
	"sync"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// idBook is an Authenticator that writes down who has logged in.
type idBook struct {
	sasl.Authenticator
	mu  sync.Mutex
	log string
}

func (b *idBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log
}

func (b *idBook) Start(ctx context.Context, c sasl.Conn, mechanism string) (sasl.Exchange, error) {
	e, err := b.Authenticator.Start(ctx, c, mechanism)
	if err != nil {
		return nil, err
	}
	return &bookedExchange{Exchange: e, b: b}, nil
}

type bookedExchange struct {
	sasl.Exchange
	b *idBook
}

func (e *bookedExchange) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := e.Exchange.Next(response)
	if done && err == nil {
		e.b.mu.Lock()
		defer e.b.mu.Unlock()
		id := e.Identity()
		e.b.log += id.Name + " by " + id.Mechanism
	}
	return challenge, done, err
}
