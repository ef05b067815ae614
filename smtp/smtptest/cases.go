package smtptest

import (
	"fmt"
	"strings"
)

// Parts of cases.
const (
	hello   = "EHLO client.test\r\n"
	mail    = "MAIL FROM:<a@test.example>\r\n"
	rcpt    = "RCPT TO:<b@test.example>\r\n"
	header  = "Subject: x\r\n\r\n"
	evil    = "MAIL FROM:<evil@test.example>\r\nRCPT TO:<b@test.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
	refused = "550 5.6.11|554 5.6.0|550 5.6.0"
)

// Corpus returns the cases: ends of data that are none, odd lines, commands out of order, parameters, paths, chunks, STARTTLS,
// AUTH, and too much of anything. What they want is what is safe; where several replies are, each is named.
func Corpus() []Case {
	var out []Case
	for _, group := range [][]Case{endings(), bodies(), lines(), order(), paths(), chunkCases(), tlsCases(), authCases(), floods()} {
		out = append(out, group...)
	}
	return out
}

func step(input string, replies ...string) Step { return Step{Input: input, Replies: replies} }

// letter is what arrives of a message with this body from mail and rcpt.
func letter(body string) []Letter {
	return []Letter{{From: "<a@test.example>", To: []string{"<b@test.example>"}, Body: body}}
}

// afterData is a case whose input follows 354.
func afterData(name, input string, messages []Letter, replies ...string) Case {
	return Case{Name: name, Messages: messages, Steps: []Step{
		step(hello+mail+rcpt+"DATA\r\n", "250", "250", "250", "354"), step(input, replies...), step("NOOP\r\n", "250"),
	}}
}

// endings are what some server somewhere takes for CRLF.CRLF. Nothing after them may become a second message.
func endings() []Case {
	var out []Case
	for _, e := range []struct{ name, end string }{
		{"LF.LF", "\n.\n"}, {"LF.CRLF", "\n.\r\n"}, {"CRLF.LF", "\r\n.\n"},
		{"CR.CR", "\r.\r"}, {"CRLF.CR", "\r\n.\r"}, {"CR.CRLF", "\r.\r\n"}, {"CRLF.CRCRLF", "\r\n.\r\r\n"},
		{"CRLF.NUL CRLF", "\r\n.\x00\r\n"}, {"CRLF NUL.CRLF", "\r\n\x00.\r\n"}, {"CRLF.CRLF with NUL within", "\r\n.\r\x00\n"},
		{"CRCRLF.CRCRLF", "\r\r\n.\r\r\n"}, {"LFCR.LFCR", "\n\r.\n\r"},
	} {
		out = append(out, Case{Name: "end of data " + e.name, Steps: []Step{
			step(hello+mail+rcpt+"DATA\r\n", "250", "250", "250", "354"),
			step(header+"one"+e.end+evil, refused), step("NOOP\r\n", "250"),
		}})
	}
	return append(out,
		afterData("end of data in a stuffed line", header+"one\r\n..\r\n"+"MAIL FROM:<c@test.example>\r\n.\r\n",
			letter(header+"one\r\n.\r\nMAIL FROM:<c@test.example>\r\n"), "250"),
		afterData("end of data at once", ".\r\n", letter(""), "250"),
		afterData("body that ends in a bare CR", header+"x\r\r\n.\r\n", nil, refused),
	)
}

func bodies() []Case {
	long := strings.Repeat("x", 1200)
	return []Case{
		afterData("bare LF", header+"a\nb\r\n.\r\n", nil, refused),
		afterData("bare CR", header+"a\rb\r\n.\r\n", nil, refused),
		afterData("NUL", header+"a\x00b\r\n.\r\n", nil, refused),
		afterData("8-bit body", header+"Gr\xc3\xbc\xff\r\n.\r\n", letter(header+"Gr\xc3\xbc\xff\r\n"), "250"),
		afterData("dots", header+"..\r\n...\r\n.a\r\n a.\r\n.\r\n", letter(header+".\r\n..\r\na\r\n a.\r\n"), "250"),
		afterData("line of 1200", header+long+"\r\n.\r\n", letter(header+long+"\r\n"), "250"),
		afterData("line of 100000", header+strings.Repeat("x", 100000)+"\r\n.\r\n", nil, "554 5.6.0|500 5.6.0"),
		afterData("101 Received fields", strings.Repeat("Received: by x; y\r\n", 101)+header+".\r\n", nil, "554 5.4.6"),
		afterData("header of 1 MiB", strings.Repeat("X-Field: "+long+"\r\n", 900)+"\r\n.\r\n", nil, "552 5.3.4|554 5.6.0"),
		afterData("no header", "\r\nx\r\n.\r\n", letter("\r\nx\r\n"), "250"),
	}
}

