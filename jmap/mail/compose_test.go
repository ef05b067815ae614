package mail_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func compose(t testing.TB, properties string) string {
	t.Helper()
	c := mail.Composer{Now: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)}
	out, err := c.Compose(jmap.Raw(properties))
	if err != nil {
		t.Fatalf("%s: %v", properties, err)
	}
	return string(out)
}

func TestComposeHeader(t *testing.T) {
	for properties, want := range map[string]string{
		`"subject":"plain"`: "Subject: plain\r\n",
		`"subject":"` + strings.Repeat("long ", 20) + `"`:                                           "Subject: long long long long long long long long long long long long long long\r\n long long long long long long \r\n",
		`"subject":"=?utf-8?q?x?="`:                                                                 "Subject: =?utf-8?B?PT91dGYtOD9xP3g/PQ==?=\r\n",
		`"subject":"a\r\nBcc: eve@example.com"`:                                                     "Subject: =?utf-8?q?a=0D=0ABcc:_eve@example.com?=\r\n",
		`"from":[{"name":"Doe, J.","email":"j@example.com"},{"name":null,"email":"k@example.com"}]`: "From: \"Doe, J.\" <j@example.com>, k@example.com\r\n",
		`"to":[{"name":"Jörg","email":"jörg@exämple.com"}]`:                                         "To: =?utf-8?q?J=C3=B6rg?= <jörg@exämple.com>\r\n",
		`"header:To:asGroupedAddresses":[{"name":"Friends","addresses":[{"name":null,"email":"a@b"}]},{"name":null,"addresses":[{"name":null,"email":"c@d"}]}]`: "To: \"Friends\": a@b;, c@d\r\n",
		`"sentAt":"2021-03-04T05:06:07+02:00"`:                "Date: Thu, 4 Mar 2021 05:06:07 +0200\r\n",
		`"messageId":["a@b"]`:                                 "Message-ID: <a@b>\r\n",
		`"references":["a@b","c@d"]`:                          "References: <a@b> <c@d>\r\n",
		`"header:List-Help:asURLs":["mailto:a@b","http://c"]`: "List-Help: <mailto:a@b>, <http://c>\r\n",
		`"header:X-A:all":["1"," 2"]`:                         "X-A: 1\r\nX-A: 2\r\n",
		`"header:X-A":"a\r\n b"`:                              "X-A: a b\r\n",
		`"subject":null`:                                      "MIME-Version: 1.0\r\n",
	} {
		got := compose(t, "{"+properties+"}")
		if !strings.Contains(got, "\r\n"+want) && !strings.HasPrefix(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", properties, got, want)
		}
	}
	got := compose(t, `{}`)
	if !strings.HasPrefix(got, "Date: Thu, 2 Jan 2020 03:04:05 +0000\r\nMessage-ID: <") ||
		!strings.HasSuffix(got, "@localhost>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n") {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{`"messageId":["a b"]`, `"messageId":"a@b"`, `"sentAt":"x"`, `"sentAt":3`, `"header:X-A":"a\nb"`, `"header:X-A":"a\u0000"`, `"header:X:asDate":null,"header:x:asRaw":1`,
		`"header:MIME-Version":"1.0"`, `"from":[{"name":"x","email":"a\u0000@b"}]`, `"from":{"email":"a@b"}`, `"header:":"x"`, `"header:X-A:all":"x"`} {
		_, err := (&mail.Composer{}).Compose(jmap.Raw("{" + bad + "}"))
		if e, ok := errors.AsType[*jmap.SetError](err); !ok || e.Type != jmap.SetInvalidProperties {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Text comes back as it went in, by the encoding that fits it.
func TestComposeEncoding(t *testing.T) {
	for text, encoding := range map[string]string{
		"hello\nworld\n":                    "7bit",
		"":                                  "7bit",
		strings.Repeat("a", 2000):           "quoted-printable",
		"naïve text with one odd character": "quoted-printable",
		"Привет, мир":                       "base64",
		"a\r\nb\rc":                         "7bit",
		"nul \x00":                          "base64",
		"trailing space \nFrom me":          "7bit",
	} {
		v, _ := jmap.Marshal(text)
		raw := compose(t, `{"textBody":[{"partId":"1"}],"bodyValues":{"1":{"value":`+string(v)+`}}}`)
		p := mail.Parse([]byte(raw), "B")
		want := strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
		if got := p.Value(&p.TextBody[0], 0); got.Value != want || got.IsEncodingProblem || !strings.Contains(raw, "Content-Transfer-Encoding: "+encoding+"\r\n") {
			t.Errorf("%.30q: %.60q\n%q", text, got.Value, raw[:min(400, len(raw))])
		}
	}
}

func TestComposeBlobs(t *testing.T) {
	blobs := map[jmap.ID]string{"m": "Subject: é\r\n\r\nx\r\n", "b": strings.Repeat("\x00\xff", 100)}
	c := mail.Composer{MaxSize: 250, Open: func(id jmap.ID) ([]byte, error) {
		if b, ok := blobs[id]; ok {
			return []byte(b), nil
		}
		return nil, &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{id}}
	}}
	out, err := c.Compose(jmap.Raw(`{"attachments":[{"blobId":"m","type":"message/rfc822"},{"blobId":"b","type":"application/x","name":"ä.bin"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := mail.Parse(out, "B")
	if len(p.Attachments) != 2 || strings.Count(string(out), "Content-Transfer-Encoding: 8bit\r\n") != 2 || p.Attachments[1].Name != "ä.bin" {
		t.Fatalf("%q", out)
	}
	for i, id := range []jmap.ID{"m", "b"} {
		if got, ok := p.Content(string(p.Attachments[i].PartID)); string(got) != blobs[id] || !ok {
			t.Errorf("%s: %q", id, got)
		}
	}
	_, err = c.Compose(jmap.Raw(`{"attachments":[{"blobId":"b","type":"a/b"},{"blobId":"b","type":"a/b"}]}`))
	if e, ok := errors.AsType[*jmap.SetError](err); !ok || e.Type != jmap.SetTooLarge {
		t.Error(err)
	}
}

// FuzzCompose: whatever is in the properties, no field and no part comes of it that was not asked for.
func FuzzCompose(f *testing.F) {
	f.Add("subject", "Ann", "a@example.com", "hello", "f.txt")
	f.Add("a\r\nBcc: x@y", "x\" <e@e>, y", "a@b>\r\nX: y", "\r\n--b--\r\n", "a\"; x=\"\r\nX: y")
	f.Add("=?utf-8?q?x?=", "=?x?=", "\"a b\"@c", "\x00\xff\r", "ü\u2028")
	f.Fuzz(func(t *testing.T, subject, name, email, text, file string) {
		v := func(s string) string {
			b, err := jmap.Marshal(strings.ToValidUTF8(s, "?"))
			if err != nil {
				t.Skip()
			}
			return string(b)
		}
		c := mail.Composer{Open: func(jmap.ID) ([]byte, error) { return []byte(text), nil }}
		out, err := c.Compose(jmap.Raw(`{"subject":` + v(subject) + `,"from":[{"name":` + v(name) + `,"email":` + v(email) + `}],"textBody":[{"partId":"1"}],"bodyValues":{"1":{"value":` + v(text) + `}},
			"attachments":[{"blobId":"b","type":"text/plain","name":` + v(file) + `}]}`))
		if err != nil {
			if _, ok := errors.AsType[*jmap.SetError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		p := mail.Parse(out, "B")
		var names []string
		for _, h := range p.Header() {
			names = append(names, h.Name)
		}
		if want := []string{"From", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}; !slices.Equal(names, want) {
			t.Fatalf("%q of %q", names, out)
		}
		if len(p.Structure.SubParts) != 2 || len(p.Summary().From) != 1 {
			t.Fatalf("%q", out)
		}
		if got, _ := p.Content("2"); string(got) != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
