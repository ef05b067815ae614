package imaptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Dialogue plays a script of what clients say and what a server has to answer, line by line:
//
//	# a comment
//	S: * OK ...
//	C: a LOGIN alice secret
//	S: a OK ...
//	C: b SELECT INBOX
//	U: * ${n} EXISTS
//	U: * OK [UIDVALIDITY ${validity}] ...
//	U: * FLAGS ...
//	S: b OK ...
//	2C: c STATUS INBOX (MESSAGES UIDVALIDITY)
//	2S: * STATUS INBOX (MESSAGES ${n} UIDVALIDITY ${validity})
//
// C: is a line that is sent; those that follow each other on one connection are sent at once, so that commands are pipelined and
// literals written out. S: is the next line that must come. U: lines that follow each other are as many lines, in any order: each
// line that comes goes to the first of them that it matches. "..." stands for any octets, none as well; ${name} for octets other
// than spaces, brackets, parentheses and quotes, the same ones wherever the name comes again, and in C: lines for them. S: <closed> is the end of the
// connection. A number or word before the letter is another connection, opened by dial where it comes first. Scripts do without TLS unless dial has it.
//
// A line that does not come within 20 s, or is another one, ends the test with the place in the script and what was said last. What
// comes behind the end of the script is not looked at.
func Dialogue(t testing.TB, dial func() (net.Conn, error), script string) {
	t.Helper()
	if err := playDialogue(dial, script); err != nil {
		t.Fatal(err)
	}
}

// dialogueTimeout is how long each line may take.
const dialogueTimeout = 20 * time.Second

type dialogue struct {
	dial  func() (net.Conn, error)
	conns map[string]*dialogueConn
	bound map[string]string
	// variable is ${name}, and wildcard that or "...".
	variable, wildcard *regexp.Regexp
}

type dialogueConn struct {
	net.Conn
	r    *bufio.Reader
	last string // that was sent
}

// A dialogueLine is one line of a script.
type dialogueLine struct {
	number int
	conn   string
	kind   byte // 'C', 'S' or 'U'
	text   string
}

func playDialogue(dial func() (net.Conn, error), script string) error {
	lines, err := parseDialogue(script)
	if err != nil {
		return err
	}
	d := dialogue{dial: dial, conns: map[string]*dialogueConn{}, bound: map[string]string{},
		variable: regexp.MustCompile(`\$\{\w+\}`), wildcard: regexp.MustCompile(`\.\.\.|\$\{\w+\}`)}
	defer func() {
		for _, c := range d.conns {
			_ = c.Close()
		}
	}()
	for len(lines) > 0 {
		n := slices.IndexFunc(lines, func(l dialogueLine) bool { return l.conn != lines[0].conn || l.kind != lines[0].kind })
		if n < 0 {
			n = len(lines)
		}
		if err := d.run(lines[:n]); err != nil {
			return err
		}
		lines = lines[n:]
	}
	return nil
}

func parseDialogue(script string) (out []dialogueLine, err error) {
	for i, line := range strings.Split(script, "\n") {
		line = strings.TrimRight(strings.TrimLeft(line, "\t "), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		who, text, ok := strings.Cut(line, ":")
		if !ok || who == "" || !strings.ContainsRune("CSU", rune(who[len(who)-1])) {
			return nil, fmt.Errorf("imaptest: line %d of the script is none of C:, S: and U:: %s", i+1, line)
		}
		out = append(out, dialogueLine{i + 1, who[:len(who)-1], who[len(who)-1], strings.TrimPrefix(text, " ")})
	}
	return out, nil
}

// run plays lines of one kind on one connection.
func (d *dialogue) run(lines []dialogueLine) error {
	c := d.conns[lines[0].conn]
	if c == nil {
		conn, err := d.dial()
		if err != nil {
			return fmt.Errorf("imaptest: line %d: %w", lines[0].number, err)
		}
		c = &dialogueConn{Conn: conn, r: bufio.NewReader(conn)}
		d.conns[lines[0].conn] = c
	}
	if lines[0].kind == 'C' {
		return d.send(c, lines)
	}
	for len(lines) > 0 {
		got, err := c.line()
		if err != nil {
			return fmt.Errorf("imaptest: line %d: after %q: %w", lines[0].number, c.last, err)
		}
		candidates := lines[:1]
		if lines[0].kind == 'U' {
			candidates = lines
		}
		i := slices.IndexFunc(candidates, func(l dialogueLine) bool { return d.match(l.text, got) })
		if i < 0 {
			var want []string
			for _, l := range candidates {
				want = append(want, d.expand(l.text))
			}
			return fmt.Errorf("imaptest: line %d: after %q:\n got %s\nwant %s", lines[0].number, c.last, got, strings.Join(want, "\n  or "))
		}
		lines = slices.Delete(slices.Clone(lines), i, i+1)
	}
	return nil
}

func (d *dialogue) send(c *dialogueConn, lines []dialogueLine) error {
	var b strings.Builder
	for _, l := range lines {
		text := d.expand(l.text)
		if name := d.variable.FindString(text); name != "" {
			return fmt.Errorf("imaptest: line %d: %s has no value", l.number, name)
		}
		b.WriteString(text + "\r\n")
		c.last = text
	}
	_ = c.SetWriteDeadline(time.Now().Add(dialogueTimeout))
	if _, err := io.WriteString(c, b.String()); err != nil {
		return fmt.Errorf("imaptest: line %d: %w", lines[0].number, err)
	}
	return nil
}

// line returns the next line, "<closed>" at the end.
func (c *dialogueConn) line() (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(dialogueTimeout))
	s, err := c.r.ReadString('\n')
	switch {
	case errors.Is(err, io.EOF) && s == "":
		return "<closed>", nil
	case err != nil:
		return "", fmt.Errorf("%q and then %w", s, err)
	}
	return strings.TrimSuffix(s, "\r\n"), nil
}

// expand puts the values of variables in.
func (d *dialogue) expand(text string) string {
	return d.variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := d.bound[v]; ok {
			return value
		}
		return v
	})
}

// match reports whether a line is as the script has it, and binds the variables that are new.
func (d *dialogue) match(pattern, line string) bool {
	pattern = d.expand(pattern)
	var b strings.Builder
	var names []string
	b.WriteString(`(?s)\A`)
	at := 0
	for _, x := range d.wildcard.FindAllStringIndex(pattern, -1) {
		b.WriteString(regexp.QuoteMeta(pattern[at:x[0]]))
		if name := pattern[x[0]:x[1]]; name == "..." {
			b.WriteString(`.*`)
		} else {
			names = append(names, name)
			b.WriteString(`([^ "()\[\]{}<>]+)`)
		}
		at = x[1]
	}
	b.WriteString(regexp.QuoteMeta(pattern[at:]) + `\z`)
	found := regexp.MustCompile(b.String()).FindStringSubmatch(line)
	if found == nil {
		return false
	}
	fresh := map[string]string{}
	for i, name := range names {
		if value, ok := fresh[name]; ok && value != found[i+1] {
			return false
		}
		fresh[name] = found[i+1]
	}
	maps.Copy(d.bound, fresh)
	return true
}