// lines are odd command lines.
func lines() []Case {
	return []Case{
		{Name: "NOOP with LF alone", Steps: []Step{step("NOOP\n", "250|500"), step("NOOP\r\n", "250")}},
		{Name: "NUL in a command", Steps: []Step{step(hello, "250"), step("MAIL FROM:<a\x00b@test.example>\r\n", "501|500"),
			step(mail+rcpt+"DATA\r\n", "250", "250", "354"), step(".\r\n", "250")}, Messages: letter("")},
		{Name: "bare CR in a command", Steps: []Step{step(hello, "250"), step("MAIL FROM:<a@test.example>\rRCPT TO:<b@test.example>\r\n", "501|500"),
			step("RCPT TO:<b@test.example>\r\n", "503 5.5.1")}},
		{Name: "command of 3000", Steps: []Step{step("NOOP "+strings.Repeat("x", 3000)+"\r\n", "500 5.5.2"), step("NOOP\r\n", "250")}},
		{Name: "command of 3 MiB without end", Steps: []Step{step(strings.Repeat("x", 3<<20), "421|500")}, Closed: true},
		{Name: "empty line", Steps: []Step{step("\r\n", "500"), step("NOOP\r\n", "250")}},
		{Name: "space before the verb", Steps: []Step{step(" NOOP\r\n", "500")}},
		{Name: "lower case", Steps: []Step{step("ehlo client.test\r\nmail from:<a@test.example>\r\nrcpt to:<b@test.example>\r\ndata\r\n", "250", "250", "250", "354"),
			step("x\r\n.\r\n", "250")}, Messages: letter("x\r\n")},
		{Name: "HTTP", Steps: []Step{step("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n"+hello+evil, "421|221|554")}, Closed: true},
		{Name: "text after QUIT", Steps: []Step{step("QUIT\r\n"+hello+mail, "221")}, Closed: true},
		{Name: "EHLO without argument", Steps: []Step{step("EHLO\r\n", "501")}},
		{Name: "EHLO with two arguments", Steps: []Step{step("EHLO a b\r\n", "501")}},
		{Name: "EHLO with brackets", Steps: []Step{step("EHLO <x>\r\n", "501")}},
		{Name: "EHLO with an octet of 255", Steps: []Step{step("EHLO \xff\r\n", "501")}},
		{Name: "EHLO with a literal", Steps: []Step{step("EHLO [127.0.0.1]\r\n", "250")}},
		{Name: "arguments where none belong", Steps: []Step{step(hello, "250"), step("RSET x\r\nQUIT x\r\nSTARTTLS x\r\n", "501", "501", "501"),
			step(mail+rcpt+"DATA x\r\n", "250", "250", "501")}},
	}
}

