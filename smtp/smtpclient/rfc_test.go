package smtpclient_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// play has a client send one message to a server that keeps to the script.
func play(t *testing.T, c smtpclient.Config, e smtp.Envelope, body string, script smtptest.Script) (smtp.Results, error) {
	t.Helper()
	conn := dial(t, smtptest.NewScriptServer(t, nil, false, script).Addr, c)
	res, err := conn.Deliver(t.Context(), e, strings.NewReader(body))
	conn.Close()
	return res, err
}

// TestRFC2920 plays the dialogues of RFC 2920 §4. 8BITMIME is added to what the server offers, as everywhere today.
func TestRFC2920(t *testing.T) {
	config := smtpclient.Config{Hostname: "dbc.mtview.ca.us"}
	e := envelope(t, "mrose@dbc.mtview.ca.us", "ned@innosoft.com", "dan@innosoft.com", "kvc@innosoft.com")
	check := func(res smtp.Results, err error, codes ...int) {
		t.Helper()
		if err != nil || len(res) != len(codes) {
			t.Fatal(res, err)
		}
		for i, r := range res {
			if r.Reply.Code != codes[i] {
				t.Errorf("recipient %d: %v", i, r)
			}
		}
	}

	res, err := play(t, config, e, "...\r\n", `
> 220 Innosoft.com SMTP service ready
< EHLO dbc.mtview.ca.us
> 500 what
< HELO dbc.mtview.ca.us
> 250 Innosoft.com
< MAIL FROM:<mrose@dbc.mtview.ca.us>
> 250 sender <mrose@dbc.mtview.ca.us> OK
< RCPT TO:<ned@innosoft.com>
> 250 recipient <ned@innosoft.com> OK
< RCPT TO:<dan@innosoft.com>
> 250 recipient <dan@innosoft.com> OK
< RCPT TO:<kvc@innosoft.com>
> 250 recipient <kvc@innosoft.com> OK
< DATA
> 354 enter mail, end with line containing only "."
<< "....\r\n.\r\n"
> 250 message sent
< QUIT
> 221 goodbye`)
	check(res, err, 250, 250, 250)

	res, err = play(t, config, e, "...\r\n", `
> 220 innosoft.com SMTP service ready
< EHLO dbc.mtview.ca.us
> 250-innosoft.com
> 250-8BITMIME
> 250 PIPELINING
<< "MAIL FROM:<mrose@dbc.mtview.ca.us> BODY=8BITMIME\r\nRCPT TO:<ned@innosoft.com>\r\nRCPT TO:<dan@innosoft.com>\r\nRCPT TO:<kvc@innosoft.com>\r\nDATA\r\n"
> 250 sender <mrose@dbc.mtview.ca.us> OK
| 250 recipient <ned@innosoft.com> OK
| 250 recipient <dan@innosoft.com> OK
| 250 recipient <kvc@innosoft.com> OK
| 354 enter mail, end with line containing only "."
<< "....\r\n.\r\n"
> 250 message sent
< QUIT
> 221 goodbye`)
	check(res, err, 250, 250, 250)

	e = envelope(t, "mrose@dbc.mtview.ca.us", "nsb@thumper.bellcore.com", "galvin@tis.com")
	const refused = `
> 220 innosoft.com SMTP service ready
< EHLO dbc.mtview.ca.us
> 250-innosoft.com
> 250-8BITMIME
> 250 PIPELINING
<< "MAIL FROM:<mrose@dbc.mtview.ca.us> BODY=8BITMIME\r\nRCPT TO:<nsb@thumper.bellcore.com>\r\nRCPT TO:<galvin@tis.com>\r\nDATA\r\n"
> 250 sender <mrose@dbc.mtview.ca.us> OK
| 550 remote mail to <nsb@thumper.bellore.com> not allowed
| 550 remote mail to <galvin@tis.com> not allowed
`
	res, err = play(t, config, e, "...\r\n", refused+`| 554 no valid recipients given
< QUIT
> 221 goodbye`)
	check(res, err, 550, 550)

	res, err = play(t, config, e, "...\r\n", refused+`| 354 enter mail, end with line containing only "."
<< ".\r\n"
> 554 no valid recipients
< QUIT
> 221 goodbye`)
	check(res, err, 550, 550)
}

// TestRFC2033 plays the example of RFC 2033 §4.2.
func TestRFC2033(t *testing.T) {
	e := envelope(t, "chris@bar.com", "pat@foo.edu", "jones@foo.edu", "green@foo.edu")
	res, err := play(t, smtpclient.Config{Hostname: "foo.edu", LMTP: true}, e, "Blah blah blah...\r\n...etc. etc. etc.\r\n", `
> 220 foo.edu LMTP server ready
< LHLO foo.edu
> 250-foo.edu
> 250-PIPELINING
> 250 SIZE
<< "MAIL FROM:<chris@bar.com>\r\nRCPT TO:<pat@foo.edu>\r\nRCPT TO:<jones@foo.edu>\r\nRCPT TO:<green@foo.edu>\r\n"
> 250 OK
| 250 OK
| 550 No such user here
| 250 OK
< DATA
> 354 Start mail input; end with <CRLF>.<CRLF>
<< "Blah blah blah...\r\n....etc. etc. etc.\r\n.\r\n"
> 250 OK
| 452 <green@foo.edu> is temporarily over quota
< QUIT
> 221 foo.edu closing connection`)
	if err != nil || len(res) != 3 || res[0].Reply.Code != 250 || res[1].Reply.Code != 550 || res[2].Reply.Code != 452 {
		t.Error(res, err)
	}
	// The connection is lost between the replies: who has one keeps it.
	res, err = play(t, smtpclient.Config{LMTP: true}, e, "x\r\n", `
> 220 foo.edu LMTP server ready
< LHLO *
> 250 foo.edu
< MAIL *
> 250 OK
< RCPT *
> 250 OK
< RCPT *
> 250 OK
< RCPT *
> 250 OK
< DATA
> 354 go
< data
> 250 OK
= close`)
	if err != nil || len(res) != 3 || res[0].Reply.Code != 250 || short(res[1].Reply) != "451 4.4.2" || short(res[2].Reply) != "451 4.4.2" || res[2].RemoteMTA != "" {
		t.Error(res, err)
	}
}

// TestRFC3030 plays the example of RFC 3030 §4.1.
func TestRFC3030(t *testing.T) {
	const message = "To: Susan@random.com\r\nFrom: Sam@random.com\r\nSubject: This is a bodyless test message\r\n"
	res, err := play(t, smtpclient.Config{Hostname: "ymir.claremont.edu", Chunking: true}, envelope(t, "Sam@Random.com", "Susan@Random.com"), message, `
> 220 cnri.reston.va.us SMTP service ready
< EHLO ymir.claremont.edu
> 250-cnri.reston.va.us says hello
> 250 CHUNKING
< MAIL FROM:<Sam@Random.com>
> 250 <Sam@Random.com> Sender ok
< RCPT TO:<Susan@Random.com>
> 250 <Susan@random.com> Recipient ok
<< "BDAT 86 LAST\r\nTo: Susan@random.com\r\nFrom: Sam@random.com\r\nSubject: This is a bodyless test message\r\n"
> 250 Message OK, 86 octets received
< QUIT
> 221 Goodbye`)
	if err != nil || res[0].Reply.Code != 250 {
		t.Error(res, err)
	}
}
