package suites

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A CyrusServer is a Cyrus of the test's own on loopback. Any password lets any user in, over Basic and LOGIN; who logs
// in over IMAP for the first time gets an INBOX, Sent and Trash. JMAP is at URL, without a WebSocket.
type CyrusServer struct {
	IMAP string // an address
	URL  string // of JMAP

	dir   string
	http  string
	sasl  net.Listener
	wg    sync.WaitGroup
	cmd   *exec.Cmd
	ended chan error
}

const cyrusBin = "usr/lib/cyrus/bin"

// Cyrus starts a Cyrus and stops it when the test ends. It skips where the Debian packages are not unpacked.
func Cyrus(t testing.TB) *CyrusServer {
	t.Helper()
	if _, err := unpacked("cyrus", cyrusBin+"/httpd"); err != nil {
		missing(t, err.Error())
	}
	s, err := StartCyrus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// FindCyrus says where Cyrus is to come from, where it is absent.
func FindCyrus() error {
	_, err := unpacked("cyrus", cyrusBin+"/httpd")
	return err
}

// StartCyrus starts a Cyrus with a configuration in a temporary folder.
func StartCyrus() (*CyrusServer, error) {
	root, err := unpacked("cyrus", cyrusBin+"/httpd")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cyrus") // short: it is the beginning of the paths of Unix sockets
	if err != nil {
		return nil, err
	}
	s := &CyrusServer{dir: dir}
	err = s.start(root)
	if err == nil {
		err = s.await()
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		s.Close()
		return nil, fmt.Errorf("cyrus: %w\n%s", err, log)
	}
	return s, nil
}

func (s *CyrusServer) start(root string) error {
	if err := freeAddrs(&s.IMAP, &s.http); err != nil {
		return err
	}
	s.URL = "http://" + s.http + "/jmap/"
	me, group := "nobody", "nogroup"
	if os.Getuid() != 0 {
		me, group = os.Getenv("USER"), ""
	}
	if err := s.configure(root, me, group); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		if out, err := exec.Command("chown", "-R", me+":"+group, s.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("chown: %w: %s", err, out)
		}
	}
	var err error
	if s.sasl, err = net.Listen("unix", filepath.Join(s.dir, "mux")); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(s.dir, "mux"), 0o777); err != nil {
		return err
	}
	s.wg.Go(s.letIn)
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(filepath.Join(root, cyrusBin, "master"), "-C", filepath.Join(s.dir, "imapd.conf"), "-M", filepath.Join(s.dir, "cyrus.conf"),
		"-p", filepath.Join(s.dir, "pid"), "-D")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Env = append(os.Environ(), "CYRUS_USER="+me,
		"LD_LIBRARY_PATH="+filepath.Join(root, "usr/lib/x86_64-linux-gnu")+":"+filepath.Join(root, "lib/x86_64-linux-gnu"))
	return s.cmd.Start()
}

// configure writes the least that Cyrus 3.6 needs to serve JMAP from a folder of its own.
func (s *CyrusServer) configure(root, user, group string) error {
	conf := fmt.Sprintf(`configdirectory: %[1]s/conf
partition-default: %[1]s/spool
defaultpartition: default
cyrus_user: %[2]s
servername: localhost
httpmodules: jmap
conversations: yes
conversations_db: twoskip
allowplaintext: yes
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: %[1]s/mux
sasl_mech_list: PLAIN
smtp_backend: host
smtp_host: 127.0.0.1:9
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Sent | Trash
unixhierarchysep: yes
altnamespace: yes
`, s.dir, user)
	if group != "" {
		conf += "cyrus_group: " + group + "\n"
	}
	command := func(name string) string {
		return filepath.Join(root, cyrusBin, name) + " -C " + filepath.Join(s.dir, "imapd.conf")
	}
	services := fmt.Sprintf(`START {
  recover cmd="%s -r"
}
SERVICES {
  imap cmd="%s" listen="%s" proto=tcp4 prefork=0
  http cmd="%s" listen="%s" proto=tcp4 prefork=0
}
`, command("ctl_cyrusdb"), command("imapd"), s.IMAP, command("httpd"), s.http)
	return errors.Join(os.Chmod(s.dir, 0o755), os.Mkdir(filepath.Join(s.dir, "conf"), 0o755), os.Mkdir(filepath.Join(s.dir, "spool"), 0o755),
		os.WriteFile(filepath.Join(s.dir, "imapd.conf"), []byte(conf), 0o644), os.WriteFile(filepath.Join(s.dir, "cyrus.conf"), []byte(services), 0o644))
}