// order are commands out of it.
func order() []Case {
	return []Case{
		{Name: "MAIL before EHLO", Steps: []Step{step(mail, "503 5.5.1")}},
		{Name: "RCPT first", Steps: []Step{step(hello+rcpt, "250", "503 5.5.1")}},
		{Name: "DATA first", Steps: []Step{step(hello+"DATA\r\n", "250", "503 5.5.1|554 5.5.1")}},
		{Name: "DATA without RCPT", Steps: []Step{step(hello+mail+"DATA\r\n", "250", "250", "503 5.5.1|554 5.5.1")}},
		{Name: "nested MAIL", Steps: []Step{step(hello+mail+mail, "250", "250", "503 5.5.1")}},
		{Name: "DATA behind a refused RCPT", Steps: []Step{
			step(hello+mail+"RCPT TO:<refused@test.example>\r\nDATA\r\n", "250", "250", "550 5.1.1", "503 5.5.1|554 5.5.1"), step("NOOP\r\n", "250")}},
		{Name: "RSET ends the transaction", Steps: []Step{step(hello+mail+rcpt+"RSET\r\nDATA\r\n", "250", "250", "250", "250", "503 5.5.1|554 5.5.1")}},
		{Name: "EHLO ends the transaction", Steps: []Step{step(hello+mail+rcpt+hello+rcpt, "250", "250", "250", "250", "503 5.5.1")}},
		{Name: "unknown MAIL parameter", Steps: []Step{step(hello+"MAIL FROM:<a@test.example> X-NOBODY=1\r\n", "250", "555 5.5.4")}},
		{Name: "unknown RCPT parameter", Steps: []Step{step(hello+mail+"RCPT TO:<b@test.example> X-NOBODY\r\n", "250", "250", "555 5.5.4")}},
		{Name: "parameter after HELO", Steps: []Step{step("HELO client.test\r\nMAIL FROM:<a@test.example> SIZE=1\r\n", "250", "555 5.5.4")}},
		{Name: "SIZE of 20 digits", Steps: []Step{step(hello+"MAIL FROM:<a@test.example> SIZE=99999999999999999999\r\n", "250", "501|552 5.3.4")}},
		{Name: "SIZE of 5 GiB", Steps: []Step{step(hello+"MAIL FROM:<a@test.example> SIZE=5368709120\r\n", "250", "552 5.3.4")}},
		{Name: "SIZE twice", Steps: []Step{step(hello+"MAIL FROM:<a@test.example> SIZE=1 SIZE=2\r\n", "250", "501")}},
		{Name: "SIZE below zero", Steps: []Step{step(hello+"MAIL FROM:<a@test.example> SIZE=-1\r\n", "250", "501")}},
		{Name: "BODY of no kind", Steps: []Step{step(hello+"MAIL FROM:<a@test.example> BODY=9BIT\r\n", "250", "501|555")}},
		{Name: "EXPN and VRFY", Steps: []Step{step("VRFY root\r\nEXPN all\r\n", "252", "502|252|550")}},
	}
}

// oneRcpt is a case with one recipient that must arrive as want.
func oneRcpt(name, arg, want string) Case {
	return Case{Name: name, Steps: []Step{step(hello+mail+"RCPT TO:"+arg+"\r\nDATA\r\n", "250", "250", "250", "354"), step(".\r\n", "250")},
		Messages: []Letter{{From: "<a@test.example>", To: []string{want}}}}
}

func paths() []Case {
	long := strings.Repeat("d", 60) + "."
	return []Case{
		oneRcpt("Postmaster", "<Postmaster>", "<Postmaster>"),
		oneRcpt("source route", "<@x.example,@y.example:b@test.example>", "<b@test.example>"),
		oneRcpt("quoted bracket", `<"a>b"@test.example>`, `<"a>b"@test.example>`),
		oneRcpt("quoted quote", `<"a b\"c"@test.example>`, `<"a b\"c"@test.example>`),
		oneRcpt("needless quotes", `<"b"@test.example>`, `<b@test.example>`),
		oneRcpt("address literal", `<b@[127.0.0.1]>`, `<b@[127.0.0.1]>`),
		{Name: "8-bit path without SMTPUTF8", Steps: []Step{step(hello+"MAIL FROM:<gr\xc3\xbc@test.example>\r\n", "250", "553 5.6.7")}},
		{Name: "invalid UTF-8 with SMTPUTF8", Steps: []Step{step(hello+"MAIL FROM:<gr\xc3@test.example> SMTPUTF8\r\n", "250", "501|553")}},
		{Name: "8-bit path with SMTPUTF8", Steps: []Step{
			step(hello+"MAIL FROM:<gr\xc3\xbc@test.example> SMTPUTF8\r\nRCPT TO:<b@test.example>\r\nDATA\r\n", "250", "250", "250", "354"), step(".\r\n", "250")},
			Messages: []Letter{{From: "<gr\xc3\xbc@test.example>", To: []string{"<b@test.example>"}}}},
		{Name: "local part of 65", Steps: []Step{step(hello+mail+"RCPT TO:<"+strings.Repeat("l", 65)+"@test.example>\r\n", "250", "250", "501 5.1.3|501 5.1.7")}},
		{Name: "domain of 256", Steps: []Step{step(hello+mail+"RCPT TO:<b@"+strings.Repeat(long, 4)+"example.test>\r\n", "250", "250", "501 5.1.3|501 5.1.7")}},
		{Name: "null recipient", Steps: []Step{step(hello+mail+"RCPT TO:<>\r\n", "250", "250", "501 5.1.3|550 5.1.3|553 5.1.3")}},
		{Name: "path without brackets", Steps: []Step{step(hello+"MAIL FROM:a@test.example\r\n", "250", "501")}},
		{Name: "text behind the path", Steps: []Step{step(hello+"MAIL FROM:<a@test.example>x\r\n", "250", "501|555")}},
	}
}

