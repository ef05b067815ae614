package imap

import "strconv"

// MinUIDBatch is the least size of a batch that every server takes (RFC 10022 §3.1.3.2).
const MinUIDBatch = 500

// UIDBatches reads a UIDBATCHES response behind its keyword: the tag of its command, and the batches, of which the first has
// the highest UIDs.
func (d *Decoder) UIDBatches() (tag string, batches []UIDRange) {
	d.SP()
	d.Expect('(')
	if d.Keyword() != "TAG" {
		d.Want("TAG")
	}
	d.SP()
	tag = d.IString()
	d.Expect(')')
	if d.AtEOL() {
		return tag, nil
	}
	d.SP()
	for d.err == nil {
		high := d.NzNumber()
		d.Expect(':')
		low := d.NzNumber()
		if d.err == nil {
			batches = append(batches, UIDRange{First: UID(min(high, low)), Last: UID(max(high, low))})
		}
		if !d.Accept(',') {
			break
		}
	}
	d.EOL()
	return tag, batches
}

// AppendUIDBatches appends a UIDBATCHES response without its "*" (RFC 10022 §4).
func AppendUIDBatches(dst []byte, tag string, batches []UIDRange) []byte {
	dst = append(AppendQuoted(append(dst, "UIDBATCHES (TAG "...), tag), ')')
	sep := byte(' ')
	for _, b := range batches {
		dst = append(strconv.AppendUint(append(dst, sep), uint64(b.Last), 10), ':')
		dst = strconv.AppendUint(dst, uint64(b.First), 10)
		sep = ','
	}
	return dst
}
