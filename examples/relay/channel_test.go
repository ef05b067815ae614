package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// An outsider is a.example, and ads.example too, where nobody knows of capabilities.
type outsider struct {
	// mx takes the mail of a.example, whose mailbox is got.
	mx  string
	got chan *smtptest.Message
	// send sends a letter, refusal returns what is told of one that was refused.
	send    func(t *testing.T, from, to, letter string)
	refusal func(t *testing.T) string
}

// newOutsider makes the mailbox.
func newOutsider(t *testing.T) *outsider {
	o := &outsider{got: make(chan *smtptest.Message, 10)}
	rec := &smtptest.Recorder{Next: func(m *smtptest.Message) { o.got <- m }}
	o.mx = smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "mail.a.example"}, false)
	return o
}

// next waits for a letter in the mailbox.
func (o *outsider) next(t *testing.T) *smtptest.Message {
	t.Helper()
	select {
	case m := <-o.got:
		return m
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
	}
	return nil
}

// TestChannelOfSwaks: swaks writes to a channel.
func TestChannelOfSwaks(t *testing.T) {
	swaks := suites.Program(t, "swaks", "swaks")
	walkChannel(t, func(b string) *outsider { return swaksOutsider(t, swaks, b) })
}

// swaksOutsider sends with swaks to the address b.
func swaksOutsider(t *testing.T, swaks, b string) *outsider {
	o, said := newOutsider(t), ""
	o.send = func(t *testing.T, from, to, letter string) {
		t.Helper()
		args := []string{"--server", b, "--helo", "mail.a.example", "--from", from, "--to", to, "--data", "@" + clitest.File(t, "letter", letter)}
		out, err := exec.CommandContext(t.Context(), swaks, args...).CombinedOutput()
		if said = string(out); err != nil && !strings.Contains(said, "<** 5") {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	o.refusal = func(*testing.T) string { return said }
	return o
}

// TestChannelOfPostfix: the users of a Postfix write to a channel and get the answer; who is refused gets it back.
func TestChannelOfPostfix(t *testing.T) {
	suites.Program(t, "postfix", "postfix")
	walkChannel(t, func(b string) *outsider {
		o := newOutsider(t)
		hop := func(addr string) string {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			return "smtp:[" + host + "]:" + port
		}
		p := suites.Postfix(t, "myhostname = mail.a.example", "transport_maps = inline:{b.example="+hop(b)+", a.example="+hop(o.mx)+", ads.example="+hop(o.mx)+"}")
		o.mx = p.SMTP
		o.send = func(t *testing.T, from, to, letter string) {
			t.Helper()
			c := &smtpclient.Client{Addr: p.SMTP, Config: smtpclient.Config{TLS: smtpclient.None}}
			defer c.Close()
			res, err := smtp.Deliver(t.Context(), c, smtp.Envelope{From: mailbox(t, from), Recipients: []smtp.Recipient{{To: mailbox(t, to)}}}, strings.NewReader(letter))
			if err != nil || !res[0].Reply.OK() {
				t.Fatalf("%v, %v\n%s", res, err, p.Log())
			}
		}
		o.refusal = func(t *testing.T) string {
			t.Helper()
			m := o.next(t)
			if !m.From.IsNull() {
				t.Errorf("not a notification: %s", m.Body)
			}
			return strings.Join(strings.Fields(string(m.Body)), " ") // its lines are folded
		}
		return o
	})
}

// A visit is the letters that come from an outsider.
type visit struct {
	b       *party
	o       *outsider
	letters int // in the inbox
	sent    int
}

// letter returns a letter that is unlike the others.
func (v *visit) letter(from, to string) string {
	v.sent++
	return strings.Replace(letter(from, to), "Message-ID: <1@", fmt.Sprintf("Message-ID: <%d@", v.sent), 1)
}

// taken sends a letter that goes straight to the inbox.
func (v *visit) taken(t *testing.T, from, to string) {
	t.Helper()
	v.o.send(t, from, to, v.letter(from, to))
	v.letters++
	check(t, from+" to "+to, last(v.b.inbox, v.letters), map[string]int{"Mailbricks-Decision: class=trusted; channel=": 1, "\r\nTo: <" + to + ">": 1})
}

// refused sends one that does not.
func (v *visit) refused(t *testing.T, from, to string) {
	t.Helper()
	v.o.send(t, from, to, v.letter(from, to))
	if said := v.o.refusal(t); !strings.Contains(said, "5.7.1 Unknown sender, capability not established") {
		t.Errorf("%s to %s: %s", from, to, said)
	}
	if n := len(v.b.inbox.Wait(v.letters)); n != v.letters {
		t.Errorf("%s to %s: %d letters, not %d", from, to, n, v.letters)
	}
}

// TestContactForm: a visitor of the form gets an address for one letter; when the owner has answered, the visitor can
// answer too.
func TestContactForm(t *testing.T) {
	swaks := suites.Program(t, "swaks", "swaks")
	store, grant := clitest.Build(t, "../store"), clitest.Build(t, "../grant")
	w := newWorld(t)
	toB := clitest.NewTap(t)
	o := swaksOutsider(t, swaks, toB.Addr)
	b := w.party(t, bob, store, toB, "mx.a.example:25="+o.mx)
	form := clitest.Spawn(t, grant, "form", "-store", b.grants, "-for", bob, "-name", "Bob", "-http", "127.0.0.1:0")
	resp, err := http.PostForm("http://"+form.Addr("http")+"/", url.Values{"from": {alice}, "about": {"a boat"}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	address := html.UnescapeString(regexp.MustCompile(`class="given">([^<]+)<`).FindStringSubmatch(string(page))[1])
	v := &visit{b: b, o: o}
	v.refused(t, "eve@ads.example", address)
	v.taken(t, alice, address)
	v.refused(t, alice, address) // used up
	b.answer(t, alice)
	answer := o.next(t)
	check(t, "answer", string(answer.Body), map[string]int{address: 1, bob: 0})
	v.taken(t, alice, answer.From.Address())
	v.refused(t, alice, address)
	check(t, "channels", b.post(t, "Channel/get", `{"ids":null,"properties":["note","pinned","uses","leaks"]}`), map[string]int{`"note":"form: a boat","pinned":"alice@a.example","uses":2,"leaks":1`: 1})
}

// walkChannel is the life of a channel whose correspondent sends as mail is sent today: the first who writes is pinned,
// the answer comes from the channel, and the answer to that takes it too; somebody else is refused and told of, as is a
// stranger who writes to the mailbox; disconnected, it is closed to all. start starts the outsider, whose mail for b.example
// goes to the address b.
func walkChannel(t *testing.T, start func(b string) *outsider) {
	store, grant := clitest.Build(t, "../store"), clitest.Build(t, "../grant")
	w := newWorld(t)
	toB := clitest.NewTap(t)
	o := start(toB.Addr)
	b := w.party(t, bob, store, toB, "mx.a.example:25="+o.mx)
	const eve = "eve@ads.example"
	v := &visit{b: b, o: o}
	taken := func(from, to string) { t.Helper(); v.taken(t, from, to) }
	refused := func(from, to string) { t.Helper(); v.refused(t, from, to) }
	refused(alice, bob)
	address := b.grant(t, grant, "channel", "new", "-note", "shoes")
	if !strings.HasPrefix(address, "bob+") || !strings.HasSuffix(address, "@b.example") {
		t.Fatal(address)
	}
	taken(alice, address)
	taken(alice, strings.ToUpper(strings.TrimSuffix(address, "@b.example"))+"@b.example") // some fold the local part
	refused(eve, address)
	check(t, "list", b.grant(t, grant, "channel", "list"), map[string]int{address + "  open  ": 1, "  a.example  ": 1, "  2     1      ": 1, `"shoes"`: 1})
	check(t, "log", b.relay.Log(), map[string]int{"address of a channel is used by somebody else": 1, "pinned=a.example seen=ads.example author=eve@ads.example": 1})

	b.write(t, alice)
	answer := o.next(t)
	check(t, "answer", string(answer.Body), map[string]int{"\r\nFrom: <" + address + ">\r\n": 1, bob: 0, "Delivery-Capability-Offer": 0})
	if answer.From.Address() != address {
		t.Errorf("answer from %s", answer.From)
	}
	taken(alice, answer.From.Address())

	if said := b.grant(t, grant, "channel", "disconnect", address); said != "disconnected "+address {
		t.Error(said)
	}
	refused(alice, address)
}
