package mail_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func TestDecodeText(t *testing.T) {
	for raw, want := range map[string]string{
		" plain":                                   "plain",
		" folded\r\n line ":                        "folded line",
		"  =?utf-8?q?J=C3=B6rg_M?= x":              "Jörg M x",
		"=?ISO-8859-1?Q?a?=":                       "a",
		"=?ISO-8859-1?Q?a?= b":                     "a b",
		"=?ISO-8859-1?Q?a?= =?UTF-8?Q?b?=":         "ab",
		"=?ISO-8859-1?Q?a?=\r\n  =?UTF-8?B?Yg==?=": "ab",
		"=?ISO-8859-1?Q?a_b?=":                     "a b",
		"=?UTF-8?B?w6TDtg?=":                       "äö", // padding lost
		"=?UTF-8?B?w6TD?= =?UTF-8?B?tg==?=":        "äö", // one character in two words
		"=?koi8-r?B?8NLJ18XU?=":                    "Привет",
		"=?iso-2022-jp?B?GyRCJDMbKEI=?=":           "こ",
		"=?utf-8*de?Q?x=00=07y?=":                  "xy",
		"a=?utf-8?q?b?=":                           "a=?utf-8?q?b?=", // no white space before
		"=?utf-8?q?b?=,":                           "=?utf-8?q?b?=,",
		"=?utf-8?q?a b?=":                          "=?utf-8?q?a b?=",
		"=?nope?q?a?=":                             "=?nope?q?a?=",
		"=?utf-8?x?a?=":                            "=?utf-8?x?a?=",
		"=?utf-8?q?=4?=":                           "=?utf-8?q?=4?=",
		"=?utf-8?q?=FF?=":                          "\ufffd",
		"caf\xe9 \x00":                             "caf\ufffd",
		"e\u0301":                                  "é",
		"=?=?=?":                                   "=?=?=?",
		"":                                         "",
	} {
		if got := mail.DecodeText(raw); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", raw, got, want)
		}
	}
}

// The example of RFC 8621 §4.1.2.3 and §4.1.2.4.
const rfc8621List = ` "  James Smythe" <james@example.com>, Friends:` + "\r\n" +
	`  jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=` + "\r\n <john@example.com>;"

