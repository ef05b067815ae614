package mailserver

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxMessage is the size of the largest message that is taken apart, in octets.
const maxMessage = 256 << 20

// A bytesBlob is a Blob in memory.
type bytesBlob struct{ *bytes.Reader }

func newBytesBlob(b []byte) jmap.Blob { return bytesBlob{bytes.NewReader(b)} }

// Close does nothing.
func (bytesBlob) Close() error { return nil }

// readBlob reads a whole blob of the store's.
func readBlob(ctx context.Context, a *mail.Account, id jmap.ID) ([]byte, error) {
	b, err := a.Blobs.OpenBlob(ctx, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.Size() > maxMessage {
		return nil, fmt.Errorf("mailserver: blob %s has %d octets, more than %d", id, b.Size(), maxMessage)
	}
	raw := make([]byte, b.Size())
	if n, err := b.ReadAt(raw, 0); n < len(raw) {
		return nil, fmt.Errorf("mailserver: blob %s: %w", id, err)
	}
	return raw, nil
}

// readHeader reads the header of a message, with the empty line that ends it.
func readHeader(ctx context.Context, a *mail.Account, id jmap.ID) ([]byte, error) {
	b, err := a.Blobs.OpenBlob(ctx, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	size := min(b.Size(), maxMessage)
	raw := make([]byte, 0, min(size, 8<<10))
	for {
		chunk := raw[len(raw):cap(raw)]
		n, err := b.ReadAt(chunk, int64(len(raw)))
		raw = raw[:len(raw)+n]
		if i := bytes.Index(raw, []byte("\r\n\r\n")); i >= 0 {
			return raw[:i+4], nil
		}
		if int64(len(raw)) >= size || err == io.EOF {
			return raw, nil
		}
		if err != nil {
			return nil, fmt.Errorf("mailserver: blob %s: %w", id, err)
		}
		grown := make([]byte, len(raw), min(size, 4*int64(cap(raw))))
		copy(grown, raw)
		raw = grown
	}
}
