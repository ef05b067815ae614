package report

import (
	"bufio"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"
)

// decode returns a document in UTF-8, whatever it is in: octets that are nothing in the charset that it declares, and
// characters that no XML document has, become U+FFFD.
func decode(r io.Reader) (text io.Reader, problem string, err error) {
	br := bufio.NewReader(r)
	head, err := br.Peek(256)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	name := declared(head)
	if name == "" || name == "utf-8" || name == "utf8" {
		skip := 0
		if string(head[:min(3, len(head))]) == "\xef\xbb\xbf" {
			skip = 3
		}
		_, err := br.Discard(skip)
		return transform.NewReader(br, &legal{}), "", err
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		return transform.NewReader(br, &legal{}), fmt.Sprintf("charset %.40q is not known; read as UTF-8", name), nil
	}
	return transform.NewReader(br, transform.Chain(enc.NewDecoder(), &legal{})), "", nil
}

// maxToken is the most octets between one "<" and the next. It bounds what an XML decoder holds at a time: a text, a
// comment, an element with its attributes, none of which has a "<" in it.
const maxToken = 64 << 10

// legal replaces what is no character of XML 1.0 §2.2.
type legal struct {
	transform.NopResetter
	since int // the last "<"
}

func (l *legal) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		r, size := rune(src[nSrc]), 1
		if r >= utf8.RuneSelf {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r, size = utf8.DecodeRune(src[nSrc:]) // U+FFFD where it is none
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			r = utf8.RuneError
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if l.since += size; r == '<' {
			l.since = 0
		} else if l.since > maxToken {
			return nDst, nSrc, fmt.Errorf("%w: text or element of more than %d octets", ErrLimit, maxToken)
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += size
	}
	return nDst, nSrc, nil
}
