package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// jmapMessages is how many messages the INBOX has, four a thread.
const jmapMessages = 10_000

// jmapSample is how many requests in a row one median is taken of.
const jmapSample = 20

// A jmapServer is a running server with the mail of one user on the disk.
type jmapServer struct {
	url     string // of the API
	auth    func(*http.Request)
	account jmap.ID
	inbox   jmap.ID
	ids     []jmap.ID // emails whose flags are changed
	stop    func()
	client  http.Client
}

// A jmapPeer is a server that all rows share.
type jmapPeer struct {
	title string
	open  func() (*jmapServer, error)

	once   sync.Once
	server *jmapServer
	err    error
}

// A jmapJob is something that a client asks for again and again.
type jmapJob struct {
	name string
	run  func(s *jmapServer, n int) error
}

func jmapJobs() []jmapJob {
	return []jmapJob{
		{"echo", func(s *jmapServer, _ int) error { return s.ask(`["Core/echo",{"a":1},"0"]`, `"a":`, 1) }},
		{"list view: 50 threads of 10,000, ten properties", func(s *jmapServer, _ int) error {
			return s.ask(fmt.Sprintf(`["Email/query",{"accountId":%q,"filter":{"inMailbox":%q},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true,"limit":50},"0"],`+
				`["Email/get",{"accountId":%q,"#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},`+
				`"properties":["threadId","mailboxIds","keywords","from","to","subject","receivedAt","size","preview","hasAttachment"]},"1"]`,
				s.account, s.inbox, s.account), `"threadId":`, 50)
		}},
		{"open one with its text", func(s *jmapServer, n int) error {
			return s.ask(fmt.Sprintf(`["Email/get",{"accountId":%q,"ids":[%q],"properties":["from","to","subject","bodyStructure","textBody","bodyValues"],"fetchTextBodyValues":true},"0"]`,
				s.account, s.ids[n%len(s.ids)]), `"bodyValues":`, 1)
		}},
		{"set one flag", func(s *jmapServer, n int) error {
			id, on := s.ids[n/2%len(s.ids)], [...]string{"true", "null"}[n%2]
			return s.ask(fmt.Sprintf(`["Email/set",{"accountId":%q,"update":{%q:{"keywords/$flagged":%s}}},"0"]`, s.account, id, on), `"updated":{"`, 1)
		}},
	}
}

