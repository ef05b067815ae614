package imap

import (
	"strings"
	"testing"
)

func TestQuotaRoot(t *testing.T) {
	read := func(d *Decoder) any { q := d.QuotaRoot(); return string(AppendQuotaRoot(nil, &q)) }
	for line, want := range map[string]string{
		` "" (STORAGE 10 512)`:                         `QUOTA "" (STORAGE 10 512)`,
		` "#user/alice" (storage 54 111 MESSAGE 42 1)`: `QUOTA #user/alice (STORAGE 54 111 MESSAGE 42 1)`,
		` x ()`:                               `QUOTA x ()`,
		` x (STORAGE 1)`:                      "! 13",
		` x (STORAGE -1 5)`:                   "! 12",
		` x (STORAGE 1 2`:                     "! 15",
		` x STORAGE 1 2`:                      "! 3",
		` x (STORAGE 1 99999999999999999999)`: "! 14",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestQuotaLimits(t *testing.T) {
	read := func(d *Decoder) any { l := d.QuotaLimits(); d.EOL(); return string(AppendQuotaLimits(nil, l)) }
	for line, want := range map[string]string{
		`(STORAGE 510)`:         `(STORAGE 510)`,
		`()`:                    `()`,
		`(storage 5 MESSAGE 0)`: `(MESSAGE 0 STORAGE 5)`,
		`(STORAGE 5 STORAGE 6)`: "! 20",
		`(STORAGE)`:             "! 8",
		`(STORAGE -1)`:          "! 9",
		`STORAGE 1`:             "! 0",
		`(STORAGE 1) x`:         "! 11",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func FuzzQuotaLimits(f *testing.F) {
	f.Add("(STORAGE 510)")
	f.Add("(storage 5 MESSAGE 0)")
	f.Add("()")
	f.Fuzz(func(t *testing.T, line string) {
		read := func(d *Decoder) any { l := d.QuotaLimits(); d.EOL(); return string(AppendQuotaLimits(nil, l)) }
		got := parseLine(line, read)
		if !strings.HasPrefix(got, "(") {
			return
		}
		if again := parseLine(got, read); again != got {
			t.Errorf("%q: %s, and read again %s", line, got, again)
		}
	})
}
