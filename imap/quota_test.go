package imap

import "testing"

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
