package milter

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
)

// A verdict is the answer to a step: ansContinue, ansAccept, ansDiscard, ansSkip, or ansReply with the reply.
type verdict struct {
	code  byte
	reply smtp.Reply
}

// A conn is a connection to a milter, for one message.
type conn struct {
	f   *filter
	nc  net.Conn
	r   *bufio.Reader
	id  string
	o   options
	out []byte
	in  []byte
}

// dial connects and agrees on the options.
func (f *filter) dial(ctx context.Context, id string) (*conn, error) {
	d := net.Dialer{Timeout: f.Timeout}
	nc, err := d.DialContext(ctx, f.Network, f.Address)
	if err != nil {
		return nil, err
	}
	c := &conn{f: f, nc: nc, r: bufio.NewReader(nc), id: id}
	if err := c.agree(ctx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("milter: options: %w", err)
	}
	return c, nil
}

// wanted are the steps that a Filter can do without or without an answer.
const wanted = noConnect | noHelo | noMail | noRcpt | noBody | noHeaders | noEOH | noUnknown | noData | canSkip | leadingSpace |
	muteConnect | muteHelo | muteMail | muteRcpt | muteData | muteUnknown | muteEOH | muteBody | muteHeaders

func (c *conn) agree(ctx context.Context) error {
	defer c.deadline(ctx, c.f.Timeout)()
	c.out = appendPacket(c.out, cmdOptions, options{version, allActions, wanted}.String())
	if err := c.flush(); err != nil {
		return err
	}
	code, data, err := c.read()
	if err != nil {
		return err
	}
	if code != cmdOptions {
		return errProtocol("%q in place of options", code)
	}
	if c.o, err = parseOptions(data); err != nil {
		return err
	}
	if c.o.version > version || c.o.actions&^allActions != 0 || c.o.steps&^wanted != 0 {
		return errProtocol("options %+v were not offered", c.o)
	}
	return nil
}

// deadline sets the end of a step. The function ends the watch over ctx.
func (c *conn) deadline(ctx context.Context, d time.Duration) func() bool {
	_ = c.nc.SetDeadline(time.Now().Add(d))
	return context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
}

func (c *conn) flush() error {
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

func (c *conn) read() (code byte, data []byte, err error) {
	code, data, c.in, err = readPacket(c.r, c.in)
	return code, data, err
}

// quit says good-bye and closes.
func (c *conn) quit() {
	_ = c.nc.SetDeadline(time.Now().Add(time.Second))
	c.out = appendPacket(c.out[:0], cmdQuit)
	_ = c.flush()
	_ = c.nc.Close()
}

// step does one step, unless the milter does without it, and returns its answer.
func (c *conn) step(ctx context.Context, without, mute uint32, code byte, data ...string) (verdict, error) {
	if c.o.steps&without != 0 {
		return verdict{code: ansContinue}, nil
	}
	c.out = appendPacket(c.out, code, data...)
	if c.o.steps&mute != 0 {
		if len(c.out) < bodyChunk {
			return verdict{code: ansContinue}, nil
		}
		defer c.deadline(ctx, c.f.Timeout)()
		return verdict{code: ansContinue}, c.flush()
	}
	defer c.deadline(ctx, c.f.Timeout)()
	if err := c.flush(); err != nil {
		return verdict{}, err
	}
	for {
		code, data, err := c.read()
		if err != nil {
			return verdict{}, err
		}
		if code == ansProgress {
			continue
		}
		v, ok, err := answer(code, data)
		if err == nil && !ok {
			err = errProtocol("%q is no answer to a step", code)
		}
		return v, err
	}
}

// answer reads an answer that ends a step; ok is false for any other packet.
func answer(code byte, data []byte) (v verdict, ok bool, err error) {
	switch code {
	case ansContinue, ansAccept, ansDiscard, ansSkip:
		return verdict{code: code}, true, nil
	case ansReject:
		return verdict{ansReply, smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "Refused by a filter")}, true, nil
	case ansTempFail, ansConnFail:
		return verdict{ansReply, smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "Refused by a filter for now, try again later")}, true, nil
	case ansShutdown:
		return verdict{ansReply, smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "Refused by a filter, closing")}, true, nil
	case ansReply:
		text := strings.Join(split(data), "")
		if !strings.HasSuffix(text, "\n") {
			text += "\r\n"
		}
		r, err := smtp.ParseReply([]byte(text))
		if err == nil && r.Code < 400 {
			err = errProtocol("reply %d", r.Code)
		}
		return verdict{ansReply, r}, true, err
	}
	return verdict{}, false, nil
}

