package suites

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A DovecotServer is a Dovecot of the test's own on loopback, with one user whose mail is empty at first.
type DovecotServer struct {
	IMAP, POP3     string // addresses; both offer STARTTLS or STLS, with a certificate for 127.0.0.1
	User, Password string
	Roots          *x509.CertPool // vouch for the certificate

	inbox string // a Maildir
	owner owner
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

// Dovecot starts the Debian packages dovecot-imapd and dovecot-pop3d with a configuration in a temporary folder, and
// stops it when the test ends. It skips where they are absent.
func Dovecot(t testing.TB) *DovecotServer {
	t.Helper()
	program := Program(t, "dovecot", "dovecot-imapd and dovecot-pop3d")
	for _, p := range []string{"imap", "pop3"} {
		if _, err := os.Stat("/usr/lib/dovecot/" + p); err != nil {
			missing(t, p+" of Dovecot is absent: install the Debian package dovecot-"+p+"d")
		}
	}
	dir, err := os.MkdirTemp("", "dovecot") // not t.TempDir: the paths of Unix sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &DovecotServer{IMAP: freeAddr(t), POP3: freeAddr(t), User: "bob", Password: "s p", Roots: x509.NewCertPool()}
	writeCertificate(t, dir, s.Roots)
	config := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(config, []byte(dovecotConfig(t, dir, s)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-F", "-c", config)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if listens(s.POP3) && listens(s.IMAP) {
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("dovecot ended: %v\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("dovecot does not listen")
		}
	}
}

// dovecotConfig is the least that Dovecot 2.3 needs to run from a folder of its own.
func dovecotConfig(t testing.TB, dir string, s *DovecotServer) string {
	t.Helper()
	internal, login, mailUser := "dovecot", "dovenull", "nobody"
	if me, err := user.Current(); err == nil && me.Uid != "0" {
		internal, login, mailUser = me.Username, me.Username, me.Username
	}
	home := filepath.Join(dir, "mail")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	owner, err := user.Lookup(mailUser)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(owner.Uid+" "+owner.Gid, &s.owner.uid, &s.owner.gid); err != nil {
		t.Fatal(err)
	}
	s.inbox = filepath.Join(home, s.User)
	if err := s.owner.give(home); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	passwd := filepath.Join(dir, "passwd")
	if err := os.WriteFile(passwd, []byte(s.User+":{PLAIN}"+s.Password+"\n"), 0o644); err != nil {
		t.Fatal(err)
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
disable_plaintext_auth = yes
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
mail_fsync = never
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
`, dir, internal, login, owner.Uid, owner.Gid, imapPort, pop3Port)
}

func listens(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func freeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// writeCertificate writes cert.pem and key.pem and adds the certificate to roots.
func writeCertificate(t testing.TB, dir string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(cert)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