func chunkCases() []Case {
	return []Case{
		{Name: "BDAT", Steps: []Step{step(hello+mail+rcpt+"BDAT 6\r\na: b\r\nBDAT 4\r\n\r\n..BDAT 5 LAST\r\n\r\n.\r\n", "250", "250", "250", "250", "250", "250"),
			step("NOOP\r\n", "250")}, Messages: letter("a: b\r\n\r\n..\r\n.\r\n")},
		{Name: "BDAT 0 LAST", Steps: []Step{step(hello+mail+rcpt+"BDAT 3\r\nx\r\nBDAT 0 LAST\r\n", "250", "250", "250", "250", "250")}, Messages: letter("x\r\n")},
		{Name: "BDAT without RCPT", Steps: []Step{step(hello+mail+"BDAT 6 LAST\r\nRSET\r\n"+rcpt, "250", "250", "503 5.5.1|554 5.5.1", "250")}},
		{Name: "BDAT without MAIL", Steps: []Step{step(hello+"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250", "503 5.5.1|554 5.5.1", "250")}},
		{Name: "BDAT behind a refused RCPT", Steps: []Step{
			step(hello+mail+"RCPT TO:<refused@test.example>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250", "250", "550 5.1.1", "503 5.5.1|554 5.5.1", "250")}},
		{Name: "BDAT after HELO", Steps: []Step{step("HELO client.test\r\n"+mail+rcpt+"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250", "250", "250", "500|502|503", "250")}},
		{Name: "BDAT of -1", Steps: []Step{step(hello+mail+rcpt+"BDAT -1 LAST\r\n"+evil, "250", "250", "250", "501|521")}, Closed: true},
		{Name: "BDAT of 2^64", Steps: []Step{step(hello+mail+rcpt+"BDAT 18446744073709551616 LAST\r\n"+evil, "250", "250", "250", "501|521|552")}, Closed: true},
		{Name: "BDAT without size", Steps: []Step{step(hello+mail+rcpt+"BDAT LAST\r\n"+evil, "250", "250", "250", "501|521")}, Closed: true},
		{Name: "BDAT then DATA", Steps: []Step{step(hello+mail+rcpt+"BDAT 3\r\nx\r\nDATA\r\nBDAT 0 LAST\r\n", "250", "250", "250", "250", "503 5.5.1", "250")},
			Messages: letter("x\r\n")},
		{Name: "BDAT then RSET", Steps: []Step{step(hello+mail+rcpt+"BDAT 3\r\nx\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250", "250", "250", "250", "250", "503 5.5.1", "250")}},
		{Name: "bare LF in BDAT", Steps: []Step{step(hello+mail+rcpt+"BDAT 6 LAST\r\na\nb\r\n\r\n"[:19]+"NOOP\r\n", "250", "250", "250", refused, "250")}},
		{Name: "bare CR between chunks", Steps: []Step{step(hello+mail+rcpt+"BDAT 2\r\na\rBDAT 3 LAST\r\nb\r\nNOOP\r\n", "250", "250", "250", "250", refused, "250")}},
		{Name: "CRLF between chunks", Steps: []Step{step(hello+mail+rcpt+"BDAT 2\r\na\rBDAT 1 LAST\r\n\nNOOP\r\n", "250", "250", "250", "250", "250", "250")}, Messages: letter("a\r\n")},
	}
}

