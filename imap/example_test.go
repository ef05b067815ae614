package imap_test

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A server reads a command.
func ExampleDecoder() {
	wire := "a7 FETCH 1:3,7 (FLAGS BODY.PEEK[1.HEADER.FIELDS (From Subject)]<0.100>)\r\n"
	d := imap.NewDecoder(bufio.NewReader(strings.NewReader(wire)), imap.DecoderOptions{})
	if err := d.Next(); err != nil {
		fmt.Println(err)
		return
	}
	tag := d.Tag()
	d.SP()
	command := d.Keyword()
	d.SP()
	set := d.SequenceSet()
	d.SP()
	items := d.FetchItems()
	d.EOL()
	if d.Err() != nil {
		fmt.Println(d.Err())
		return
	}
	fmt.Println(tag, command, set, items[1].Section.Part, items[1].Section.Fields, items[1].Peek)
	// Output: a7 FETCH 1:3,7 [1] [From Subject] true
}

// What BODY[1] of a message is.
func ExampleSection_Extract() {
	m := message.Parse([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b--\r\n"))
	s := imap.Section{Part: []uint32{1}}
	text, ok := s.Extract(m)
	fmt.Printf("%s = %q, %v\n", imap.AppendSection([]byte("BODY"), &s), text, ok)
	// Output: BODY[1] = "Hello.", true
}

func ExampleListPattern() {
	p, err := imap.ParseListPattern("Work/%", '/')
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Match("Work/Old"), p.Match("Work/Old/2019"), p.Match("Play"))
	// Output: true false false
}

// Mailbox names as IMAP4rev1 writes them.
func ExampleAppendUTF7() {
	wire := imap.AppendUTF7(nil, "Entwürfe & mehr")
	name, err := imap.ParseUTF7(string(wire))
	fmt.Printf("%s %s %v\n", wire, name, err)
	// Output: Entw&APw-rfe &- mehr Entwürfe & mehr <nil>
}