// jmapRows ask servers that keep mail on the disk, by the wall clock: what a user waits for, half the time.
func jmapRows() ([]row, error) {
	peers := []*jmapPeer{{title: "mailbricks store", open: openJMAPStore}}
	absent := ""
	if err := suites.FindCyrus(); err == nil {
		peers = append(peers, &jmapPeer{title: "Cyrus 3.6.1, conversations_db: twoskip", open: openCyrus})
	} else {
		absent = " (" + err.Error() + ")"
	}
	var rows []row
	for _, j := range jmapJobs() {
		r := row{name: fmt.Sprintf("jmap %s, p50 of %d, wall clock%s", j.name, jmapSample, absent)}
		for _, p := range peers {
			r.impls = append(r.impls, p.impl(j))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (p *jmapPeer) impl(j jmapJob) impl {
	var clock time.Duration // what the medians add up to
	return impl{
		name:    p.title,
		program: true,
		start: func() (func() error, error) {
			p.once.Do(func() {
				if p.server, p.err = p.open(); p.err == nil {
					p.err = p.server.look()
				}
			})
			n := 0
			return func() error {
				took := make([]time.Duration, jmapSample)
				for i := range took {
					began := time.Now()
					if err := j.run(p.server, n); err != nil {
						return err
					}
					took[i] = time.Since(began)
					n++
				}
				clock += percentile(took, 50)
				return nil
			}, p.err
		},
		cpu:    func() (time.Duration, error) { return clock, nil },
		memory: func() (mallocs, size uint64, err error) { return 0, 0, nil },
		stop: func() {
			if p.server != nil {
				p.server.stop()
				p.server = nil
			}
		},
	}
}

const jmapToken = "t0ken"

func openJMAPStore() (*jmapServer, error) {
	imapAddr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	jmapAddr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, stop, err := startStore([]string{imapAddr, jmapAddr}, "-user", imapUser+":"+imapPassword, "-token", imapUser+":"+jmapToken, "-imap", imapAddr, "-jmap", jmapAddr)
	if err != nil {
		return nil, err
	}
	if err := fillJMAP(imapAddr); err != nil {
		stop()
		return nil, err
	}
	return &jmapServer{url: "http://" + jmapAddr + "/jmap/api", stop: stop, auth: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+jmapToken) }}, nil
}

func openCyrus() (*jmapServer, error) {
	c, err := suites.StartCyrus()
	if err != nil {
		return nil, err
	}
	if err := c.Fill(imapUser, jmapMessages, jmapLetter); err != nil {
		c.Close()
		return nil, err
	}
	return &jmapServer{url: c.URL, stop: c.Close, auth: func(r *http.Request) { r.SetBasicAuth(imapUser, imapPassword) }}, nil
}

// jmapLetter is a message of 4 KiB, the answer to an earlier one but for every fourth.
func jmapLetter(i int) string {
	l := imapLetter(i)
	first := i / 4 * 4
	if i == first {
		return strings.Replace(l, "In-Reply-To: <0@bench.test>\r\n", "", 1)
	}
	l = strings.Replace(l, "In-Reply-To: <0@bench.test>\r\n", fmt.Sprintf("In-Reply-To: <%d@bench.test>\r\nReferences: <%d@bench.test>\r\n", first, first), 1)
	return strings.Replace(l, fmt.Sprintf("number %d\r\n", i), fmt.Sprintf("number %d\r\n", first), 1)
}

// fillJMAP appends the messages over IMAP, many at a time.
func fillJMAP(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var g errgroup.Group
	g.Go(func() error {
		var b bytes.Buffer
		fmt.Fprintf(&b, "a LOGIN %s %s\r\n", imapUser, imapPassword)
		for i := range jmapMessages {
			l := jmapLetter(i)
			fmt.Fprintf(&b, "a APPEND INBOX \"26-Nov-2026 10:%02d:%02d +0000\" {%d+}\r\n%s\r\n", i/60%60, i%60, len(l), l)
			if b.Len() > 1<<20 || i == jmapMessages-1 {
				if _, err := c.Write(b.Bytes()); err != nil {
					return err
				}
				b.Reset()
			}
		}
		_, err := io.WriteString(c, "a LOGOUT\r\n")
		return err
	})
	out, err := io.ReadAll(c)
	if ok := bytes.Count(out, []byte("\na OK")); err == nil && ok != jmapMessages+2 {
		err = fmt.Errorf("%d of %d commands done: %.300q", ok, jmapMessages+2, out[max(0, len(out)-300):])
	}
	return errors.Join(err, g.Wait())
}

// look finds out what the jobs ask for.
func (s *jmapServer) look() error {
	s.account = jmap.ID(imapUser)
	var boxes jmap.GetResponse[mail.Mailbox]
	account, err := s.primary()
	if err != nil {
		return err
	}
	s.account = account
	if err := s.call("Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: s.account}, &boxes); err != nil {
		return err
	}
	for _, m := range boxes.List {
		if m.Role == "inbox" {
			s.inbox = m.ID
		}
	}
	var found jmap.QueryResponse
	type query = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]
	if err := s.call("Email/query", query{AccountID: s.account, Limit: new(uint(500)), CalculateTotal: true}, &found); err != nil {
		return err
	}
	s.ids = found.IDs
	if len(s.ids) == 0 || found.Total == nil || *found.Total != jmapMessages || s.inbox == "" {
		return fmt.Errorf("%d emails found, total %v, inbox %q", len(found.IDs), found.Total, s.inbox)
	}
	return nil
}

func (s *jmapServer) primary() (jmap.ID, error) {
	r, err := http.NewRequest(http.MethodGet, strings.Replace(s.url, "/jmap/api", jmap.WellKnown, 1), nil)
	if err != nil {
		return "", err
	}
	var session jmap.Session
	b, err := s.do(r)
	if err == nil {
		err = jmap.Unmarshal(b, &session)
	}
	return session.PrimaryAccounts[jmap.CapabilityMail], err
}

func (s *jmapServer) do(r *http.Request) ([]byte, error) {
	s.auth(r)
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, b)
	}
	return b, err
}

func (s *jmapServer) post(calls string) ([]byte, error) {
	r, err := http.NewRequest(http.MethodPost, s.url, strings.NewReader(`{"using":["`+jmap.CapabilityCore+`","`+jmap.CapabilityMail+`"],"methodCalls":[`+calls+`]}`))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return s.do(r)
}

// ask makes calls, whose responses have to have a text so many times.
func (s *jmapServer) ask(calls, text string, times int) error {
	b, err := s.post(calls)
	if err == nil && bytes.Count(b, []byte(text)) != times {
		err = fmt.Errorf("%s: not %d times %s: %.500s", calls, times, text, b)
	}
	return err
}

func (s *jmapServer) call(name string, args, out any) error {
	b, err := jmap.Marshal(args)
	if err != nil {
		return err
	}
	if b, err = s.post(`["` + name + `",` + string(b) + `,"0"]`); err != nil {
		return err
	}
	var resp jmap.Response
	if err := jmap.Unmarshal(b, &resp); err != nil {
		return err
	}
	return resp.MethodResponses[0].Decode(name, out)
}

// percentile returns the one of durations below which so many percent are.
func percentile(d []time.Duration, percent int) time.Duration {
	slices.Sort(d)
	return d[min(len(d)*percent/100, len(d)-1)]
}

func pushUser(i int) string { return "u" + strconv.Itoa(i) }
