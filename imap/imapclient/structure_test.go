package imapclient

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/message"
)

var mboxFrom = regexp.MustCompile(`(?m)^From .*\n`)

// mimeSuite returns the messages of the MIME suite with CRLF line ends, by name.
func mimeSuite(t testing.TB) (names []string, raw map[string]string) {
	t.Helper()
	root := suites.Dir(t, "mime")
	raw = make(map[string]string)
	crlf := strings.NewReplacer("\r\n", "\r\n", "\n", "\r\n")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(p, root+"/")
		b, err := os.ReadFile(p)
		switch filepath.Ext(p) {
		case ".raw", ".msg", ".golden":
			raw[name] = crlf.Replace(string(b))
		case ".txt":
			if strings.HasPrefix(filepath.Base(p), "msg_") {
				raw[name] = crlf.Replace(string(b))
			}
		case ".mbox":
			for i, m := range mboxFrom.Split(string(b), -1)[1:] {
				raw[name+"#"+string(rune('0'+i/10))+string(rune('0'+i%10))] = crlf.Replace(m)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range raw {
		if m != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, raw
}

// otherReadings are the messages that are read in two ways, and why.
var otherReadings = map[string]string{
	"cpython-email/msg_33.txt":                      "boundary* is decoded (RFC 2231 §4), so that the parts are found",
	"enmime/encode/part-content-only-qp.golden":     "Content-Transfer-Encoding counts without MIME-Version and Content-Type too",
	"enmime/mail/mime-unquoted-tspecials-param.raw": "a value that lacks its quotes goes on behind a bracket",
	"enmime/parts/unquoted-ctype-param-special.raw": "a value that lacks its quotes goes on behind a slash",
	"enmime/parts/missing-closing-param-quote.raw":  "a quoted string left open is a value all the same",
	"mime4j/testmsgs/very-long-boundary.msg":        "a boundary of more than 70 characters counts to its last one",
	"mime4j/testmsgs/very-very-long-boundary.msg":   "a boundary of more than 70 characters counts to its last one",
}

// TestStructureDovecot compares the ENVELOPE and the BODYSTRUCTURE of every message of the MIME suite with those of
// another server.
func TestStructureDovecot(t *testing.T) {
	names, raw := mimeSuite(t)
	d := suites.Dovecot(t)
	c, err := Dial(t.Context(), d.IMAP, Options{TLSConfig: &tls.Config{RootCAs: d.Roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Authenticate(t.Context(), sasl.Credentials{Username: d.User, Password: d.Password}); err != nil {
		t.Fatal(err)
	}
	msgs := make([]imap.AppendMessage, len(names))
	for i, name := range names {
		msgs[i] = imap.AppendMessage{Size: int64(len(raw[name])), Body: strings.NewReader(raw[name])}
	}
	if _, err := c.Append(t.Context(), "INBOX", msgs...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	agree, i := 0, 0
	for m, err := range c.Fetch(t.Context(), imap.AllUIDs(), imap.FieldEnvelope|imap.FieldStructure) {
		if err != nil {
			t.Fatal(err)
		}
		name := names[i]
		i++
		root := message.Parse([]byte(raw[name])).Root()
		structure := imap.ParseBodyStructure(root)
		unread(m.Structure, structure)
		theirs, ours := canonicalJSON(m.Envelope, m.Structure), canonicalJSON(imap.ParseEnvelope(root), structure)
		why, expected := otherReadings[name]
		switch same := bytes.Equal(theirs, ours); {
		case same && expected:
			t.Errorf("%s: no difference any more: %s", name, why)
		case same:
			agree++
		case expected:
			t.Logf("%s: %s", name, why)
		default:
			their, our := difference(theirs, ours)
			t.Errorf("%s:\n theirs %s\n ours   %s", name, their, our)
		}
	}
	if i != len(names) || i < 200 || agree*100 < i*98 {
		t.Errorf("%d of %d messages, %d agree", i, len(names), agree)
	}
	t.Logf("%d of %d agree", agree, i)
}

var whiteSpace = regexp.MustCompile(` +`)

// canonicalJSON writes both as they would be on the wire: names in one case, parameters in one order, white space, which
// they write for humans, single, and nothing that has no place in a multipart.
func canonicalJSON(e *imap.Envelope, s *imap.BodyStructure) []byte {
	normalise(s)
	b, _ := json.Marshal(struct {
		*imap.Envelope
		Structure *imap.BodyStructure
	}{e, s})
	b = whiteSpace.ReplaceAll(bytes.ToLower(b), []byte(" "))
	return bytes.ReplaceAll(b, []byte(` ",`), []byte(`",`))
}

func normalise(s *imap.BodyStructure) {
	if s.Type == "MULTIPART" {
		s.ID, s.Description, s.Encoding, s.Size, s.MD5 = "", "", "", 0, ""
	}
	for _, params := range [][]imap.BodyParam{s.Params, s.DispParams} {
		slices.SortStableFunc(params, func(a, b imap.BodyParam) int {
			return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		})
	}
	for i := range s.Parts {
		normalise(&s.Parts[i])
	}
	if s.Message != nil {
		normalise(s.Message)
	}
}

// unread gives their parts whose Content-Type they do not read, and send as NIL, which the grammar has not, the type
// that ours have: there is nothing to compare it with.
func unread(theirs, ours *imap.BodyStructure) {
	if theirs.Type == "" {
		theirs.Type, theirs.Subtype, theirs.Params, theirs.Lines = ours.Type, ours.Subtype, ours.Params, ours.Lines
	}
	for i := range min(len(theirs.Parts), len(ours.Parts)) {
		unread(&theirs.Parts[i], &ours.Parts[i])
	}
}

// difference cuts what two strings share at the start.
func difference(a, b []byte) (string, string) {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	i = max(0, i-30)
	return string(a[i:min(len(a), i+150)]), string(b[i:min(len(b), i+150)])
}
