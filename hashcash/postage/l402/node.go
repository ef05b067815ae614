package l402

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// Errors of a Node.
var (
	ErrInvoice = errors.New("l402: no such invoice")
	ErrCredit  = errors.New("l402: not enough credit")
)

// An Invoicer is the recipient's Lightning node.
type Invoicer interface {
	// Invoice makes an invoice for so many units. hash is its payment hash.
	Invoice(ctx context.Context, units int) (invoice string, hash [sha256.Size]byte, err error)
}

// A Payer is the sender's Lightning node.
type Payer interface {
	// Pay pays an invoice of no more than most units, and returns the preimage of its payment hash.
	Pay(ctx context.Context, invoice string, most int) (preimage [32]byte, err error)
}

// Node is an Invoicer and a Payer within this process. It moves no money: it knows preimages, and gives each to who pays
// from its Credit. Its invoices are none of Lightning's. It is for tests and demonstrations.
type Node struct {
	// Credit is what can be paid, in units. It must not be read or written while the node is in use.
	Credit int

	mu      sync.Mutex
	pending map[string]pending
}

type pending struct {
	units    int
	preimage [32]byte
}

const (
	invoicePrefix = "test-invoice-"
	maxPending    = 10_000
)

// Invoice implements Invoicer.
func (n *Node) Invoice(_ context.Context, units int) (string, [sha256.Size]byte, error) {
	var p pending
	_, _ = rand.Read(p.preimage[:]) // never fails
	p.units = units
	hash := sha256.Sum256(p.preimage[:])
	invoice := invoicePrefix + strconv.Itoa(units) + "-" + hex.EncodeToString(hash[:])
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) >= maxPending {
		return "", hash, fmt.Errorf("l402: %d invoices are not paid yet", len(n.pending))
	}
	if n.pending == nil {
		n.pending = make(map[string]pending)
	}
	n.pending[invoice] = p
	return invoice, hash, nil
}

// Pay implements Payer. The error wraps ErrInvoice or ErrCredit.
func (n *Node) Pay(_ context.Context, invoice string, most int) ([32]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.pending[invoice]
	if !ok {
		return [32]byte{}, fmt.Errorf("%w: %q", ErrInvoice, invoice)
	}
	if p.units > most || p.units > n.Credit {
		return [32]byte{}, fmt.Errorf("%w: %d units, at most %d of %d", ErrCredit, p.units, most, n.Credit)
	}
	n.Credit -= p.units
	delete(n.pending, invoice)
	return p.preimage, nil
}