func tlsCases() []Case {
	return []Case{
		{Name: "text behind STARTTLS", Whole: true, Steps: []Step{step(hello, "250"), step("STARTTLS\r\n"+mail, "554|501")}, Closed: true},
		{Name: "STARTTLS forgets", TLS: true, Steps: []Step{step(mail, "503 5.5.1"), step("STARTTLS\r\n", "503|502"), step(hello, "250")}},
		{Name: "STARTTLS twice", TLS: true, Steps: []Step{step(hello+"STARTTLS\r\n", "250", "503|502")}},
	}
}

func authCases() []Case {
	const plain = "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n" // user, secret
	return []Case{
		{Name: "AUTH before TLS", Steps: []Step{step(hello+plain, "250", "538 5.7.11|530 5.7.0|503|502|504")}},
		{Name: "AUTH before EHLO", TLS: true, Steps: []Step{step(plain, "503 5.5.1")}},
		{Name: "AUTH", TLS: true, Steps: []Step{step(hello+plain, "250", "235 2.7.0")}},
		{Name: "AUTH in two steps", TLS: true, Steps: []Step{step(hello+"AUTH PLAIN\r\n", "250", "334"), step("AHVzZXIAc2VjcmV0\r\n", "235 2.7.0")}},
		{Name: "AUTH LOGIN", TLS: true, Steps: []Step{step(hello+"auth login\r\n", "250", "334"), step("dXNlcg==\r\n", "334"), step("c2VjcmV0\r\n", "235 2.7.0")}},
		{Name: "AUTH with a wrong password", TLS: true, Steps: []Step{step(hello+"AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n", "250", "535 5.7.8"), step("NOOP\r\n", "250")}},
		{Name: "AUTH with bad base64", TLS: true, Steps: []Step{step(hello+"AUTH PLAIN !!!\r\n", "250", "501 5.5.2"), step("NOOP\r\n", "250")}},
		{Name: "AUTH given up", TLS: true, Steps: []Step{step(hello+"AUTH PLAIN\r\n", "250", "334"), step("*\r\n", "501"), step("NOOP\r\n", "250")}},
		{Name: "AUTH response of 20000", TLS: true, Steps: []Step{step(hello+"AUTH PLAIN\r\n", "250", "334"), step(strings.Repeat("A", 20000)+"\r\n", "500 5.5.6"),
			step("NOOP\r\n", "250")}},
		{Name: "AUTH of no kind", TLS: true, Steps: []Step{step(hello+"AUTH X-NONE\r\nAUTH\r\n", "250", "504 5.5.4", "501 5.5.4")}},
		{Name: "AUTH within a transaction", TLS: true, Steps: []Step{step(hello+mail+plain, "250", "250", "503 5.5.1")}},
		{Name: "AUTH twice", TLS: true, Steps: []Step{step(hello+plain+plain, "250", "235", "503 5.5.1")}},
	}
}

// floods are too much of one thing.
func floods() []Case {
	var many strings.Builder
	replies := []string{"250", "250"}
	for i := range 2000 {
		fmt.Fprintf(&many, "RCPT TO:<r%d@test.example>\r\n", i)
		if i < 100 { // RFC 5321 §4.5.3.1.8
			replies = append(replies, "250")
		} else {
			replies = append(replies, "250|452 4.5.3")
		}
	}
	return []Case{
		{Name: "2000 RCPT", Steps: []Step{step(hello+mail+many.String(), replies...), step("NOOP\r\nRSET\r\n", "250", "250")}},
		{Name: "200 unknown commands", Steps: []Step{{Input: strings.Repeat("XXXX\r\n", 200), Replies: []string{"500", "421"}, Flood: true}}, Closed: true},
	}
}
