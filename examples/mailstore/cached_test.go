package mailstore

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/message"
)

const multipart = "From: Alice <alice@example.com>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Message-ID: <m1@example.com>\r\nDate: Wed, 17 Jul 1996 02:23:25 -0700\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHallo.\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n"

// What the columns give back is what parsing the message gives.
func TestCachedFieldsAreThoseOfTheMessage(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		bodies := []string{multipart, "", "no header", letter("1", "x", "y"), strings.Repeat("Received: x\r\n", 9000) + "\r\n" + strings.Repeat("z", 1000)}
		add(t, a, "INBOX", bodies...)
		got := list(t, box(t, a, "INBOX"), imap.AllUIDs(), imap.FieldEnvelope|imap.FieldStructure)
		for i, b := range bodies {
			root := message.Parse([]byte(b)).Root()
			if want := imap.ParseEnvelope(root); !reflect.DeepEqual(got[i].Envelope, want) {
				t.Errorf("body %d: envelope %+v\nwant %+v", i, got[i].Envelope, want)
			}
			if want := imap.ParseBodyStructure(root); !reflect.DeepEqual(got[i].Structure, want) {
				t.Errorf("body %d: structure %+v\nwant %+v", i, got[i].Structure, want)
			}
		}
		if x := list(t, box(t, a, "INBOX"), imap.UIDs(1), imap.FieldEnvelope)[0]; x.Structure != nil || x.Size != 0 {
			t.Errorf("unwanted: %+v", x)
		}
	})
}

// All messages of the MIME suites come back byte for byte, and their structure survives the columns.
func TestSuites(t *testing.T) {
	dir := suites.Dir(t, "mime")
	s := openDir(t, t.TempDir(), Options{Inline: 4096})
	a := user(t, s, "alice")
	var bodies []string
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(p, ".msg") && !strings.HasSuffix(p, ".eml") && !strings.HasSuffix(p, ".raw") {
			return err
		}
		b, err := os.ReadFile(p)
		bodies = append(bodies, string(b))
		return err
	})
	if err != nil || len(bodies) < 50 {
		t.Fatalf("%d messages, %v", len(bodies), err)
	}
	add(t, a, "INBOX", bodies...)
	m := box(t, a, "INBOX")
	for i, x := range list(t, m, imap.AllUIDs(), imap.FieldStructure) {
		if got := read(t, m, x.UID); got != bodies[i] {
			t.Errorf("message %d: %d octets instead of %d", i, len(got), len(bodies[i]))
		}
		if want := imap.ParseBodyStructure(message.Parse([]byte(bodies[i])).Root()); !reflect.DeepEqual(x.Structure, want) {
			t.Errorf("message %d: another structure", i)
		}
	}
}

func TestThreads(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		a := user(t, s, "alice")
		add(t, a, "INBOX",
			letter("1", "Lunch", "a"),
			letter("2", "Re: Lunch", "b", "In-Reply-To: <1@example.com>"),
			letter("3", "Dinner", "c", "References: <1@example.com>"),
			letter("4", "AW: Re: Lunch", "d", "References: <1@example.com> <2@example.com>"),
			letter("5", "Lunch", "e"),
			letter("6", "Re: Lunch", "f", "References: <5@example.com>", "In-Reply-To: <2@example.com>"))
		msgs := list(t, box(t, a, "INBOX"), imap.AllUIDs(), imap.FieldIDs)
		var got []int
		for _, m := range msgs {
			for j, o := range msgs {
				if m.ThreadID == o.ThreadID {
					got = append(got, j+1)
					break
				}
			}
		}
		if want := []int{1, 1, 3, 1, 5, 1}; !reflect.DeepEqual(got, want) {
			t.Errorf("threads %v, want %v", got, want)
		}
		if _, err := a.Expunger.Expunge(t.Context(), "INBOX", imap.AllUIDs(), true); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, "threadref"); n != 0 {
			t.Errorf("%d references of dead threads", n)
		}
	})
}
