package milter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Commands of an MTA and answers of a milter.
const (
	cmdAbort, cmdBody, cmdConnect, cmdMacro, cmdEnd   = 'A', 'B', 'C', 'D', 'E'
	cmdHelo, cmdQuitNew, cmdHeader, cmdMail, cmdEOH   = 'H', 'K', 'L', 'M', 'N'
	cmdOptions, cmdQuit, cmdRcpt, cmdData, cmdStrange = 'O', 'Q', 'R', 'T', 'U'

	ansAddRcpt, ansDelRcpt, ansAddRcptParams       = '+', '-', '2'
	ansShutdown, ansAccept, ansBody, ansContinue   = '4', 'a', 'b', 'c'
	ansDiscard, ansFrom, ansConnFail, ansAddHeader = 'd', 'e', 'f', 'h'
	ansInsHeader, ansSymbols, ansChgHeader         = 'i', 'l', 'm'
	ansProgress, ansQuarantine, ansReject, ansSkip = 'p', 'q', 'r', 's'
	ansTempFail, ansReply                          = 't', 'y'
)

// Actions that a milter asks leave for.
const (
	actAddHeaders = 1 << iota
	actBody
	actAddRcpt
	actDelRcpt
	actChgHeaders
	actQuarantine
	actFrom
	actAddRcptParams
	actSymbols

	allActions = actSymbols - 1
)

// Steps that a milter does without, or does not answer.
const (
	noConnect = 1 << iota
	noHelo
	noMail
	noRcpt
	noBody
	noHeaders
	noEOH
	mute         // from here on: no answer to ...
	noUnknown    = 1 << 8
	noData       = 1 << 9
	canSkip      = 1 << 10
	rcptRejected = 1 << 11
	muteConnect  = 1 << 12
	muteHelo     = 1 << 13
	muteMail     = 1 << 14
	muteRcpt     = 1 << 15
	muteData     = 1 << 16
	muteUnknown  = 1 << 17
	muteEOH      = 1 << 18
	muteBody     = 1 << 19
	leadingSpace = 1 << 20
	muteHeaders  = mute
)

const (
	version    = 6
	minVersion = 2
	// maxPacket is the longest packet that is read; libmilter has 65536 and one more for some.
	maxPacket = 1 << 20
	// bodyChunk is how much of a body one packet carries.
	bodyChunk = 65535
)

// ErrProtocol says that the other side does not speak as it should; it is wrapped with what was wrong.
var ErrProtocol = errors.New("milter: protocol error")

func errProtocol(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)
}

// readPacket reads one packet into buf, which it returns grown.
func readPacket(r *bufio.Reader, buf []byte) (code byte, data, grown []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, buf, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxPacket {
		return 0, nil, buf, errProtocol("a packet of %d octets", n)
	}
	buf = slices.Grow(buf[:0], int(n-1))[:n-1]
	if _, err := io.ReadFull(r, buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, buf, err
	}
	return head[4], buf, buf, nil
}

// appendPacket appends a packet whose data append appends.
func appendPacket(dst []byte, code byte, data ...string) []byte {
	n := 1
	for _, d := range data {
		n += len(d)
	}
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(n)), code)
	for _, d := range data {
		dst = append(dst, d...)
	}
	return dst
}

// strs are strings with a NUL behind each. NUL within one ends it.
func strs(all ...string) string {
	var b strings.Builder
	for _, s := range all {
		s, _, _ = strings.Cut(s, "\x00")
		b.WriteString(s)
		b.WriteByte(0)
	}
	return b.String()
}

// split returns the strings of data, whose last may lack its NUL.
func split(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(data, []byte{0})), "\x00")
}

// number takes four octets off data.
func number(data []byte) (n uint32, rest []byte, err error) {
	if len(data) < 4 {
		return 0, nil, errProtocol("%d octets in place of a number", len(data))
	}
	return binary.BigEndian.Uint32(data), data[4:], nil
}

func octets(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// options are the two sides' agreement.
type options struct{ version, actions, steps uint32 }

func (o options) String() string { return octets(o.version) + octets(o.actions) + octets(o.steps) }

// parseOptions reads options; symbol lists behind them are for those who ask, and not read.
func parseOptions(data []byte) (o options, err error) {
	for _, n := range []*uint32{&o.version, &o.actions, &o.steps} {
		if *n, data, err = number(data); err != nil {
			return o, err
		}
	}
	if o.version < minVersion {
		return o, errProtocol("version %d", o.version)
	}
	return o, nil
}
