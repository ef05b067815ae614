package deflate

import (
	"compress/flate"
	"io"
	"sync"
)

// A Writer compresses. After each Write the peer can decode all that was written.
type Writer struct {
	w    io.Writer
	pool *sync.Pool // of *flate.Writer
	z    *flate.Writer
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return NewPooledWriter(w, &sync.Pool{}) }

// NewPooledWriter returns a Writer whose state, of some hundreds of kB, comes from pool, which it shares with others.
func NewPooledWriter(w io.Writer, pool *sync.Pool) *Writer { return &Writer{w: w, pool: pool} }

// Write compresses p and flushes.
func (w *Writer) Write(p []byte) (int, error) {
	if w.z == nil {
		if z, ok := w.pool.Get().(*flate.Writer); ok {
			z.Reset(w.w)
			w.z = z
		} else {
			z, err := flate.NewWriter(w.w, flate.BestSpeed)
			if err != nil {
				return 0, err
			}
			w.z = z
		}
	}
	if _, err := w.z.Write(p); err != nil {
		return 0, err
	}
	if err := w.z.Flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Park gives the state away until the next Write. What comes then does not refer to what came before, which costs some
// compression and is allowed at any flush.
func (w *Writer) Park() {
	if w.z != nil {
		w.z.Reset(nil)
		w.pool.Put(w.z)
		w.z = nil
	}
}