func TestRFC8621Addresses(t *testing.T) {
	got, _ := jmap.Marshal(mail.ParseAddresses(rfc8621List))
	if want := `[{"name":"James Smythe","email":"james@example.com"},{"name":null,"email":"jane@example.com"},{"name":"John Smîth","email":"john@example.com"}]`; string(got) != want {
		t.Errorf("got %s", got)
	}
	got, _ = jmap.Marshal(mail.ParseAddressGroups(rfc8621List))
	if want := `[{"name":null,"addresses":[{"name":"James Smythe","email":"james@example.com"}]},` +
		`{"name":"Friends","addresses":[{"name":null,"email":"jane@example.com"},{"name":"John Smîth","email":"john@example.com"}]}]`; string(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestAddresses(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                      ``,
		" , ,":                                  ``,
		"a@example.com":                         `|a@example.com`,
		"a@example.com (Alice A.)":              `Alice A.|a@example.com`,
		"<a@example.com> (Alice)":               `Alice|a@example.com`,
		"a@example.com (=?utf-8?q?=C3=84?=)":    `Ä|a@example.com`,
		`"Q. \"Nick\" A" <a@example.com>`:       `Q. "Nick" A|a@example.com`,
		`"=?utf-8?q?quoted?=" <a@example.com>`:  `=?utf-8?q?quoted?=|a@example.com`,
		`Q. A. Public <a@example.com>`:          `Q. A. Public|a@example.com`,
		`"A, B" <a@example.com>, c@example.com`: `A, B|a@example.com;|c@example.com`,
		`=?utf-8?q?a?= =?utf-8?q?b?= c <a@b>`:   `ab c|a@b`,
		`=?utf-8?q?a?= "x" <a@b>`:               `a x|a@b`,
		`"a""b" <a@b>`:                          `ab|a@b`,
		`<@r.example.com,@s.example.com:a@b>`:   `|a@b`,
		`< a (x) @ b >`:                         `|a@b`,
		`"a b"@example.com`:                     `|"a b"@example.com`,
		`<"a b"@example.com>`:                   `|"a b"@example.com`,
		`a @ example.com`:                       `|a@example.com`,
		`a@[IPv6:2001:db8::1]`:                  `|a@[IPv6:2001:db8::1]`,
		`undisclosed-recipients:;`:              ``,
		`A: a@b; c@d`:                           `|a@b;|c@d`,
		`no at sign`:                            `|no at sign`,
		`<unclosed@example.com`:                 `|unclosed@example.com`,
		`"unclosed <a@b>`:                       `|"unclosed <a@b>"`,
		`(unclosed <a@b>`:                       ``,
		`((nested) x) a@b`:                      `(nested) x|a@b`,
		`<>`:                                    ``,
		"J\xe9r <a@b>":                          "J\ufffdr|a@b",
		`jörg@exämple.com`:                      `|jörg@exämple.com`,
	} {
		var parts []string
		for _, a := range mail.ParseAddresses(raw) {
			parts = append(parts, string(a.Name)+"|"+a.Email)
		}
		if got := strings.Join(parts, ";"); got != want {
			t.Errorf("%q\ngot  %s\nwant %s", raw, got, want)
		}
	}
}

func TestHeaderProperty(t *testing.T) {
	fields := []mail.EmailHeader{
		{Name: "Subject", Value: " first"},
		{Name: "subject", Value: " =?utf-8?q?=C3=A4?="},
		{Name: "Date", Value: " Fri, 21 Nov 1997 09:55:06 -0600 (CST)"},
		{Name: "Message-ID", Value: " <a.b@example.com>"},
		{Name: "References", Value: " <a@b>\r\n <c@d> (x <no>) <e@\r\n f>"},
		{Name: "In-Reply-To", Value: " Your message of Friday"},
		{Name: "List-Post", Value: " <mailto:list@example.com> (Postings are open), <https://example.com/\r\n post>"},
		{Name: "Resent-To", Value: " a@b"},
		{Name: "Resent-To", Value: " c@d, e@f"},
		{Name: "X-Odd", Value: "\x00 \xff"},
	}
	for property, want := range map[string]string{
		"header:Subject":                   `" =?utf-8?q?=C3=A4?="`,
		"header:SUBJECT:asText":            `"ä"`,
		"header:subject:asText:all":        `["first","ä"]`,
		"header:subject:all":               `[" first"," =?utf-8?q?=C3=A4?="]`,
		"header:Date:asDate":               `"1997-11-21T09:55:06-06:00"`,
		"header:Message-ID:asMessageIds":   `["a.b@example.com"]`,
		"header:References:asMessageIds":   `["a@b","c@d","e@f"]`,
		"header:In-Reply-To:asMessageIds":  `null`,
		"header:List-POST:asURLs":          `["mailto:list@example.com","https://example.com/post"]`,
		"header:Resent-To:asAddresses:all": `[[{"name":null,"email":"a@b"}],[{"name":null,"email":"c@d"},{"name":null,"email":"e@f"}]]`,
		"header:X-Odd":                     "\" \ufffd\"",
		"header:X-Odd:asDate":              `null`,
		"header:None":                      `null`,
		"header:None:asAddresses":          `null`,
		"header:None:asText:all":           `[]`,
	} {
		p, err := mail.ParseHeaderProperty(property)
		if err != nil {
			t.Errorf("%s: %v", property, err)
			continue
		}
		got, err := p.Value(fields)
		if err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", property, got, err, want)
		}
	}
	for _, bad := range []string{"subject", "header:", "header:a b", "header:ä", "header:From:asDate", "header:Subject:asAddresses", "header:Date:asText",
		"header:Received:asText", "header:X:asNothing", "header:X:all:asText", "header:X:all:all", "header:X:", "header:Resent-Date:asURLs",
		"header:List-Post:asText", "header:Message-ID:asGroupedAddresses", "header:References:asAddresses"} {
		if _, err := mail.ParseHeaderProperty(bad); err == nil {
			t.Errorf("no error: %s", bad)
		}
	}
	for _, good := range []string{"header:List-Id:asText", "header:Resent-Subject:asDate", "header:X:asGroupedAddresses", "header:X:asURLs", "header:Keywords:asText"} {
		if _, err := mail.ParseHeaderProperty(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestParseDate(t *testing.T) {
	for raw, want := range map[string]string{
		" Fri, 21 Nov 1997 09:55:06 -0600":          `"1997-11-21T09:55:06-06:00"`,
		"21 Nov 97 09:55 GMT":                       `"1997-11-21T09:55:00Z"`,
		"Fri, 21 Nov 1997 09:55:06 EST":             `"1997-11-21T09:55:06-05:00"`,
		"Fri, 21 Nov 1997 09:55:06 XYZ":             `"1997-11-21T09:55:06Z"`,
		"Fri, 21 Nov 1997 09:55:06 -0000":           `"1997-11-21T09:55:06Z"`,
		"Fri, 21 Nov 1997\r\n 09:55:06 +0530 (IST)": `"1997-11-21T09:55:06+05:30"`,
		"yesterday":                       `null`,
		"":                                `null`,
		"(":                               `null`,
		"Fri, 31 Feb 1997 09:55:06 -0600": `null`,
	} {
		if got, _ := jmap.Marshal(mail.ParseDate(raw)); string(got) != want {
			t.Errorf("%q: got %s, want %s", raw, got, want)
		}
	}
}

func FuzzHeaderForms(f *testing.F) {
	f.Add(rfc8621List)
	f.Add(" =?utf-8?q?=C3=A4?= (=?iso-8859-1?b?5A==?=) <a@b>")
	f.Add("<\"\\\">@:x>;(\\")
	f.Fuzz(func(t *testing.T, raw string) {
		fields := []mail.EmailHeader{{Name: "X", Value: raw}}
		for _, form := range []string{"", ":asText", ":asAddresses", ":asGroupedAddresses", ":asMessageIds", ":asDate", ":asURLs"} {
			p, err := mail.ParseHeaderProperty("header:x" + form + ":all")
			if err != nil {
				t.Fatal(err)
			}
			if v, err := p.Value(fields); err != nil || !json.Valid(v) {
				t.Fatalf("%s: %s, %v", form, v, err)
			}
		}
	})
}
