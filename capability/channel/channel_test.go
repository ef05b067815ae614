package channel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/capability/channel/channeltest"
)

func TestMemoryStore(t *testing.T) {
	channeltest.Run(t, func(*testing.T) channel.Store { return channel.NewMemoryStore() })
}

func openFile(t *testing.T, path string) *channel.FileStore {
	t.Helper()
	s, err := channel.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFileStore(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) channel.Store { return openFile(t, filepath.Join(t.TempDir(), "channels")) })
}

func tags() capability.Tags {
	return capability.Tags{Keys: map[uint8][]byte{1: bytes.Repeat([]byte{7}, 32)}, Current: 1}
}

func newBook() channel.Book { return channel.Book{Store: channel.NewMemoryStore(), Tags: tags()} }

func make1(t *testing.T, b channel.Book, c channel.Channel) channel.Channel {
	t.Helper()
	if c.Owner == "" {
		c.Owner = "bob@example.com"
	}
	c, err := b.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFileStoreAgain: channels are there after the file is opened again, and after it was written anew.
func TestFileStoreAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channels")
	b := channel.Book{Store: openFile(t, path), Tags: tags()}
	c := make1(t, b, channel.Channel{Note: strings.Repeat("\x01", channel.MaxNote)})
	for range 50 {
		if err := b.Used(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		b.Store = openFile(t, path)
		got, err := b.Find(t.Context(), strings.ToUpper(c.Address))
		if err != nil || got.Uses != 50 || got.Note != c.Note {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// TestAdmit: who may write to a channel, and who is pinned.
func TestAdmit(t *testing.T) {
	shop := channel.Sender{Address: "Orders@Shop.example", Domain: "SHOP.example"}
	news := channel.Sender{Address: "news@shop.example", Domain: "shop.example"}
	ads := channel.Sender{Address: "orders@shop.example", Domain: "ads.example"}
	nobody := channel.Sender{Address: "orders@shop.example"}
	type step struct {
		who  channel.Sender
		want error
	}
	for _, tt := range []struct {
		name   string
		c      channel.Channel
		steps  []step
		pinned string
	}{
		{"the first is pinned by domain", channel.Channel{}, []step{{shop, nil}, {news, nil}, {ads, channel.ErrLeaked}, {shop, nil}}, "shop.example"},
		{"the first is pinned by address", channel.Channel{Exact: true}, []step{{shop, nil}, {news, channel.ErrLeaked}, {ads, channel.ErrLeaked}, {shop, nil}}, "orders@shop.example"},
		{"who is not authenticated is not pinned", channel.Channel{}, []step{{nobody, channel.ErrUnauthenticated}, {ads, nil}, {shop, channel.ErrLeaked}, {nobody, channel.ErrUnauthenticated}}, "ads.example"},
		{"an address of another domain is not pinned", channel.Channel{Exact: true}, []step{{ads, channel.ErrUnauthenticated}, {shop, nil}}, "orders@shop.example"},
		{"the peer that it was made for", channel.Channel{Peer: "Shop.example"}, []step{{ads, channel.ErrLeaked}, {news, nil}, {shop, nil}}, "shop.example"},
		{"an address that it was made for", channel.Channel{Peer: "news@shop.example"}, []step{{shop, channel.ErrLeaked}, {news, nil}}, "shop.example"},
		{"subdomains", channel.Channel{Peer: "*.shop.example"}, []step{{shop, channel.ErrLeaked}, {channel.Sender{Address: "a@mail.shop.example", Domain: "mail.shop.example"}, nil},
			{channel.Sender{Address: "a@www.shop.example", Domain: "www.shop.example"}, channel.ErrLeaked}}, "mail.shop.example"},
		{"pinned from the start", channel.Channel{Pinned: "shop.example"}, []step{{ads, channel.ErrLeaked}, {shop, nil}}, "shop.example"},
		{"a domain that ends alike", channel.Channel{Pinned: "shop.example"}, []step{{channel.Sender{Address: "a@evilshop.example", Domain: "evilshop.example"}, channel.ErrLeaked},
			{channel.Sender{Address: "a@b.shop.example", Domain: "b.shop.example"}, channel.ErrLeaked}}, "shop.example"},
	} {
		b := newBook()
		c := make1(t, b, tt.c)
		for i, s := range tt.steps {
			if _, err := b.Admit(t.Context(), c.ID, s.who, true); !errors.Is(err, s.want) {
				t.Errorf("%s: step %d: %v, want %v", tt.name, i, err, s.want)
			}
		}
		if got, err := b.Find(t.Context(), c.Address); err != nil || got.Pinned != tt.pinned {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	b := newBook()
	c := make1(t, b, channel.Channel{})
	if _, err := b.Admit(t.Context(), c.ID, shop, false); err != nil {
		t.Error(err)
	}
	if got, _ := b.Find(t.Context(), c.Address); got.Pinned != "" {
		t.Error("pinned without pin")
	}
	if _, err := b.Admit(t.Context(), capability.NewTagID(), shop, true); !errors.Is(err, channel.ErrUnknown) {
		t.Error(err)
	}
}

// TestFirst: of many who are the first at once, one is pinned.
func TestFirst(t *testing.T) {
	b := newBook()
	c := make1(t, b, channel.Channel{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	admitted := 0
	for i := range 20 {
		wg.Go(func() {
			domain := "d" + string(rune('a'+i)) + ".example"
			if _, err := b.Admit(t.Context(), c.ID, channel.Sender{Address: "x@" + domain, Domain: domain}, true); err == nil {
				mu.Lock()
				admitted++
				mu.Unlock()
			} else if !errors.Is(err, channel.ErrLeaked) {
				t.Error(err)
			}
		})
	}
	if wg.Wait(); admitted != 1 {
		t.Errorf("%d were the first", admitted)
	}
}

// TestLife: pause, resume, expiry, rotation, disconnection, by the clock.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, b := t.Context(), newBook()
		shop := channel.Sender{Address: "orders@shop.example", Domain: "shop.example"}
		admit := func(c channel.Channel, want error) {
			t.Helper()
			if _, err := b.Admit(ctx, c.ID, shop, true); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		c := make1(t, b, channel.Channel{Expires: time.Now().Add(time.Hour), Max: 5, Note: "shop"})
		admit(c, nil)
		ok(b.Used(ctx, c.ID))
		ok(b.Pause(ctx, c.ID))
		admit(c, channel.ErrPaused)
		ok(b.Resume(ctx, c.ID))
		time.Sleep(time.Hour - time.Second)
		admit(c, nil)
		time.Sleep(time.Second)
		admit(c, channel.ErrClosed)
		ok(b.Expire(ctx, c.ID, time.Time{}))
		admit(c, nil)

		next, err := b.Rotate(ctx, c.ID, time.Minute)
		if err != nil || next.Address == c.Address || next.Pinned != "shop.example" || next.Max != 4 || next.Uses != 0 || next.Note != "shop" {
			t.Fatalf("%+v, %v", next, err)
		}
		admit(c, nil)
		admit(next, nil)
		if _, err := b.Rotate(ctx, c.ID, time.Minute); !errors.Is(err, channel.ErrClosed) {
			t.Errorf("rotated twice: %v", err)
		}
		time.Sleep(time.Minute)
		admit(c, channel.ErrClosed)
		admit(next, nil)
		last, err := b.Rotate(ctx, next.ID, 0)
		ok(err)
		admit(next, channel.ErrClosed)
		admit(last, nil)
		ok(b.Disconnect(ctx, last.ID))
		ok(b.Disconnect(ctx, last.ID))
		admit(last, channel.ErrClosed)
		for name, err := range map[string]error{"resume": b.Resume(ctx, last.ID), "pause": b.Pause(ctx, last.ID), "expire": b.Expire(ctx, last.ID, time.Time{})} {
			if !errors.Is(err, channel.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		once := make1(t, b, channel.Channel{Max: 1})
		ok(b.Used(ctx, once.ID))
		if _, err := b.Rotate(ctx, once.ID, 0); !errors.Is(err, channel.ErrChannel) {
			t.Errorf("rotated when used up: %v", err)
		}
	})
}

// TestNew: what cannot be a channel is none, and what an address tells.
func TestNew(t *testing.T) {
	b := newBook()
	for name, c := range map[string]channel.Channel{
		"no owner":      {},
		"domain":        {Owner: "example.com"},
		"long owner":    {Owner: strings.Repeat("b", 32) + "@example.com"},
		"long note":     {Owner: "bob@example.com", Note: strings.Repeat("x", channel.MaxNote+1)},
		"peer":          {Owner: "bob@example.com", Peer: "no domain"},
		"pin":           {Owner: "bob@example.com", Pinned: "a@b@"},
		"huge peer":     {Owner: "bob@example.com", Peer: strings.Repeat("a", 300)},
		"line in owner": {Owner: "bob\r\n@example.com"},
	} {
		if got, err := b.New(t.Context(), c); !errors.Is(err, channel.ErrChannel) && !errors.Is(err, capability.ErrSyntax) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	bare, err := b.NewBare(t.Context(), channel.Channel{Owner: "Robert.Bob@B\u00fccher.example"}) // a name that chance does not write
	if err != nil || strings.Contains(bare.Address, "robert") || !strings.HasSuffix(bare.Address, "@xn--bcher-kva.example") || bare.Owner != "robert.bob@xn--bcher-kva.example" {
		t.Errorf("%+v, %v", bare, err)
	}
	next, err := b.Rotate(t.Context(), bare.ID, 0)
	if err != nil || len(next.Address) != len(bare.Address) {
		t.Errorf("%+v, %v", next, err)
	}
	for _, addr := range []string{"", "bob@example.com", "bob+" + bare.Address, "@", strings.Replace(bare.Address, "xn--bcher-kva", "other", 1)} {
		if c, err := b.Find(t.Context(), addr); !errors.Is(err, channel.ErrUnknown) {
			t.Errorf("Find %q: %+v, %v", addr, c, err)
		}
	}
}

// TestAlias: answers go out from the channel that the correspondent writes to.
func TestAlias(t *testing.T) {
	ctx, b := t.Context(), newBook()
	open := make1(t, b, channel.Channel{})
	domain := make1(t, b, channel.Channel{Pinned: "shop.example"})
	exact := make1(t, b, channel.Channel{Pinned: "orders@shop.example"})
	closed := make1(t, b, channel.Channel{Pinned: "bank.example"})
	carols := make1(t, b, channel.Channel{Owner: "carol@example.com", Pinned: "bank.example"})
	if err := b.Disconnect(ctx, closed.ID); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		to   string
		want string
	}{
		{"Orders@SHOP.example", exact.Address}, {"news@shop.example", domain.Address}, {"a@bank.example", ""}, {"a@sub.shop.example", ""}, {"shop.example", ""}, {"", ""},
	} {
		if c, ok, err := b.Alias(ctx, "Bob@example.com", tt.to); err != nil || ok != (tt.want != "") || c.Address != tt.want {
			t.Errorf("%s: %s %v %v", tt.to, c.Address, ok, err)
		}
	}
	if c, ok, _ := b.Alias(ctx, "carol@example.com", "a@bank.example"); !ok || c.ID != carols.ID {
		t.Errorf("%+v", c)
	}
	_ = open
}

func TestRewrite(t *testing.T) {
	for name, tt := range map[string][2]string{
		"plain":        {"From: bob@example.com\r\nTo: a@shop.example\r\n\r\n", "From: <alias@example.com>\r\nTo: a@shop.example\r\n\r\n"},
		"name":         {"FROM: \"Bob, B.\"\r\n <Bob@Example.com>\r\n\r\n", "FROM: \"Bob, B.\" <alias@example.com>\r\n\r\n"},
		"all three":    {"From: Bob <bob@example.com>, c@example.com\r\nSender: bob@example.com\r\nReply-To: bob@example.com\r\n", "From: \"Bob\" <alias@example.com>,\r\n <c@example.com>\r\nSender: <alias@example.com>\r\nReply-To: <alias@example.com>\r\n"},
		"another":      {"From: carol@example.com\r\nCc: bob@example.com\r\n\r\n", "From: carol@example.com\r\nCc: bob@example.com\r\n\r\n"},
		"not readable": {"From: bob@example.com <<\r\n\r\n", "From: bob@example.com <<\r\n\r\n"},
		"empty":        {"", ""},
	} {
		if got := string(channel.Rewrite([]byte(tt[0]), "bob@example.com", "alias@example.com")); got != tt[1] {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"From: bob@example.com\r\n\r\n", "From: a <bob@example.com>,\r\n b@x\r\nSubject: x\r\n", "Sender:\r\n\r\n", "no field\r\n", "Reply-To: =?utf-8?q?b=C3=BC?= <BOB@example.com>\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, section []byte) {
		got := channel.Rewrite(section, "bob@example.com", "alias@example.com")
		if again := channel.Rewrite(got, "bob@example.com", "alias@example.com"); !bytes.Equal(again, got) {
			t.Errorf("%q then %q", got, again)
		}
		if none := channel.Rewrite(section, "nobody@nowhere.example", "alias@example.com"); !bytes.Equal(none, section) && !bytes.Contains(bytes.ToLower(section), []byte("nobody")) {
			t.Errorf("changed without cause: %q", none)
		}
	})
}

func leak() channel.Leaked {
	return channel.Leaked{Channel: channel.Channel{Address: "bob+x@example.com"}, Pinned: "shop.example", Seen: "ads.example", Author: "x@ads.example", MailFrom: "b@ads.example",
		Source: netip.MustParseAddr("192.0.2.9"), Results: []string{"mx.example.com;\r\n dkim=pass header.d=ads.example"},
		Header: []byte("From: x@ads.example\r\nSubject: buy\r\n\r\n"), At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func letter() channel.Report {
	return channel.Report{From: "abuse@example.com", To: "abuse@shop.example", ID: "1@example.com", Date: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)}
}

// parts reads a report back.
func parts(t *testing.T, b []byte) (types []string, fields mail.Header, original string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "feedback-report" {
		t.Fatalf("%s %v %v", kind, params, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return types, fields, original
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		switch types = append(types, kind); kind {
		case "message/feedback-report":
			f, err := mail.ReadMessage(bytes.NewReader(append(body, "\r\n\r\n"...)))
			if err != nil {
				t.Fatal(err)
			}
			fields = f.Header
		case "text/rfc822-headers":
			original = string(body)
		}
	}
}

// TestReport: a report has the parts and fields of RFC 5965 §2 and §3, and nothing that a message brings gets out of its place.
func TestReport(t *testing.T) {
	b, err := leak().AppendReport(nil, letter())
	if err != nil {
		t.Fatal(err)
	}
	types, fields, original := parts(t, b)
	if got := strings.Join(types, " "); got != "text/plain message/feedback-report text/rfc822-headers" {
		t.Errorf("parts %s", got)
	}
	for name, want := range map[string]string{"Feedback-Type": "abuse", "User-Agent": "mailbricks/1", "Version": "1", "Original-Mail-From": "<b@ads.example>", "Original-Rcpt-To": "<bob+x@example.com>",
		"Source-Ip": "192.0.2.9", "Reported-Domain": "ads.example", "Arrival-Date": "Tue, 24 Nov 2026 12:00:00 +0000", "Authentication-Results": "mx.example.com; dkim=pass header.d=ads.example"} {
		if got := fields[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if original != "From: x@ads.example\r\nSubject: buy\r\n" {
		t.Errorf("original %q", original)
	}
	evil := leak()
	evil.MailFrom, evil.Seen, evil.Pinned = "x@y\r\nFeedback-Type: not-spam", "a\r\n\r\n--", "b\nc"
	evil.Header = []byte("Subject: x\n\n--=_\n")
	if b, err = evil.AppendReport(nil, letter()); err != nil {
		t.Fatal(err)
	}
	if _, fields, _ := parts(t, b); len(fields["Feedback-Type"]) != 1 {
		t.Errorf("%v", fields)
	}
	for name, change := range map[string]func(*channel.Report){
		"no from": func(r *channel.Report) { r.From = "" }, "line in to": func(r *channel.Report) { r.To = "a@b\r\nBcc: c@d" },
		"no date": func(r *channel.Report) { r.Date = time.Time{} }, "id": func(r *channel.Report) { r.ID = "a@b\r\n" }, "no id": func(r *channel.Report) { r.ID = "" },
	} {
		r := letter()
		change(&r)
		if b, err := leak().AppendReport([]byte("x"), r); !errors.Is(err, channel.ErrReport) || string(b) != "x" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestLeak: a leak is counted and told.
func TestLeak(t *testing.T) {
	b := newBook()
	var told []channel.Leaked
	b.Leaked = func(_ context.Context, l channel.Leaked) { told = append(told, l) }
	c := make1(t, b, channel.Channel{Peer: "shop.example"})
	if err := b.Leak(t.Context(), c.ID, channel.Leaked{Seen: "ads.example"}); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Pinned != "shop.example" || told[0].Seen != "ads.example" || told[0].Channel.Leaks != 1 || told[0].At.IsZero() {
		t.Errorf("%+v", told)
	}
}

func FuzzReport(f *testing.F) {
	f.Add("a@b.example", "shop.example", "ads.example", []byte("From: x\r\n\r\n"))
	f.Add("a\r\nb", "--\n", "\x00", []byte("--=_\n\n"))
	f.Fuzz(func(t *testing.T, from, pinned, seen string, section []byte) {
		l := leak()
		l.MailFrom, l.Pinned, l.Seen, l.Header = from, pinned, seen, section
		b, err := l.AppendReport(nil, letter())
		if err != nil {
			t.Fatal(err)
		}
		types, fields, _ := parts(t, b)
		if len(types) != 3 || len(fields["Feedback-Type"]) != 1 || len(fields["Reported-Domain"]) > 1 {
			t.Errorf("%q %v", types, fields)
		}
	})
}
