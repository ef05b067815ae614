package capability

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// A block is a list of fields, tag, length, value, by ascending tag, numbers big-endian without leading zeros: one
// form for one meaning. An unknown tag may be a limit that we do not know of, so it is refused.
const (
	tagID = iota + 1
	tagIssuer
	tagKey
	tagScope
	tagNotBefore
	tagExpires
	tagUses
	tagSize
	tagEpoch
	tagRate
	tagClass
	tagEnd
)

// maxField is the longest value of a field: its length is one octet.
const maxField = 255

func errSyntax(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrSyntax}, args...)...)
}

func appendField(dst []byte, tag byte, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return append(append(dst, tag, byte(len(value))), value...)
}

func appendNumber(dst []byte, tag byte, n uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, n)
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return appendField(dst, tag, b)
}

func appendTime(dst []byte, tag byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return appendNumber(dst, tag, uint64(max(1, t.Unix())))
}

// appendBlock appends the fields of g; those of a narrowing block have no ID and no Issuer.
func appendBlock(dst []byte, g Grant) []byte {
	if g.ID != (ID{}) {
		dst = appendField(dst, tagID, g.ID[:])
	}
	dst = appendField(dst, tagIssuer, []byte(g.Issuer))
	dst = appendNumber(dst, tagKey, uint64(g.Key))
	dst = appendField(dst, tagScope, []byte(g.Scope))
	dst = appendTime(dst, tagNotBefore, g.NotBefore)
	dst = appendTime(dst, tagExpires, g.Expires)
	dst = appendNumber(dst, tagUses, uint64(g.Uses))
	dst = appendNumber(dst, tagSize, g.Size)
	dst = appendNumber(dst, tagEpoch, uint64(g.Epoch))
	dst = appendNumber(dst, tagRate, g.Rate.number())
	return appendNumber(dst, tagClass, uint64(g.Class))
}

// parseBlock reads the fields of one block.
func parseBlock(b []byte, first bool) (Grant, error) {
	var g Grant
	last := byte(0)
	for len(b) > 0 {
		if len(b) < 2 || int(b[1]) > len(b)-2 || b[1] == 0 {
			return g, errSyntax("field is cut short")
		}
		tag, v := b[0], b[2:2+b[1]]
		b = b[2+len(v):]
		if tag <= last || tag >= tagEnd {
			return g, errSyntax("field %d", tag)
		}
		last = tag
		if !first && (tag == tagID || tag == tagIssuer || tag == tagKey || tag == tagEpoch) {
			return g, errSyntax("field %d in a narrowing block", tag)
		}
		switch tag {
		case tagID:
			if len(v) != len(g.ID) {
				return g, errSyntax("id of %d octets", len(v))
			}
			copy(g.ID[:], v)
			continue
		case tagIssuer, tagScope:
			if !validScope(string(v), tag == tagIssuer) {
				return g, errSyntax("issuer or scope %q", v)
			}
			if tag == tagIssuer {
				g.Issuer = string(v)
			} else {
				g.Scope = string(v)
			}
			continue
		}
		if len(v) > 8 || v[0] == 0 {
			return g, errSyntax("number in field %d", tag)
		}
		var n uint64
		for _, c := range v {
			n = n<<8 | uint64(c)
		}
		most := uint64(math.MaxUint64)
		switch tag {
		case tagKey:
			most, g.Key = math.MaxUint8, uint8(n)
		case tagNotBefore:
			most, g.NotBefore = 1<<40, time.Unix(int64(n&(1<<41-1)), 0).UTC()
		case tagExpires:
			most, g.Expires = 1<<40, time.Unix(int64(n&(1<<41-1)), 0).UTC()
		case tagUses:
			most, g.Uses = math.MaxUint32, uint32(n)
		case tagSize:
			g.Size = n
		case tagEpoch:
			most, g.Epoch = math.MaxUint32, uint32(n)
		case tagRate:
			if g.Rate = rateOf(n & (1<<56 - 1)); !g.Rate.valid() || n >= 1<<56 {
				return g, errSyntax("rate")
			}
		case tagClass:
			most, g.Class = uint64(Bulk), Class(n)
		}
		if n > most {
			return g, errSyntax("number in field %d", tag)
		}
	}
	if first && (g.ID == (ID{}) || g.Issuer == "") {
		return g, errSyntax("no id or no issuer")
	}
	return g, nil
}