// macros sends macros for a step. Those without a value are left out.
func (c *conn) macros(step byte, pairs ...string) {
	var known []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			known = append(known, pairs[i], pairs[i+1])
		}
	}
	c.out = appendPacket(c.out, cmdMacro, string(step), strs(known...))
}

// begin does the steps from the connection to MAIL.
func (c *conn) begin(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (verdict, error) {
	host, where := "localhost", "L"
	if ip := peer.IP(); ip.IsValid() {
		host, where = "["+ip.String()+"]", map[bool]string{true: "4", false: "6"}[ip.Is4()]+"\x00\x00"+ip.String()+"\x00"
		if a, ok := peer.RemoteAddr.(*net.TCPAddr); ok {
			where = where[:1] + string([]byte{byte(a.Port >> 8), byte(a.Port)}) + where[3:]
		}
	} else {
		where = "U" // no address is known
	}
	c.macros(cmdConnect, "j", c.f.Hostname, "{daemon_name}", c.f.Hostname, "v", "mailbricks")
	v, err := c.step(ctx, noConnect, muteConnect, cmdConnect, strs(host), where)
	if err != nil || v.code != ansContinue {
		return v, err
	}
	var protocol, cipher string
	if peer.TLS != nil {
		protocol, cipher = tls.VersionName(peer.TLS.Version), tls.CipherSuiteName(peer.TLS.CipherSuite)
	}
	c.macros(cmdHelo, "{tls_version}", protocol, "{cipher}", cipher)
	v, err = c.step(ctx, noHelo, muteHelo, cmdHelo, strs(peer.Hello))
	if err != nil || v.code != ansContinue {
		return v, err
	}
	params, err := smtp.AppendMailParams(nil, p)
	if err != nil {
		return verdict{}, err
	}
	c.macros(cmdMail, "i", c.id, "{mail_addr}", from.Address(), "{mail_host}", from.Domain, "{auth_authen}", peer.Identity)
	return c.step(ctx, noMail, muteMail, cmdMail, strs(append([]string{from.String()}, strings.Fields(string(params))...)...))
}

func (c *conn) rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) (verdict, error) {
	params, err := smtp.AppendRcptParams(nil, p)
	if err != nil {
		return verdict{}, err
	}
	c.macros(cmdRcpt, "{rcpt_addr}", to.Address(), "{rcpt_host}", to.Domain)
	return c.step(ctx, noRcpt, muteRcpt, cmdRcpt, strs(append([]string{to.String()}, strings.Fields(string(params))...)...))
}

func (c *conn) data(ctx context.Context) (verdict, error) {
	if c.o.version < 4 { // libmilter knows it since then
		return verdict{code: ansContinue}, nil
	}
	c.macros(cmdData, "i", c.id)
	return c.step(ctx, noData, muteData, cmdData)
}

// message sends the message and returns what is to become of it.
func (c *conn) message(ctx context.Context, section []byte, body io.Reader) (ch Changes, v verdict, err error) {
	for f := range header.Fields(section) {
		if len(f.Name) == 0 {
			continue
		}
		value := toWire(string(f.Value))
		if c.o.steps&leadingSpace == 0 {
			value = strings.TrimPrefix(value, " ")
		}
		if v, err = c.step(ctx, noHeaders, muteHeaders, cmdHeader, strs(string(f.Name), value)); err != nil || v.code != ansContinue {
			return ch, v, err
		}
	}
	c.macros(cmdEOH, "i", c.id)
	if v, err = c.step(ctx, noEOH, muteEOH, cmdEOH); err != nil || v.code != ansContinue {
		return ch, v, err
	}
	buf := make([]byte, bodyChunk)
	for c.o.steps&noBody == 0 {
		n, readErr := io.ReadFull(body, buf)
		if readErr != nil && readErr != io.EOF && readErr != io.ErrUnexpectedEOF {
			return ch, v, readErr
		}
		if n > 0 {
			v, err = c.step(ctx, noBody, muteBody, cmdBody, string(buf[:n]))
			if err != nil || v.code != ansContinue && v.code != ansSkip {
				return ch, v, err
			}
		}
		if readErr != nil || v.code == ansSkip {
			break
		}
	}
	return c.end(ctx)
}

