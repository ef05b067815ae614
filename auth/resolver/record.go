package resolver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/miekg/dns"
)

// entry is one line of a recording: a question and what came of it, as text that a person can read and edit.
type entry struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Rcode  string   `json:"rcode,omitempty"`
	AD     bool     `json:"ad,omitempty"` // whether the server vouches for the answer
	RA     bool     `json:"ra,omitempty"` // whether the server follows aliases itself
	Answer []string `json:"answer,omitempty"`
	Ns     []string `json:"ns,omitempty"`
	Error  string   `json:"error,omitempty"` // no answer came
}

// A Recorder is a Transport that passes questions on to another one and writes each, with its answer or error, as a
// line of JSON that [Replay] reads. A question asked again is written again.
type Recorder struct {
	Transport Transport
	W         io.Writer

	mu sync.Mutex
}

// Exchange implements [Transport]. An answer that cannot be written down is an error.
func (r *Recorder) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil || len(q.Question) != 1 {
		return nil, errors.New("not a question that can be recorded")
	}
	e := entry{Name: q.Question[0].Name, Type: dns.TypeToString[q.Question[0].Qtype]}
	answer, err := r.Transport.Exchange(ctx, query)
	if err == nil {
		m := new(dns.Msg)
		if err = m.Unpack(answer); err == nil && !answers(m, q) {
			err = errors.New("answer to another question")
		}
		e.Rcode, e.AD, e.RA = dns.RcodeToString[m.Rcode], m.AuthenticatedData, m.RecursionAvailable
		e.Answer, e.Ns = texts(m.Answer), texts(m.Ns)
	}
	if err != nil {
		e = entry{Name: e.Name, Type: e.Type, Error: err.Error()}
	}
	line, jsonErr := json.Marshal(e)
	if jsonErr != nil {
		return nil, jsonErr
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, werr := r.W.Write(append(line, '\n')); werr != nil {
		return nil, fmt.Errorf("recording: %w", werr)
	}
	return answer, err
}

func texts(rrs []dns.RR) (out []string) {
	for _, rr := range rrs {
		out = append(out, rr.String())
	}
	return out
}

// maxRecordingLine bounds one line of a recording: 64 KiB of packet, each octet at worst four of text, twice escaped.
const maxRecordingLine = 1 << 20

// replay answers from a recording.
type replay map[cacheKey]entry

// Replay reads what a [Recorder] wrote and returns a Transport that gives the same answers, the last one where a question
// was asked more than once. A question that was never asked is an error, not an absence.
func Replay(r io.Reader) (Transport, error) {
	out := replay{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxRecordingLine)
	for n := 1; s.Scan(); n++ {
		if len(s.Bytes()) == 0 {
			continue
		}
		var e entry
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("recording, line %d: %w", n, err)
		}
		qtype, ok := dns.StringToType[e.Type]
		if !ok {
			return nil, fmt.Errorf("recording, line %d: unknown type %q", n, e.Type)
		}
		if _, err := e.message(); err != nil {
			return nil, fmt.Errorf("recording, line %d: %w", n, err)
		}
		out[cacheKey{dns.CanonicalName(e.Name), qtype}] = e
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return out, nil
}

// message builds the packet that the entry describes, without question and id.
func (e entry) message() (*dns.Msg, error) {
	m := new(dns.Msg)
	if e.Error != "" {
		return m, nil
	}
	rcode, ok := dns.StringToRcode[e.Rcode]
	if !ok {
		return nil, fmt.Errorf("unknown code %q", e.Rcode)
	}
	m.Response, m.Rcode, m.AuthenticatedData, m.RecursionAvailable = true, rcode, e.AD, e.RA
	for _, section := range []struct {
		texts []string
		rrs   *[]dns.RR
	}{{e.Answer, &m.Answer}, {e.Ns, &m.Ns}} {
		for _, text := range section.texts {
			rr, err := dns.NewRR(text)
			if err != nil {
				return nil, err
			}
			if rr == nil {
				return nil, errors.New("empty record")
			}
			*section.rrs = append(*section.rrs, rr)
		}
	}
	return m, nil
}

func (r replay) Exchange(_ context.Context, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil || len(q.Question) != 1 {
		return nil, errors.New("not a question that can be replayed")
	}
	e, ok := r[cacheKey{dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype}]
	if !ok {
		return nil, errors.New("the recording does not have this question")
	}
	if e.Error != "" {
		return nil, errors.New(e.Error)
	}
	m, err := e.message()
	if err != nil {
		return nil, err
	}
	m.Id, m.Question, m.Opcode = q.Id, q.Question, q.Opcode
	return m.Pack()
}
