package imap

import (
	"testing"
)

// TestRFC9051 reads what the examples of RFC 9051 have, and writes it back.
func TestRFC9051(t *testing.T) {
	items := func(d *Decoder) any { return string(AppendFetchItems(nil, d.FetchItems())) }
	status := func(d *Decoder) any { s := d.Status(); return string(AppendStatus(nil, &s)) }
	set := func(d *Decoder) any { return d.SequenceSet().String() }
	flags := func(d *Decoder) any { return string(AppendFlags(nil, d.FlagList())) }
	search := func(d *Decoder) any { d.SearchKeys(SearchNumbers{}); return d.Err() == nil }
	section := func(d *Decoder) any { s := d.Section(); return string(AppendSection(nil, &s)) }
	for _, c := range []struct {
		where string
		read  func(*Decoder) any
		line  string
		want  string // "" for the line itself
	}{
		{"§4.1.1", set, "2,4:7,9,12:*", ""},
		{"§4.1.1", set, "4,5:7", "4,5:7"},
		{"§6.4.5", items, "(FLAGS BODY[HEADER.FIELDS (DATE FROM)])", ""},
		{"§6.4.5.1", section, "[HEADER]", ""},
		{"§6.4.5.1", section, "[3.HEADER]", ""},
		{"§6.4.5.1", section, "[4.2.2.1]", ""},
		{"§6.4.5.1", section, "[4.2.MIME]", ""},
		{"§6.4.5", items, "BODY[]<0.2048>", "(BODY[]<0.2048>)"},
		{"§8", items, "body[header]", "(BODY[HEADER])"},
		{"§6.3.12", flags, `(\Seen)`, ""},
		{"§7.3.5", flags, `(\Answered \Flagged \Deleted \Seen \Draft)`, ""},
		{"§6.4.4", search, `FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"`, "true"},
		{"§6.4.4", search, "TEXT {12}\r\n\xd0\xbe\xd1\x82\xd0\xbf\xd1\x83\xd1\x81\xd0\xba", "true"},
		{"§6.4.4", search, "1:5000", "true"},
		{"§6.4.4.2", search, `SMALLER 4096 $`, "true"},
		{"§6.3.2", status, "OK [UIDVALIDITY 3857529045] UIDs valid", ""},
		{"§6.3.2", status, `OK [PERMANENTFLAGS (\Deleted \Seen \*)] Limited`, ""},
		{"§6.3.2", status, "OK [READ-WRITE] SELECT completed", ""},
		{"§6.3.12", status, "OK [APPENDUID 38505 3955] APPEND completed", ""},
		{"§6.4.7", status, "OK [COPYUID 38505 304,319:320 3956:3958] COPY completed", ""},
		{"§7.1", status, "NO [BADCHARSET ({5}", "! 3"},
		{"§7.1.1", status, "OK IMAP4rev2 server ready", ""},
		{"§7.1", status, "NO [AUTHORIZATIONFAILED] No such authorization-ID", ""},
		{"§7.1.5", status, "BYE Autologout; idle for too long", ""},
	} {
		want := c.want
		if want == "" {
			want = c.line
		}
		if got := parseLine(c.line, c.read); got != want {
			t.Errorf("%s %s: got %s, want %s", c.where, c.line, got, want)
		}
	}
}
