package imap

import "testing"

func TestUIDBatches(t *testing.T) {
	read := func(d *Decoder) any { tag, b := d.UIDBatches(); return string(AppendUIDBatches(nil, tag, b)) }
	for line, want := range map[string]string{
		` (TAG "A143") 215295:99696,99695:20351,20350:7830,7829:1`: `UIDBATCHES (TAG "A143") 215295:99696,99695:20351,20350:7830,7829:1`,
		` (TAG "A302")`:        `UIDBATCHES (TAG "A302")`,
		` (TAG "a") 5:5`:       `UIDBATCHES (TAG "a") 5:5`,
		` (TAG "a") 1:5`:       `UIDBATCHES (TAG "a") 5:1`,
		` (TAG "a") `:          "! 11",
		` (TAG "a") 5`:         "! 12",
		` (TAG "a") 5:1,`:      "! 15",
		` (TAG "a") 5:0`:       "! 13",
		` (TAG "a") 5:* `:      "! 13",
		` 5:1`:                 "! 1",
		` (UID "a") 5:1`:       "! 5",
		` (TAG "a") 5:1 (x 1)`: "! 14",
	} {
		if got := parseLine(line, read); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
