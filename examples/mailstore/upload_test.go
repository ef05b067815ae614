package mailstore

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// An upload of 100 MB goes to the disk as it comes: all that is allocated for it, kept or not, is less than 1 MB. So is
// what its download takes.
func TestLargeUpload(t *testing.T) {
	const size = 100_000_000
	s := openDir(t, t.TempDir(), Options{MaxUpload: size})
	user(t, s, "alice")
	h := mailserver.NewServer(s, func(*http.Request) (string, error) { return "alice", nil })
	limits := jmap.DefaultLimits()
	limits.MaxSizeUpload = size
	h.Limits = &limits
	srv := httptest.NewServer(h)
	defer srv.Close()
	account := jmapUser(t, s, "alice").ID

	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = byte(i * i >> 7)
	}
	// ask sends a request with a body of blocks, less than it says if need be. It returns the status and the body of the
	// response and what was allocated for all of it.
	ask := func(request string, said, length int, sum io.Writer) (status int, body []byte, allocated uint64) {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", request, srv.Listener.Addr(), said)
		for length > 0 {
			n, err := conn.Write(block[:min(length, len(block))])
			if err != nil {
				t.Fatal(err)
			}
			length -= n
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if sum != nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{sum}, resp.Body, block)
		} else {
			body, err = io.ReadAll(resp.Body)
		}
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return resp.StatusCode, body, after.TotalAlloc - before.TotalAlloc
	}
	want := sha256.New()
	for left := size; left > 0; left -= len(block) {
		want.Write(block[:min(left, len(block))])
	}
	ask("POST /jmap/upload/"+string(account), 10, 10, nil) // what happens once
	status, body, allocated := ask("POST /jmap/upload/"+string(account), size, size, nil)
	var up struct {
		BlobID jmap.ID `json:"blobId"`
		Size   int64   `json:"size"`
	}
	if err := jmap.Unmarshal(body, &up); err != nil || status != 201 || up.Size != size {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	t.Logf("%d octets allocated for the upload", allocated)
	if allocated > 1e6 {
		t.Error("more than 1 MB")
	}
	got := sha256.New()
	status, _, allocated = ask("GET /jmap/download/"+string(account)+"/"+string(up.BlobID)+"/x", 0, 0, got)
	if status != 200 || string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("download: status %d, or other bytes", status)
	}
	if allocated > 1e6 {
		t.Errorf("the download took %d octets", allocated)
	}
	if status, body, _ := ask("POST /jmap/upload/"+string(account), size+1, 0, nil); status != 413 {
		t.Errorf("too much: %d %s", status, body)
	}
}
