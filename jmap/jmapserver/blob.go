package jmapserver

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// serveDownload serves RFC 8620 §6.2. What comes is some stranger's data under this server's origin: it is never shown
// inline, nothing in it runs, and its type is not guessed.
func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request, user string) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), pathDownload), "/")
	if s.OpenBlob == nil || len(parts) != 3 {
		problem(w, http.StatusNotFound, "nothing is here")
		return
	}
	// The router has checked the escapes.
	name, account, blob := unescape(parts[2]), jmap.ID(unescape(parts[0])), jmap.ID(unescape(parts[1]))
	if !account.Valid() || !blob.Valid() {
		problem(w, http.StatusNotFound, "no such blob")
		return
	}
	b, err := s.OpenBlob(r.Context(), user, account, blob)
	if err != nil {
		if notThere(err) {
			problem(w, http.StatusNotFound, "no such blob")
		} else {
			s.fail(w, r, user, err)
		}
		return
	}
	defer b.Close()
	h := w.Header()
	h.Set("Content-Type", safeType(r.URL.Query().Get("type")))
	h.Set("Content-Disposition", disposition(name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, immutable, max-age=31536000")
	h.Set("ETag", `"`+string(blob)+`"`)
	writeDeadline(w, b.Size())
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(b, 0, b.Size()))
}

// notThere reports whether an error means that there is no such account or blob.
func notThere(err error) bool {
	if _, ok := errors.AsType[*jmap.SetError](err); ok {
		return true
	}
	return jmap.IsMethodError(err, jmap.AccountNotFound)
}

// safeType returns a media type that was asked for, or application/octet-stream where it is none.
func safeType(t string) string {
	mediaType, params, err := mime.ParseMediaType(t)
	if err != nil || !strings.Contains(mediaType, "/") {
		return "application/octet-stream"
	}
	if out := mime.FormatMediaType(mediaType, params); out != "" {
		return out
	}
	return "application/octet-stream"
}

// disposition returns a Content-Disposition (RFC 6266) that says attachment, with the file name where it has one.
func disposition(name string) string {
	name = strings.Map(func(c rune) rune {
		if c < 0x20 || c == 0x7f || c == '/' || c == '\\' {
			return '_'
		}
		return c
	}, strings.ToValidUTF8(name, "_"))
	if out := mime.FormatMediaType("attachment", map[string]string{"filename": name}); name != "" && out != "" {
		return out
	}
	return "attachment"
}

// An uploaded is the answer to an upload (RFC 8620 §6.1).
type uploaded struct {
	AccountID jmap.ID `json:"accountId"`
	BlobID    jmap.ID `json:"blobId"`
	Type      string  `json:"type"`
	Size      int64   `json:"size"`
}

// serveUpload serves RFC 8620 §6.1.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request, user string) {
	account := jmap.ID(strings.TrimPrefix(r.URL.Path, pathUpload))
	if s.Upload == nil || !account.Valid() {
		problem(w, http.StatusNotFound, "nothing is here")
		return
	}
	limits := s.limits()
	k := busyKey{user: user, upload: true}
	if !s.enter(k, limits.MaxConcurrentUpload) {
		tooMuch(w, http.StatusTooManyRequests, "maxConcurrentUpload", "too many uploads at a time")
		return
	}
	defer s.leave(k)
	if r.ContentLength > limits.MaxSizeUpload {
		tooMuch(w, http.StatusRequestEntityTooLarge, "maxSizeUpload", "the upload is too large")
		return
	}
	readDeadline(w, time.Now().Add(bodyTimeout+time.Duration(limits.MaxSizeUpload/minRate)*time.Second))
	blob, size, err := s.Upload(r.Context(), user, account, http.MaxBytesReader(w, r.Body, limits.MaxSizeUpload))
	readDeadline(w, time.Time{})
	if err != nil {
		_, large := errors.AsType[*http.MaxBytesError](err)
		switch {
		case large:
			tooMuch(w, http.StatusRequestEntityTooLarge, "maxSizeUpload", "the upload is too large")
		case notThere(err):
			problem(w, http.StatusNotFound, "no such account")
		default:
			s.fail(w, r, user, err)
		}
		return
	}
	writeJSON(w, http.StatusCreated, uploaded{account, blob, safeType(r.Header.Get("Content-Type")), size})
}

// unescape undoes the percent-encoding of one segment of a path that was parsed already.
func unescape(s string) string {
	out, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return out
}
