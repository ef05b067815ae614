package imapserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// words counts the words of a message.
func words(ctx context.Context, box imap.Mailbox, uid imap.UID) (int, error) {
	b, err := box.Body(ctx, uid)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	return len(strings.Fields(string(text))), err
}

// wordCount is an Extension that has all there is to have.
func wordCount() imapserver.Extension {
	return imapserver.Extension{
		Capability: "X-WORDS",
		Commands: []imapserver.Command{{
			Name: "XWORDS", State: imapserver.Selected, Numbers: true,
			Run: func(ctx context.Context, call *imapserver.Call, d *imap.Decoder) (*imap.Status, error) {
				d.SP()
				set := d.SequenceSet()
				if d.EOL(); d.Err() != nil {
					return nil, nil
				}
				uids, err := call.Numbers(set)
				if err != nil {
					return nil, err
				}
				sum := 0
				for m, err := range call.Mailbox.Messages(ctx, uids, 0) {
					if err != nil {
						return nil, err
					}
					n, err := words(ctx, call.Mailbox, m.UID)
					if err != nil {
						return nil, err
					}
					sum += n
				}
				return nil, call.Untagged(fmt.Appendf(nil, "XWORDS %s %d", uids, sum))
			}}},
		FetchItems: []imapserver.FetchItem{{Name: "X-WORDS", Append: func(ctx context.Context, call *imapserver.Call, dst []byte, m *imap.Message) ([]byte, error) {
			n, err := words(ctx, call.Mailbox, m.UID)
			return strconv.AppendInt(dst, int64(n), 10), err
		}}},
		StatusItems: []imapserver.StatusItem{{Name: "X-ID", Append: func(_ context.Context, call *imapserver.Call, dst []byte) ([]byte, error) {
			return imap.AppendQuoted(dst, call.User+" "+call.Info.Name), nil
		}}},
		SearchKeys: []imapserver.SearchKey{{Name: "XLONGER", Parse: func(ctx context.Context, call *imapserver.Call, d *imap.Decoder) (imap.Fields, func(*imap.Message, imap.SearchText) (bool, error)) {
			d.SP()
			least := int(d.Number())
			return 0, func(m *imap.Message, _ imap.SearchText) (bool, error) {
				n, err := words(ctx, call.Mailbox, m.UID)
				return n > least, err
			}
		}}},
	}
}

func TestExtensions(t *testing.T) {
	s := server(t)
	s.Extensions = []imapserver.Extension{wordCount(), {
		Capability: "X-NEVER",
		Offered:    func(*imap.Account) bool { return false },
		Commands: []imapserver.Command{{Name: "XNEVER", Run: func(context.Context, *imapserver.Call, *imap.Decoder) (*imap.Status, error) {
			return nil, errors.New("never")
		}}},
	}, {
		Commands: []imapserver.Command{
			{Name: "XPING", State: imapserver.AnyState, Run: func(_ context.Context, call *imapserver.Call, d *imap.Decoder) (*imap.Status, error) {
				d.EOL()
				return &imap.Status{Type: imap.StatusOK, Code: "XPONG", Text: "pong " + call.User}, nil
			}},
			{Name: "XBAD", Run: func(_ context.Context, call *imapserver.Call, d *imap.Decoder) (*imap.Status, error) {
				for _, b := range []string{"", "a\r\nlogin OK", "a\x00", strings.Repeat("x", 1<<20+1)} {
					if call.Untagged([]byte(b)) == nil {
						return nil, nil
					}
				}
				return nil, errors.New("secret")
			}},
		},
		FetchItems: []imapserver.FetchItem{{Name: "X-SPLIT", Append: func(_ context.Context, _ *imapserver.Call, dst []byte, _ *imap.Message) ([]byte, error) {
			return append(dst, "a)\r\n* BYE"...), nil
		}}},
	}}
	text, err := os.ReadFile("testdata/extension.dialogue")
	if err != nil {
		t.Fatal(err)
	}
	dialogue(t, s, string(text))
}

