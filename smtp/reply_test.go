package smtp

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		wire string
		want Reply
		out  string // "": as wire
	}{
		{"250 OK\r\n", NewReply(250, EnhancedCode{}, "OK"), ""},
		{"250\r\n", NewReply(250, EnhancedCode{}, ""), "250 \r\n"},
		{"250 2.1.0 Ok\r\n", NewReply(250, EnhancedCode{2, 1, 0}, "Ok"), ""},
		{"550 5.7.1\r\n", NewReply(550, EnhancedCode{5, 7, 1}, ""), "550 5.7.1 \r\n"},
		{"550 2.1.0 other class\r\n", NewReply(550, EnhancedCode{}, "2.1.0 other class"), ""},
		{"550 5.1 no\r\n", NewReply(550, EnhancedCode{}, "5.1 no"), ""},
		{"550 5.1.1.1 no\r\n", NewReply(550, EnhancedCode{}, "5.1.1.1 no"), ""},
		{"550 5.01.1 no\r\n", NewReply(550, EnhancedCode{}, "5.01.1 no"), ""},
		{"250-mx.example.com\r\n250-SIZE 100\r\n250 HELP\r\n", NewReply(250, EnhancedCode{}, "mx.example.com\nSIZE 100\nHELP"), ""},
		{"550-5.7.1 one\r\n550 5.7.1 two\r\n", NewReply(550, EnhancedCode{5, 7, 1}, "one\ntwo"), ""},
		{"550-5.7.1 one\r\n550 5.7.2 two\r\n", NewReply(550, EnhancedCode{5, 7, 1}, "one\n5.7.2 two"), "550-5.7.1 one\r\n550 5.7.1 5.7.2 two\r\n"},
		{"550-5.7.1 one\r\n550 two\r\n", NewReply(550, EnhancedCode{5, 7, 1}, "one\ntwo"), "550-5.7.1 one\r\n550 5.7.1 two\r\n"},
		{"250 a\tb\x1b[2Jc\r\n", NewReply(250, EnhancedCode{}, "a b [2Jc"), "250 a b [2Jc\r\n"},
		{"250 caf\xc3\xa9 \xff\r\n", NewReply(250, EnhancedCode{}, "café ?"), "250 caf? ?\r\n"},
	} {
		got, err := ParseReply([]byte(tt.wire))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %#v, %v", tt.wire, got, err)
		}
		if tt.out == "" {
			tt.out = tt.wire
		}
		if out := string(AppendReply(nil, got)); out != tt.out {
			t.Errorf("%q written as %q", tt.wire, out)
		}
	}
	for _, bad := range []string{
		"", "25", "250", "250 OK", "250 OK\n", "25x OK\r\n", "150 no\r\n", "600 no\r\n", "250+OK\r\n", "2500\r\n", "250-a\r\n", "250-a\r\n251 b\r\n",
		"250 a\r\n250 b\r\n", "250 a\rb\r\n", "250 a\x00\r\n", "hello\r\n", "250-a\r\nb\r\n", "250 " + strings.Repeat("x", 17000) + "\r\n",
		strings.Repeat("250-x\r\n", 300) + "250 x\r\n", strings.Repeat("250-"+strings.Repeat("x", 10000)+"\r\n", 7) + "250 x\r\n",
	} {
		got, err := ParseReply([]byte(bad))
		if e, ok := errors.AsType[*ReplyError](err); !ok || e.Error() == "" {
			t.Errorf("%.40q: %#v, %v", bad, got, err)
		}
	}
}

