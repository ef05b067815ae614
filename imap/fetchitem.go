package imap

import "slices"

// A FetchAtt is the name of a FETCH item.
type FetchAtt string

// Items of FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 3516, RFC 7162 §3.1.4, RFC 8474 §5.3, RFC 8514 §4.2, RFC
// 8970 §3).
const (
	FetchUID           FetchAtt = "UID"
	FetchFlags         FetchAtt = "FLAGS"
	FetchInternalDate  FetchAtt = "INTERNALDATE"
	FetchSize          FetchAtt = "RFC822.SIZE"
	FetchEnvelope      FetchAtt = "ENVELOPE"
	FetchStructure     FetchAtt = "BODYSTRUCTURE"
	FetchBodyStructure FetchAtt = "BODY"          // BODY without a section: BODYSTRUCTURE without extension data
	FetchBody          FetchAtt = "BODY[]"        // BODY[...], with a Section
	FetchBinary        FetchAtt = "BINARY[]"      // BINARY[...], with a Section: decoded
	FetchBinarySize    FetchAtt = "BINARY.SIZE[]" // BINARY.SIZE[...], with a Section
	FetchRFC822        FetchAtt = "RFC822"
	FetchRFC822Header  FetchAtt = "RFC822.HEADER"
	FetchRFC822Text    FetchAtt = "RFC822.TEXT"
	FetchModSeq        FetchAtt = "MODSEQ"
	FetchEmailID       FetchAtt = "EMAILID"
	FetchThreadID      FetchAtt = "THREADID"
	FetchSaveDate      FetchAtt = "SAVEDATE"
	FetchPreview       FetchAtt = "PREVIEW"
)

// A FetchItem is one item that FETCH asks for.
type FetchItem struct {
	Att     FetchAtt
	Peek    bool // BODY.PEEK, BINARY.PEEK: \Seen is not set
	Lazy    bool // PREVIEW (LAZY): only if it is there at once
	Section Section
}

// MaxFetchItems is how many items one FETCH asks for at most.
const MaxFetchItems = 100

// FetchItems reads what FETCH asks for: one item, a list of items, or the macro ALL, FAST or FULL, which is returned
// as the items it stands for. extra are further names that an item may have.
func (d *Decoder) FetchItems(extra ...FetchAtt) []FetchItem {
	var items []FetchItem
	if d.Peek() == '(' {
		d.List(func() {
			if len(items) == MaxFetchItems {
				d.Fail(&LimitError{What: "items of FETCH", Limit: MaxFetchItems})
			}
			items = append(items, d.fetchItem(d.fetchAtt(), extra))
		})
		if len(items) == 0 {
			d.Want("an item of FETCH")
		}
		return items
	}
	att := d.fetchAtt()
	macro := []FetchItem{{Att: FetchFlags}, {Att: FetchInternalDate}, {Att: FetchSize}, {Att: FetchEnvelope}, {Att: FetchBodyStructure}}
	switch att {
	case "FAST":
		return macro[:3]
	case "ALL":
		return macro[:4]
	case "FULL":
		return macro
	}
	return append(items, d.fetchItem(att, extra))
}

// fetchAtt reads a name up to a bracket.
func (d *Decoder) fetchAtt() string {
	return upper(d.while("an item of FETCH", func(c byte) bool { return c != '[' && isAtomChar(c) }))
}

func (d *Decoder) fetchItem(att string, extra []FetchAtt) FetchItem {
	if d.Peek() != '[' {
		switch a := FetchAtt(att); a {
		case FetchUID, FetchFlags, FetchInternalDate, FetchSize, FetchEnvelope, FetchStructure, FetchBodyStructure, FetchModSeq,
			FetchRFC822, FetchRFC822Header, FetchRFC822Text, FetchEmailID, FetchThreadID, FetchSaveDate:
			return FetchItem{Att: a}
		case FetchPreview:
			return d.previewItem()
		default:
			if slices.Contains(extra, a) {
				return FetchItem{Att: a}
			}
		}
		d.Want("an item of FETCH")
		return FetchItem{}
	}
	it := FetchItem{}
	switch att {
	case "BODY", "BODY.PEEK":
		it.Att, it.Peek = FetchBody, att == "BODY.PEEK"
	case "BINARY", "BINARY.PEEK":
		it.Att, it.Peek = FetchBinary, att == "BINARY.PEEK"
	case "BINARY.SIZE":
		it.Att, it.Peek = FetchBinarySize, true
	default:
		d.Want("an item of FETCH")
		return it
	}
	it.Section = d.Section()
	s := &it.Section
	switch {
	case d.err != nil:
	case s.Partial && s.Length == 0:
		d.Want("a range of offset and length")
	case it.Att != FetchBody && s.Specifier != SectionAll, it.Att == FetchBinarySize && s.Partial:
		d.Want("a part") // RFC 3516 §7, section-binary
	}
	return it
}

// previewItem reads the modifiers of PREVIEW (RFC 8970 §6).
func (d *Decoder) previewItem() FetchItem {
	it := FetchItem{Att: FetchPreview}
	if b := d.rest(); len(b) > 1 && b[0] == ' ' && b[1] == '(' {
		d.pos++
		d.List(func() {
			if d.Keyword() != "LAZY" {
				d.Want("LAZY")
			}
			it.Lazy = true
		})
		if !it.Lazy {
			d.Want("LAZY")
		}
	}
	return it
}

// AppendFetchItems appends what FETCH asks for as a list.
func AppendFetchItems(dst []byte, items []FetchItem) []byte {
	dst = append(dst, '(')
	for i := range items {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = AppendFetchItem(dst, &items[i])
	}
	return append(dst, ')')
}

// AppendFetchItem appends one item as a command has it.
func AppendFetchItem(dst []byte, it *FetchItem) []byte {
	switch it.Att {
	case FetchBody, FetchBinary:
		dst = append(dst, it.Att[:len(it.Att)-2]...)
		if it.Peek {
			dst = append(dst, ".PEEK"...)
		}
		return AppendSection(dst, &it.Section)
	case FetchBinarySize:
		return AppendSection(append(dst, "BINARY.SIZE"...), &it.Section)
	case FetchPreview:
		if it.Lazy {
			return append(dst, "PREVIEW (LAZY)"...)
		}
	}
	return append(dst, it.Att...)
}