// TestExtensionOffered: the role decides, once a login.
func TestExtensionOffered(t *testing.T) {
	s := server(t)
	asked := 0
	s.Extensions = []imapserver.Extension{{Capability: "X-MOVES", Offered: func(a *imap.Account) bool {
		asked++
		return a != nil && a.Mover != nil
	}}}
	p := dial(t, start(t, s))
	if first := p.want("* OK [CAPABILITY ..."); strings.Contains(first, "X-MOVES") {
		t.Error(first)
	}
	for _, command := range []string{"LOGIN alice secret", "CAPABILITY", "NOOP", "CAPABILITY"} {
		out := strings.Join(p.do("a", command), "\n")
		if command != "NOOP" && !strings.Contains(out, " X-MOVES") {
			t.Errorf("%s: %s", command, out)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// TestExtensionErrors: what contradicts ends Serve, before anybody is served.
func TestExtensionErrors(t *testing.T) {
	run := func(context.Context, *imapserver.Call, *imap.Decoder) (*imap.Status, error) { return nil, nil }
	value := func(_ context.Context, _ *imapserver.Call, dst []byte, _ *imap.Message) ([]byte, error) {
		return dst, nil
	}
	for want, e := range map[string][]imapserver.Extension{
		"capability idle of its own":       {{Capability: "idle"}},
		"capability APPENDLIMIT of its":    {{Capability: "APPENDLIMIT"}},
		"capability AUTH=X of its own":     {{Capability: "AUTH=X"}},
		`bad capability "a b"`:             {{Capability: "a b"}},
		"capability X twice":               {{Capability: "X"}, {Capability: "X"}},
		"command NOOP of its own":          {{Commands: []imapserver.Command{{Name: "NOOP", Run: run}}}},
		"command UID of its own":           {{Commands: []imapserver.Command{{Name: "UID", Run: run}}}},
		`bad command "x"`:                  {{Commands: []imapserver.Command{{Name: "x", Run: run}}}},
		"command X without a function":     {{Commands: []imapserver.Command{{Name: "X"}}}},
		"command X takes numbers of no":    {{Commands: []imapserver.Command{{Name: "X", Run: run, Numbers: true}}}},
		"item of FETCH FLAGS of its own":   {{FetchItems: []imapserver.FetchItem{{Name: "FLAGS", Append: value}}}},
		"item of FETCH X twice":            {{FetchItems: []imapserver.FetchItem{{Name: "X", Append: value}, {Name: "X", Append: value}}}},
		`bad item of FETCH "X["`:           {{FetchItems: []imapserver.FetchItem{{Name: "X[", Append: value}}}},
		"item of STATUS SIZE of its own":   {{StatusItems: []imapserver.StatusItem{{Name: "SIZE", Append: func(context.Context, *imapserver.Call, []byte) ([]byte, error) { return nil, nil }}}}},
		"search key OLDER of its own":      {{SearchKeys: []imapserver.SearchKey{{Name: "OLDER", Parse: wordCount().SearchKeys[0].Parse}}}},
		"search key X-A without a functio": {{SearchKeys: []imapserver.SearchKey{{Name: "X-A"}}}},
	} {
		s := server(t)
		s.Extensions = e
		ours, theirs := net.Pipe()
		ours.SetDeadline(time.Now().Add(5 * time.Second))
		stop, cancelConn := context.WithTimeout(t.Context(), time.Second)
		err := s.ServeConn(stop, theirs)
		cancelConn()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection is open: %v", want, err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Serve(ctx, ln); err == nil {
			t.Errorf("%s: it serves", want)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the listener is open: %v", want, err)
		}
	}
}

// Give messages a colour, which FETCH tells and SEARCH finds, without a line in the server. Clients that do not know the
// capability X-COLOURS see nothing of it.
func ExampleExtension() {
	colour := func(m *imap.Message) string { return []string{"blue", "red"}[m.UID%2] }
	ext := imapserver.Extension{
		Capability: "X-COLOURS",
		FetchItems: []imapserver.FetchItem{{
			Name: "X-COLOUR",
			Append: func(_ context.Context, _ *imapserver.Call, dst []byte, m *imap.Message) ([]byte, error) {
				return imap.AppendQuoted(dst, colour(m)), nil
			},
		}},
		SearchKeys: []imapserver.SearchKey{{
			Name: "X-COLOUR",
			Parse: func(_ context.Context, _ *imapserver.Call, d *imap.Decoder) (imap.Fields, func(*imap.Message, imap.SearchText) (bool, error)) {
				d.SP()
				wanted := d.Astring()
				return 0, func(m *imap.Message, _ imap.SearchText) (bool, error) { return colour(m) == wanted, nil }
			},
		}},
	}
	backend := &imaptest.Memory{}
	backend.AddUser("alice")
	users := sasl.NewUsers()
	_ = users.Set("alice", "secret")
	s := &imapserver.Server{Backend: backend, Authenticator: sasl.New(sasl.Plain(users.Check)), AllowPlaintextAuth: true,
		Extensions: []imapserver.Extension{ext}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ours, theirs := net.Pipe()
	go func() { _ = s.ServeConn(ctx, theirs) }()
	go func() {
		_, _ = io.WriteString(ours, "a LOGIN alice secret\r\nb APPEND INBOX {11+}\r\nTo: me\r\n\r\nx\r\nc APPEND INBOX {11+}\r\nTo: me\r\n\r\ny\r\n"+
			"d SELECT INBOX\r\ne FETCH 1:2 X-COLOUR\r\nf SEARCH X-COLOUR red\r\ng LOGOUT\r\n")
	}()
	dialogue, _ := io.ReadAll(ours)
	for line := range strings.Lines(string(dialogue)) {
		if line = strings.TrimSpace(line); slices.ContainsFunc([]string{"COLOUR ", "* SEARCH"}, func(s string) bool { return strings.Contains(line, s) }) {
			fmt.Println(line)
		}
	}
	// Output:
	// * 1 FETCH (X-COLOUR "red")
	// * 2 FETCH (X-COLOUR "blue")
	// * SEARCH 1
}