// maxChanges is how much a milter may change, in octets of all its packets.
const maxChanges = 128 << 20

// end tells of the end of the message and reads what is to be changed.
func (c *conn) end(ctx context.Context) (ch Changes, v verdict, err error) {
	c.macros(cmdEnd, "i", c.id)
	c.out = appendPacket(c.out, cmdEnd)
	defer c.deadline(ctx, c.f.EndTimeout)()
	if err := c.flush(); err != nil {
		return ch, v, err
	}
	for size := 0; ; {
		code, data, err := c.read()
		if err != nil {
			return ch, v, err
		}
		if size += len(data); size > maxChanges {
			return ch, v, errProtocol("changes of more than %d octets", maxChanges)
		}
		if v, ok, err := answer(code, data); ok || err != nil {
			if v.code == ansAccept || v.code == ansSkip { // the changes are wanted all the same
				v.code = ansContinue
			}
			return ch, v, err
		}
		if err := ch.add(code, data, c.o); err != nil {
			return ch, v, err
		}
	}
}

// add reads one change.
func (c *Changes) add(code byte, data []byte, o options) (err error) {
	action, index := uint32(0), uint32(0)
	switch code {
	case ansProgress:
		return nil
	case ansAddHeader:
		action = actAddHeaders
	case ansInsHeader:
		action = actAddHeaders
	case ansChgHeader:
		action = actChgHeaders
	case ansBody:
		action = actBody
	case ansFrom:
		action = actFrom
	case ansAddRcpt:
		action = actAddRcpt
	case ansAddRcptParams:
		action = actAddRcptParams
	case ansDelRcpt:
		action = actDelRcpt
	case ansQuarantine:
		action = actQuarantine
	default:
		return errProtocol("answer %q", code)
	}
	if o.actions&action == 0 {
		return errProtocol("%q without leave", code)
	}
	if code == ansBody {
		c.Body = append(c.Body, data...)
		if c.Body == nil {
			c.Body = []byte{}
		}
		return nil
	}
	if code == ansInsHeader || code == ansChgHeader {
		if index, data, err = number(data); err != nil {
			return err
		}
	}
	words := split(data)
	if len(words) == 0 {
		return errProtocol("%q without text", code)
	}
	switch code {
	case ansAddHeader, ansInsHeader, ansChgHeader:
		if len(words) < 2 {
			words = append(words, "")
		}
		value := fromWire(words[1])
		if o.steps&leadingSpace == 0 && value != "" {
			value = " " + value
		}
		kind := map[byte]ChangeKind{ansAddHeader: Append, ansInsHeader: Insert, ansChgHeader: Replace}[code]
		if !validField(words[0], value) {
			return errProtocol("%q of %.40q: %.40q", code, words[0], value)
		}
		c.Header = append(c.Header, HeaderChange{kind, index, words[0], value})
		return nil
	case ansQuarantine:
		c.Quarantine = words[0]
		if c.Quarantine == "" {
			c.Quarantine = "no reason given"
		}
		return nil
	}
	path, err := parseAddress(words[0])
	if err != nil {
		return errProtocol("%q of %.80q", code, words[0])
	}
	switch code {
	case ansFrom:
		c.From = &path
	case ansDelRcpt:
		c.Remove = append(c.Remove, path)
	default:
		r := smtp.Recipient{To: path}
		if len(words) > 1 && words[1] != "" {
			if r.Params, err = smtp.ParseRcptParams(" " + words[1]); err != nil {
				return errProtocol("%q with %.80q", code, words[1])
			}
		}
		c.Add = append(c.Add, r)
	}
	return nil
}

// parseAddress reads an address with or without its brackets.
func parseAddress(s string) (smtp.Path, error) {
	if !strings.HasPrefix(s, "<") {
		s = "<" + s + ">"
	}
	p, rest, err := smtp.ParsePath(s)
	if err == nil && rest != "" {
		err = errProtocol("address %.80q", s)
	}
	return p, err
}
