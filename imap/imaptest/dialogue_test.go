package imaptest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// answering is a server that greets, and then sends for each line what answers has for it.
func answering(answers map[string]string) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			_, _ = io.WriteString(theirs, "* OK hello\r\n")
			for s := bufio.NewScanner(theirs); s.Scan(); {
				answer, ok := answers[s.Text()]
				if !ok {
					return
				}
				_, _ = io.WriteString(theirs, answer)
			}
		}()
		return ours, nil
	}
}

func TestDialogue(t *testing.T) {
	dial := answering(map[string]string{
		"a SELECT x":       "* 3 EXISTS\r\n* OK [UIDVALIDITY 17] valid\r\n* FLAGS ()\r\na OK done\r\n",
		"b STATUS 17 3":    "* STATUS x (MESSAGES 3 UIDVALIDITY 17)\r\nb OK done\r\n",
		"c":                "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n",
		"d ${n} ... NOOP.": "d OK [X 1 1] a.b\r\n",
	})
	const begin = "S: * OK ...\nC: a SELECT x\nU: * OK [UIDVALIDITY ${v}] ...\nU: * FLAGS ...\nU: * ${n} EXISTS\nS: a OK ...\n"
	for script, want := range map[string]string{
		begin: "",
		begin + "2S: * OK hello\n2C: b STATUS ${v} ${n}\n2S: * STATUS x (MESSAGES ${n} UIDVALIDITY ${v})\n2S: b OK done": "",
		begin + "\t# a comment\n\n  C: c\n  S: * 1 EXPUNGE\n  U: * 2 EXPUNGE\n  C: e\n  S: <closed>":                     "",
		"S: * OK ${x}\nC: c\nU: * ${y} EXPUNGE\nU: * ${x} EXPUNGE":                                                       "line 4: after \"c\":\n got * 2 EXPUNGE\nwant * hello EXPUNGE", // the first one is y's
		"S: * OK ...\nC: c\nS: * 2 EXPUNGE":                                                                              "line 3: after \"c\":\n got * 1 EXPUNGE\nwant * 2 EXPUNGE",
		"S: * OK ...\nC: c\nU: * 9 ...\nU: * 8 ...":                                                                      "line 3: after \"c\":\n got * 1 EXPUNGE\nwant * 9 ...\n  or * 8 ...",
		"S: * OK ...\nC: x ${n}":     "line 2: ${n} has no value",
		"S: * OK ...\nC: e\nS: e OK": "line 3: after \"e\":\n got <closed>\nwant e OK",
		"S: * OK hell":               "line 1: after \"\":\n got * OK hello\nwant * OK hell",
		"S: * BAD...":                "want * BAD...",
		"S: * OK ${x}${x}":           "got * OK hello",
		"X: * OK":                    "line 1 of the script is none of C:, S: and U:: X: * OK",
		"no":                         "line 1 of the script is none of",
	} {
		err := playDialogue(dial, script)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\n\t%v, want %s", script, err, want)
		}
	}
	if err := playDialogue(func() (net.Conn, error) { return nil, io.ErrClosedPipe }, "S: x"); err == nil {
		t.Error("played with nobody")
	}
}
