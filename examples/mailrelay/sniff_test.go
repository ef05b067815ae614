package mailrelay

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mailbricks/mailbricks/smtp/policy"
)

func TestMessageID(t *testing.T) {
	for text, want := range map[string]string{
		"Message-ID: <1@a.example>\r\n\r\nbody":                       "<1@a.example>",
		"message-id :\r\n <1@a.example>\r\n\t\r\nSubject: x\r\n\r\n":  "<1@a.example>",
		"Subject: x\r\nMESSAGE-ID:<2@a>\r\nMessage-ID: <3@a>\r\n\r\n": "<2@a>",
		"Message-ID-X: <1@a>\r\n\r\nMessage-ID: <2@a>\r\n":            "",
		"Subject: x\r\n Message-ID: <1@a>\r\n\r\n":                    "",
		"Message-ID: <no end":                                         "<no end",
		"Message-ID":                                                  "",
		"\r\n\r\nMessage-ID: <1@a>\r\n":                               "",
		"":                                                            "",
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text))} {
			s := &sniffer{r: r}
			if b, err := io.ReadAll(s); string(b) != text || err != nil || s.n != int64(len(text)) {
				t.Errorf("%s: read %q, %v, counted %d", name, b, err, s.n)
			}
			if got := s.messageID(); got != want {
				t.Errorf("%s: %q: %q, want %q", name, text, got, want)
			}
		}
	}
}

// FuzzHeader: a message that is taken apart is whole again; what is taken away are fields of the one name alone.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		"Subject: x\r\nMailbricks-Decision: class=trusted\r\n\tmore\r\nTo: y\r\n\r\nbody\r\nMailbricks-Decision: z\r\n",
		"mailbricks-decision :x", "\r\nbody", "\n\n", " Mailbricks-Decision: x\r\n y\r\n", "", "a\nb\r\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		section, rest, err := readHeader(iotest.HalfReader(bytes.NewReader(message)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(rest)
		if err != nil || !bytes.Equal(append(bytes.Clone(section), body...), message) {
			t.Fatalf("%q and %q of %q, %v", section, body, message, err)
		}
		out := without(section, policy.DecisionField)
		if again := without(out, policy.DecisionField); !bytes.Equal(again, out) {
			t.Fatalf("%q becomes %q", out, again)
		}
		if len(section)-len(out) > 0 && !bytes.Contains(bytes.ToLower(section), []byte("mailbricks-decision")) {
			t.Fatalf("%q becomes %q", section, out)
		}
		s := &sniffer{r: bytes.NewReader(message)}
		if _, err := io.Copy(io.Discard, s); err != nil {
			t.Fatal(err)
		}
		if id := s.messageID(); strings.Contains(id, "\r\n") {
			t.Fatalf("%q", id)
		}
	})
}