// letIn says yes to whoever wants to log in, in the place of saslauthd: a request is four counted strings, and so is the
// answer.
func (s *CyrusServer) letIn() {
	for {
		c, err := s.sasl.Accept()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		for range 4 {
			var n uint16
			if binary.Read(c, binary.BigEndian, &n) == nil {
				_, _ = io.CopyN(io.Discard, c, int64(n))
			}
		}
		_, _ = c.Write([]byte("\x00\x02OK"))
		_ = c.Close()
	}
}

// await returns when both services answer.
func (s *CyrusServer) await() error {
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if resp, err := http.Get(s.URL); err == nil { // 401
			_ = resp.Body.Close()
			if listens(s.IMAP) {
				return nil
			}
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("it ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("it does not listen")
}

// Process returns the id of the master process, whose children do the work.
func (s *CyrusServer) Process() int { return s.cmd.Process.Pid }

// Close stops it and removes its mail.
func (s *CyrusServer) Close() {
	if s.ended != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it ends its children
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.ended
		}
	}
	if s.sasl != nil {
		_ = s.sasl.Close()
		s.wg.Wait()
	}
	for range 50 { // children may write a last file
		if os.RemoveAll(s.dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Deliver creates the mailboxes of a user and appends messages with CRLF line ends to the INBOX, in this order.
func (s *CyrusServer) Deliver(user string, messages ...string) error {
	c, err := net.Dial("tcp", s.IMAP)
	if err != nil {
		return err
	}
	defer c.Close()
	var b strings.Builder
	b.WriteString("a LOGIN " + user + " x\r\n")
	for _, m := range messages {
		fmt.Fprintf(&b, "a APPEND INBOX {%d+}\r\n%s\r\n", len(m), m)
	}
	b.WriteString("a LOGOUT\r\n")
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _, _ = io.WriteString(c, b.String()) }) // an error is the reader's too
	out, err := io.ReadAll(c)
	if ok := strings.Count("\r\n"+string(out), "\r\na OK"); err == nil && ok != len(messages)+2 {
		err = fmt.Errorf("cyrus: %d of %d commands done: %.500s", ok, len(messages)+2, out[max(len(out)-500, 0):])
	}
	return err
}

// Fill puts messages with CRLF line ends into the INBOX of a new user, far faster than Deliver: as files, from which
// Cyrus then makes its index.
func (s *CyrusServer) Fill(user string, n int, message func(i int) string) error {
	if err := s.Deliver(user, message(0)); err != nil {
		return err
	}
	first := ""
	err := filepath.WalkDir(filepath.Join(s.dir, "spool"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "1." {
			first = path
		}
		return err
	})
	if err != nil || first == "" {
		return fmt.Errorf("cyrus: no message in its spool: %w", err)
	}
	info, err := os.Stat(first)
	if err != nil {
		return err
	}
	for i := 1; i < n; i++ {
		name := filepath.Join(filepath.Dir(first), strconv.Itoa(i+1)+".")
		if err := os.WriteFile(name, []byte(message(i)), 0o600); err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Getuid() == 0 {
			if err := os.Chown(name, int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
	}
	for _, args := range [][]string{{"reconstruct", "-G", "-s", "user/" + user}, {"ctl_conversationsdb", "-z", user}, {"ctl_conversationsdb", "-b", user}} {
		cmd := exec.Command(filepath.Join(filepath.Dir(s.cmd.Path), args[0]), append([]string{"-C", filepath.Join(s.dir, "imapd.conf")}, args[1:]...)...)
		cmd.Env = s.cmd.Env
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%q: %w: %.500s", args, err, out)
		}
	}
	return nil
}
