package letter

import (
	"strings"
	"testing"
)

func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "\r\n",
		"a: b\n\nc":               "a: b\r\n\r\nc\r\n",
		"a: b\r\n\r\nc\r\n":       "a: b\r\n\r\nc\r\n",
		"a: b\n\r\n\n.\n..\n":     "a: b\r\n\r\n\r\n.\r\n..\r\n",
		"a\xff\n" + "\n":          "a\xff\r\n\r\n",
		strings.Repeat("x", 5000): strings.Repeat("x", 5000) + "\r\n",
	} {
		m, err := Prepare([]byte(in))
		if err != nil || string(m.Bytes) != want {
			t.Errorf("%.20q: %.40q, %v", in, m.Bytes, err)
		}
	}
	for in, want := range map[string]string{
		"a: b\n\nc\x00d":               "line 3 (octet 7) holds NUL",
		"a: b\r\nc: d\re\n":            "line 2 (octet 10) holds CR without LF",
		"a\r":                          "line 1 (octet 1) holds CR",
		"a\r\r\n":                      "line 1 (octet 1) holds CR",
		strings.Repeat("x", MaxSize+1): "carries letters of up to 32 MiB",
	} {
		if _, err := Prepare([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", in, err, want)
		}
	}
}

func TestHeader(t *testing.T) {
	m, err := Prepare([]byte("From: =?utf-8?q?=C3=84nne?= <a@b.test>\nsubject: =?utf-8?b?w5w=?=\n x\n\nFrom: c@d.test\nh\u00e9\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "Ü x" || m.From.Address() != "a@b.test" || m.Domain != "b.test" || !m.Vouchable() || !m.EightBit || m.EightBitHeader {
		t.Errorf("%+v", m)
	}
}

func TestCompare(t *testing.T) {
	const letter = "Return-Path: <old@b.test>\r\nSubject: x\r\nreturn-path :\r\n <older@b.test>\r\n\r\nbody\r\n"
	m, err := Prepare([]byte(letter))
	if err != nil {
		t.Fatal(err)
	}
	const trace = "Return-Path: <a@b>\r\nReceived: from x\r\n by y; now\r\nDate: now\r\n"
	const without = "Subject: x\r\n\r\nbody\r\n"
	for stored, ok := range map[string]bool{
		letter:                            true,
		without:                           true,
		trace + letter:                    true,
		trace + without:                   true,
		trace + letter + "\r\n":           false,
		trace + letter[:20]:               false,
		"":                                false,
		trace + "X-Added: y\r\n" + letter: false,
		"Subject: other\r\n" + letter:     false,
		trace + "no field\r\n" + letter:   false,
		trace + "x" + letter:              false,
		trace[:len(trace)-2] + letter:     false,
		strings.Replace(trace+letter, "body", "bodY", 1): false,
		strings.Replace(trace+letter, "old@", "new@", 1): false,
	} {
		before := stored
		if err := m.Compare([]byte(stored)); (err == nil) != ok {
			t.Errorf("%q: %v", stored, err)
		}
		if before != stored {
			t.Errorf("%q has changed", before)
		}
	}
}

// TestCompose: a letter of the form comes out as it went in, and has no more fields than it should.
func TestCompose(t *testing.T) {
	b, err := Compose("alice@harbour.example", "bob@meadow.example", "Grüße — und ein sehr, sehr langer Betreff, der nicht in eine Zeile passt, weil er so lang ist", "Hallo,\n.\n"+strings.Repeat("ö", 1000)+"\n")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Prepare(b)
	if err != nil || m.From.Address() != "alice@harbour.example" || !strings.HasPrefix(m.Subject, "Grüße — und") || m.EightBit {
		t.Errorf("%+v %v", m, err)
	}
	for line := range strings.Lines(string(b)) {
		if len(line) > 400 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	for _, bad := range []string{"x\r\nBcc: eve@x.test", "x\ny", "x\x00"} {
		if _, err := Compose("alice@harbour.example", "bob@meadow.example", bad, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
