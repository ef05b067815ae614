package message_test

import (
	"fmt"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// Which parts does a message have, and where are they?
func ExampleParse() {
	m := message.Parse([]byte("Subject: photo\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\n\r\nHello.\r\n" +
		"--b\r\nContent-Type: image/png\r\n\r\n...\r\n--b--\r\n"))
	for i := range m.Parts {
		p := &m.Parts[i]
		t := p.ContentType()
		fmt.Printf("%d %s/%s %d-%d\n", p.Depth, t.Type, t.Subtype, p.BodyStart, p.End)
	}
	// Output:
	// 0 multipart/mixed 61-120
	// 1 text/plain 68-74
	// 1 image/png 108-111
}

// What is an attachment's file name?
func ExampleParams_Lookup() {
	d := message.ParseDisposition([]byte(`attachment; filename*=utf-8''%e2%82%ac%20rates.txt`))
	v, ok := d.Params.Lookup("filename")
	fmt.Println(d.Type, v.Value, v.Charset, ok)
	// Output: attachment € rates.txt utf-8 true
}
