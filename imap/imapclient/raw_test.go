package imapclient

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
)

// TestRaw sends what the Client does not know, and goes on as before.
func TestRaw(t *testing.T) {
	var events []string
	o := plain
	o.Unilateral = func(e Event) { events = append(events, fmt.Sprint(e.Kind == EventExists, e.Number)) }
	c := connect(t, o, "LITERAL+", `
		C: a2 X-COLOUR INBOX {3+}
		C: a
		C: "b"
		S: * 7 EXISTS
		S: * X-COLOUR INBOX ("red" blue)
		S: * 3 X-SHADE dark
		S: a2 OK [X-SAVED 5] done
		C: a3 UID X-COLOUR 1:*
		S: * X-COLOUR (
		S: a3 OK done
		C: a4 X-COLOUR
		S: a4 NO [CANNOT] no colours
		C: a5 NOOP
		S: a5 OK`)
	var got []string
	data := map[string]func(uint32, *imap.Decoder){
		"X-COLOUR": func(n uint32, d *imap.Decoder) {
			d.SP()
			name := d.Astring()
			d.SP()
			d.List(func() { got = append(got, fmt.Sprint(n, " ", name, " ", d.Astring())) })
		},
		"X-SHADE": func(n uint32, d *imap.Decoder) {
			d.SP()
			got = append(got, fmt.Sprint(n, " ", d.Keyword()))
		},
	}
	args := imap.AppendLiteral(append(imap.AppendAString([]byte{' '}, "INBOX"), ' '), []byte("a\r\n"))
	st, err := c.Raw(t.Context(), "x-colour", append(args, `"b"`...), data)
	if err != nil || st.Code != "X-SAVED" || st.Args != "5" {
		t.Errorf("%+v, %v", st, err)
	}
	if s := strings.Join(got, ", ") + "; " + strings.Join(events, ", "); s != "0 INBOX red, 0 INBOX blue, 3 DARK; true 7" {
		t.Error(s)
	}
	if _, err := c.Raw(t.Context(), "UID X-COLOUR", []byte(" 1:*"), data); !errors.As(err, new(*imap.SyntaxError)) {
		t.Errorf("garbage: %v", err)
	}
	if _, err := c.Raw(t.Context(), "X-COLOUR", nil, data); !errors.Is(err, &imap.Status{Code: imap.CodeCannot}) {
		t.Errorf("refused: %v", err)
	}
	for _, bad := range []struct{ name, args, kind string }{
		{"", "", "X"}, {"X Y", "", "X"}, {"X\r\nY", "", "X"}, {"STARTTLS", "", "X"}, {"uid", "", "X"}, {"UID SELECT", "", "X"}, {"\\X", "", "X"},
		{"X", "a", "X"}, {"X", " a\r\nb DELETE x", "X"}, {"X", " a\nb", "X"}, {"X", " a\x00", "X"}, {"X", " {3}\r\nab", "X"}, {"X", " {1+}\r\na", "X"}, {"X", " {1}\r\na\r\nb", "X"}, {"X", " }\r\nb", "X"},
		{"X", "", "FETCH"}, {"X", "", "x"},
	} {
		if _, err := c.Raw(t.Context(), bad.name, []byte(bad.args), map[string]func(uint32, *imap.Decoder){bad.kind: nil}); !errors.Is(err, ErrArgument) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}
