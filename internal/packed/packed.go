// Package packed reads documents that came compressed from strangers: reports in gzip or zip, or as they are. What comes
// out is bounded in size and in its ratio to what went in, so that a small file cannot become a large one.
package packed

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// Defaults of Limits.
const (
	DefaultMax   = 64 << 20
	DefaultInput = 10 << 20 // what receivers of reports take, RFC 8460 §5.2
	DefaultRatio = 250
)

// freeRatio is how much may come out whatever the ratio, in octets.
const freeRatio = 1 << 20

// Limits of an archive: how many files it lists, and how long the list is.
const (
	maxFiles     = 16
	maxDirectory = 64 << 10
)

// Limits bound a document. Fields that are 0 have the defaults.
type Limits struct {
	Max   int64 // octets of the document
	Input int64 // octets of what it is packed in
	Ratio int64 // of the two
}

// Why a document is refused. They are wrapped with the limit or the place.
var (
	ErrTooLarge = errors.New("document is too large")
	ErrFormat   = errors.New("document is packed in no way that is known, or wrongly")
)

// NewReader returns the document that r holds: what is in gzip, the one file of a zip, or r's octets. Reading it fails with
// ErrTooLarge past a limit and with ErrFormat where the packing is broken.
func NewReader(r io.Reader, l Limits) (io.Reader, error) {
	if l.Max == 0 {
		l.Max = DefaultMax
	}
	if l.Input == 0 {
		l.Input = DefaultInput
	}
	if l.Ratio == 0 {
		l.Ratio = DefaultRatio
	}
	in := &counter{r: r, max: l.Input}
	br := bufio.NewReader(in)
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, format(err)
		}
		return &bounded{r: z, l: l, in: func() int64 { return in.n }}, nil
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		whole, err := io.ReadAll(br)
		if err != nil {
			return nil, err
		}
		f, err := onlyFile(whole)
		if err != nil {
			return nil, err
		}
		z, err := f.Open()
		if err != nil {
			return nil, format(err)
		}
		return &bounded{r: z, l: l, in: func() int64 { return int64(len(whole)) }}, nil
	}
	return &bounded{r: br, l: l, in: func() int64 { return in.n }}, nil
}

func format(err error) error {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// A counter counts what it reads, up to max.
type counter struct {
	r      io.Reader
	n, max int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > c.max {
		return 0, fmt.Errorf("%w: more than %d octets as it came", ErrTooLarge, c.max)
	}
	return n, err
}

// bounded is the document.
type bounded struct {
	r  io.Reader
	l  Limits
	in func() int64
	n  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch {
	case b.n > b.l.Max:
		return 0, fmt.Errorf("%w: more than %d octets", ErrTooLarge, b.l.Max)
	case b.n > freeRatio && b.n > b.l.Ratio*b.in():
		return 0, fmt.Errorf("%w: more than %d times what it was packed in", ErrTooLarge, b.l.Ratio)
	case err != nil && err != io.EOF:
		return n, unwrapped(err)
	}
	return n, err
}

// unwrapped keeps errors of what is read from apart from those of the packing.
func unwrapped(err error) error {
	var corrupt interface{ Error() string }
	switch {
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF):
		return format(err)
	case errors.As(err, &corrupt) && strings.HasPrefix(corrupt.Error(), "flate:"):
		return format(err)
	}
	return err
}

// onlyFile returns the one file of a zip that is no folder. The list of files is bounded before it is read.
func onlyFile(whole []byte) (*zip.File, error) {
	end := bytes.LastIndex(whole, []byte("PK\x05\x06"))
	if end < 0 || len(whole) < end+22 {
		return nil, fmt.Errorf("%w: no list of files at the end of the zip", ErrFormat)
	}
	files := binary.LittleEndian.Uint16(whole[end+10:])
	size, offset := int64(binary.LittleEndian.Uint32(whole[end+12:])), int64(binary.LittleEndian.Uint32(whole[end+16:]))
	switch {
	case files > maxFiles || size > maxDirectory:
		return nil, fmt.Errorf("%w: a zip of more than %d files", ErrTooLarge, maxFiles)
	case offset+size != int64(end):
		return nil, fmt.Errorf("%w: the list of files of the zip is not where it says", ErrFormat)
	}
	z, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		return nil, format(err)
	}
	var found *zip.File
	for _, f := range z.File {
		switch {
		case f.FileInfo().IsDir():
		case found != nil:
			return nil, fmt.Errorf("%w: more than one file in the zip", ErrFormat)
		default:
			found = f
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: no file in the zip", ErrFormat)
	}
	return found, nil
}

// Decode undoes a Content-Transfer-Encoding (RFC 2045 §6). An encoding that is not known is taken for none.
func Decode(r io.Reader, encoding string) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, &alphabet{r: r})
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// alphabet leaves out what is not of base64 (RFC 2045 §6.8).
type alphabet struct{ r io.Reader }

func (a *alphabet) Read(p []byte) (int, error) {
	for {
		n, err := a.r.Read(p)
		kept := p[:0]
		for _, c := range p[:n] {
			if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
				kept = append(kept, c)
			}
		}
		if len(kept) > 0 || err != nil {
			return len(kept), err
		}
	}
}