func TestAppendReplyIsSafe(t *testing.T) {
	for _, r := range []Reply{
		{Code: 250},
		NewReply(550, EnhancedCode{5, 1, 1}, "a\r\n250 b\rc\x00"),
		NewReply(550, EnhancedCode{}, strings.Repeat("word ", 300)),
		NewReply(550, EnhancedCode{}, strings.Repeat("x", 2000)),
		{Code: 550, Lines: []string{"x\n220 y", ""}},
	} {
		wire := string(AppendReply(nil, r))
		for l := range strings.SplitAfterSeq(wire, "\r\n") {
			if len(l) > 512 || l != "" && !strings.HasPrefix(l, fmt.Sprint(r.Code)) || strings.ContainsAny(strings.TrimSuffix(l, "\r\n"), "\r\n\x00") {
				t.Errorf("%+v: line %q", r, l)
			}
		}
		if got, err := ParseReply([]byte(wire)); err != nil || got.Code != r.Code {
			t.Errorf("%q: %v", wire, err)
		}
	}
}

func TestReplyReader(t *testing.T) {
	wire := "220 hi\r\n250-a\r\n250 b\r\n334 " + strings.Repeat("QQ==", 3000) + "\r\n221 bye\r\n"
	r := NewReplyReader(iotest.OneByteReader(strings.NewReader(wire)))
	for _, want := range []int{220, 250, 334, 221} {
		if got, err := r.Read(); err != nil || got.Code != want {
			t.Fatalf("%v, %v, want %d", got, err, want)
		}
	}
	if _, err := r.Read(); err != io.EOF {
		t.Fatal(err)
	}
	r = NewReplyReader(strings.NewReader("220 go ahead\r\n250 injected\r\n"))
	if _, err := r.Read(); err != nil || r.Buffered() != 14 {
		t.Fatalf("%d octets buffered, %v", r.Buffered(), err)
	}
	if _, err := NewReplyReader(strings.NewReader("250-a\r\n")).Read(); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
}

func TestErrorIsFoundThroughWrapping(t *testing.T) {
	cause := errors.New("disk full")
	e := &Error{Reply: NewReply(452, EnhancedCode{4, 3, 1}, "Later"), Err: cause}
	err := fmt.Errorf("store: %w", e)
	if r := ReplyOf(err); r.Code != 452 || !errors.Is(err, cause) || !e.Temporary() || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("%v", err)
	}
	for _, err := range []error{cause, NewError(250, EnhancedCode{}, "positive"), NewError(354, EnhancedCode{}, "")} {
		if r := ReplyOf(err); r.Code != 451 || strings.Contains(r.Text(), "disk") {
			t.Errorf("%v told as %v", err, r)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 OK\r\n", "250-a\r\n250 b\r\n", "550-5.7.1 one\r\n550 5.7.1 two\r\n", "334 \r\n", "250"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReply(data)
		if err != nil {
			return
		}
		wire := AppendReply(nil, r)
		again, err := ParseReply(wire)
		if err != nil || again.Code != r.Code || len(again.Lines) < len(r.Lines) {
			t.Fatalf("%q: %+v written as %q: %v", data, r, wire, err)
		}
		if third := AppendReply(nil, again); string(third) != string(wire) && len(r.Lines) == len(again.Lines) && len(wire) < 400 && again.Enhanced == r.Enhanced {
			t.Fatalf("%q, then %q", wire, third)
		}
	})
}

func TestResultOf(t *testing.T) {
	refused := &Error{Reply: NewReply(550, EnhancedCode{5, 7, 1}, "No"), RemoteMTA: "mx.example.com"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{refused, "550 5.7.1 No mx.example.com"},
		{fmt.Errorf("via: %w", refused), "550 5.7.1 No mx.example.com"},
		{&Error{Reply: NewReply(454, EnhancedCode{4, 7, 0}, "Later"), Err: refused}, "454 4.7.0 Later "},
		{&Error{Reply: NewReply(250, EnhancedCode{}, "OK"), RemoteMTA: "mx.example.com"}, "451 4.3.0 Local error in processing "},
		{errors.New("disk"), "451 4.3.0 Local error in processing "},
	} {
		r := ResultOf(tt.err)
		if got := r.Reply.String() + " " + r.RemoteMTA; got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}
