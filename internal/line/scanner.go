package line

import "bytes"

// Offences says what becomes of bare CR, bare LF and NUL.
type Offences uint8

const (
	// Refuse makes them an *OffenceError.
	Refuse Offences = iota
	// Normalize turns a bare CR and a bare LF into CRLF and leaves out NUL.
	Normalize
	// Pass leaves them as they are.
	Pass
)

// finding is what stands where a run ends.
type finding uint8

const (
	nothing finding = iota // nothing yet: the data or the limit ends here, or a line begins with a dot
	offence
	tooLong
)

// How far one run looks: far, but not after an offence, so that a body full of them does not cost a scan each.
const (
	minWindow = 64
	maxWindow = 1 << 20
)

// A scanner cuts data into runs that can be copied as they are.
type scanner struct {
	maxLine int // in octets with CRLF, 0: no limit
	window  int
	state
}

// state is where in a line a scanner stands.
type state struct {
	start bool // the last thing seen was CRLF, or nothing
	cr    bool // the last octet of the last run is the CR of a CRLF
	len   int  // octets of the line so far
}

func newScanner(maxLine int) scanner {
	return scanner{maxLine: maxLine, window: maxWindow, state: state{start: true}}
}

// run returns how many octets at the start of rest, at most limit, can be copied as they are, and what stands there if
// that is none. A run ends before a line that begins with a dot. A CR at the end of rest waits for its LF.
func (s *scanner) run(rest []byte, limit int) (int, finding) {
	w := rest[:min(len(rest), limit, s.window)]
	stop := nothing
	for {
		at, n, crlfs, found := s.lines(w)
		if n < len(w) {
			w, stop = w[:n], found
		}
		if n > 0 && w[n-1] == '\r' {
			if n < len(rest) && rest[n] == '\n' {
				at.cr = true
				crlfs++
			} else {
				w = w[:n-1]
				at.len--
				at.start = n > 1 && w[n-2] == '\n'
				stop = nothing
				if n < len(rest) {
					stop = offence
				}
			}
		}
		if i := bytes.IndexByte(w, 0); i >= 0 {
			w, stop = w[:i], offence
			continue
		}
		// Every LF follows a CR; if there are no more CR than LF, every CR precedes an LF too.
		if bytes.Count(w, []byte{'\r'}) != crlfs {
			w, stop = w[:bareCR(w, rest)], offence
			continue
		}
		if len(w) > 0 {
			s.state = at
			s.window = min(2*s.window, maxWindow)
		}
		return len(w), stop
	}
}

// lines walks the lines of w up to a bare LF, a line that is too long, or the first line that begins with a dot. It
// returns the state there, the octets walked, the number of CRLF whose CR is in w, and why it stopped short.
func (s *scanner) lines(w []byte) (at state, n, crlfs int, found finding) {
	at = s.state
	for n < len(w) {
		end, ends, pair := len(w), false, 0
		if j := bytes.IndexByte(w[n:], '\n'); j >= 0 {
			end = n + j
			switch {
			case end > 0 && w[end-1] == '\r':
				ends, pair = true, 1
			case end == 0 && at.cr:
				ends = true
			default:
				found = offence
			}
			if ends {
				end++
			}
		}
		at.cr, at.start = false, false
		if room := s.maxLine - at.len; s.maxLine > 0 && end-n > room {
			at.len = s.maxLine
			return at, n + room, crlfs, tooLong
		}
		at.len += end - n
		n = end
		if !ends {
			return at, n, crlfs, found
		}
		crlfs += pair
		at.len, at.start = 0, true
		if n < len(w) && w[n] == '.' {
			return at, n, crlfs, nothing
		}
	}
	return at, n, crlfs, nothing
}

// bareCR returns the index of the first bare CR in w, which rest begins with.
func bareCR(w, rest []byte) int {
	for i := 0; i < len(w); i++ {
		j := bytes.IndexByte(w[i:], '\r')
		if j < 0 {
			break
		}
		i += j
		if i+1 < len(rest) && rest[i+1] != '\n' {
			return i
		}
	}
	return len(w)
}
