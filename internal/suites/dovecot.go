package suites

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A DovecotServer is a Dovecot of the test's own on loopback, with one user whose mail is empty at first.
type DovecotServer struct {
	IMAP, POP3     string // addresses; both offer STARTTLS or STLS, with a certificate for 127.0.0.1
	User, Password string
	Roots          *x509.CertPool // vouch for the certificate

	dir   string
	inbox string // a Maildir
	owner owner
	cmd   *exec.Cmd
	ended chan error
}

type owner struct{ uid, gid int }

// Deliver puts messages with CRLF line ends into the INBOX, in this order.
func (s *DovecotServer) Deliver(t testing.TB, messages ...string) {
	t.Helper()
	for _, dir := range []string{"", "new", "cur", "tmp"} {
		dir = filepath.Join(s.inbox, dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.owner.give(dir); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range messages {
		name := filepath.Join(s.inbox, "new", fmt.Sprintf("%d.%06d.test", time.Now().Unix(), i))
		if err := os.WriteFile(name, []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.owner.give(name); err != nil {
			t.Fatal(err)
		}
	}
}

// give makes a file the owner's, where that is somebody else.
func (o owner) give(name string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Chown(name, o.uid, o.gid)
}

// Dovecot starts a Dovecot and stops it when the test ends. It skips where the Debian packages dovecot-imapd and
// dovecot-pop3d are absent.
func Dovecot(t testing.TB) *DovecotServer {
	t.Helper()
	return runDovecot(t, DovecotOptions{})
}

// DovecotSharing is Dovecot with DovecotOptions.Sharing.
func DovecotSharing(t testing.TB) *DovecotServer {
	t.Helper()
	return runDovecot(t, DovecotOptions{Sharing: true})
}

func runDovecot(t testing.TB, o DovecotOptions) *DovecotServer {
	t.Helper()
	Program(t, "dovecot", "dovecot-imapd and dovecot-pop3d")
	for _, p := range []string{"imap", "pop3"} {
		if _, err := os.Stat("/usr/lib/dovecot/" + p); err != nil {
			missing(t, p+" of Dovecot is absent: install the Debian package dovecot-"+p+"d")
		}
	}
	s, err := StartDovecot(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// DovecotOptions say what is not as tests want it.
type DovecotOptions struct {
	Sync      bool // with fsync of everything, not only of messages
	Plaintext bool // LOGIN without TLS
	Sharing   bool // access control lists, and another user "alice" with the same password, whose mailboxes are below "Other Users/alice/"
}

// StartDovecot starts a Dovecot with a configuration in a temporary folder.
func StartDovecot(o DovecotOptions) (*DovecotServer, error) {
	program, err := find("dovecot")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dovecot") // short: it is the beginning of the paths of Unix sockets
	if err != nil {
		return nil, err
	}
	s := &DovecotServer{User: "bob", Password: "s p", Roots: x509.NewCertPool(), dir: dir}
	err = s.start(program, o)
	if err == nil {
		err = s.await()
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		s.Close()
		return nil, fmt.Errorf("dovecot: %w\n%s", err, log)
	}
	return s, nil
}

func (s *DovecotServer) start(program string, o DovecotOptions) error {
	if err := freeAddrs(&s.IMAP, &s.POP3); err != nil {
		return err
	}
	text, err := s.config(o)
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, "dovecot.conf")
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), writeCertificate(s.dir, s.Roots)); err != nil {
		return err
	}
	s.cmd = exec.Command(program, "-F", "-c", config)
	return s.cmd.Start()
}

// Restart ends it, with all its connections and starts it anew with its mail and addresses.
func (s *DovecotServer) Restart() error {
	s.stop()
	s.cmd = exec.Command(s.cmd.Path, s.cmd.Args[1:]...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.await()
}

// await returns when both ports are open.
func (s *DovecotServer) await() error {
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if listens(s.POP3) && listens(s.IMAP) {
			return nil
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
func (s *DovecotServer) Process() int { return s.cmd.Process.Pid }

// Close stops it and removes its mail.
func (s *DovecotServer) Close() {
	if s.ended != nil {
		s.stop()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *DovecotServer) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// config is the least that Dovecot 2.3 needs to run from a folder of its own.
func (s *DovecotServer) config(o DovecotOptions) (string, error) {
	dir := s.dir
	internal, login, mailUser := "dovecot", "dovenull", "nobody"
	if me, err := user.Current(); err == nil && me.Uid != "0" {
		internal, login, mailUser = me.Username, me.Username, me.Username
	}
	home := filepath.Join(dir, "mail")
	owner, err := user.Lookup(mailUser)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Sscan(owner.Uid+" "+owner.Gid, &s.owner.uid, &s.owner.gid); err != nil {
		return "", err
	}
	s.inbox = filepath.Join(home, s.User)
	err = errors.Join(os.Mkdir(home, 0o700), s.owner.give(home), os.Chmod(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "passwd"), []byte(s.User+":{PLAIN}"+s.Password+"\nalice:{PLAIN}"+s.Password+"\n"), 0o644))
	if err != nil {
		return "", err
	}
	fsync, tlsOnly := "never", "yes"
	if o.Sync {
		fsync = "always"
	}
	if o.Plaintext {
		tlsOnly = "no"
	}
	sharing := ""
	if o.Sharing {
		sharing = strings.ReplaceAll(`mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile::cache_secs=0
  acl_shared_dict = file:DIR/mail/shared
}
namespace others {
  type = shared
  separator = /
  prefix = Other Users/%%u/
  location = maildir:DIR/mail/%%u
  subscriptions = no
  list = children
}
`, "DIR", dir)
	}
	_, imapPort, _ := net.SplitHostPort(s.IMAP)
	_, pop3Port, _ := net.SplitHostPort(s.POP3)
	return fmt.Sprintf(`base_dir = %[1]s/run
log_path = %[1]s/log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
disable_plaintext_auth = %[9]s
login_trusted_networks =
auth_mechanisms = plain login
auth_failure_delay = 0
default_internal_user = %[2]s
default_internal_group = %[2]s
default_login_user = %[3]s
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:%[1]s/mail/%%u
mail_uid = %[4]s
mail_gid = %[5]s
mail_fsync = %[8]s
mail_max_userip_connections = 100
passdb {
  driver = passwd-file
  args = %[1]s/passwd
}
userdb {
  driver = static
  args = home=%[1]s/mail/%%u uid=%[4]s gid=%[5]s
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[6]s
  }
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = %[7]s
  }
  inet_listener pop3s {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`, dir, internal, login, owner.Uid, owner.Gid, imapPort, pop3Port, fsync, tlsOnly) + sharing, nil
}

// freeAddrs sets addresses that nobody listens on.
func freeAddrs(addrs ...*string) error {
	for _, addr := range addrs {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close() // all are taken before one is given back
		*addr = ln.Addr().String()
	}
	return nil
}

func listens(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// writeCertificate writes cert.pem and key.pem and adds the certificate to roots.
func writeCertificate(dir string, roots *x509.CertPool) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	roots.AddCert(cert)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}
