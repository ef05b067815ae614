package mailserver

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxDataSources is how many pieces a blob is made of at most.
const maxDataSources = 100

// A blobCapability is what an account can do (RFC 9404 §3.1).
type blobCapability struct {
	MaxSizeBlobSet            int64    `json:"maxSizeBlobSet"`
	MaxDataSources            int      `json:"maxDataSources"`
	SupportedTypeNames        []string `json:"supportedTypeNames"`
	SupportedDigestAlgorithms []string `json:"supportedDigestAlgorithms"`
}

func blobCapabilities() blobCapability {
	return blobCapability{mail.DefaultMaxCompose, maxDataSources, []string{"Mailbox", "Thread", "Email"}, []string{"sha-256", "sha"}}
}

// digest returns a hash by its name in lower case, nil for an unknown one. SHA-1 is for those who have such digests.
func digest(algorithm string) hash.Hash {
	switch algorithm {
	case "sha-256":
		return sha256.New()
	case "sha":
		return sha1.New()
	}
	return nil
}

// A blobUploadRequest is the arguments of Blob/upload (RFC 9404 §4.1).
type blobUploadRequest struct {
	AccountID jmap.ID                `json:"accountId"`
	Create    map[jmap.ID]blobUpload `json:"create"`
}

type blobUpload struct {
	Data []dataSource    `json:"data"`
	Type jmap.NullString `json:"type"`
}

// A dataSource is text, base64, or a range of a blob.
type dataSource struct {
	Text   *string `json:"data:asText"`
	Base64 *string `json:"data:asBase64"`
	BlobID jmap.ID `json:"blobId"`
	Offset *uint   `json:"offset"`
	Length *uint   `json:"length"`
}

type blobUploadResponse struct {
	AccountID  jmap.ID                    `json:"accountId"`
	Created    map[jmap.ID]blobCreated    `json:"created"`
	NotCreated map[jmap.ID]*jmap.SetError `json:"notCreated"`
}

type blobCreated struct {
	ID   jmap.ID         `json:"id"`
	Type jmap.NullString `json:"type"`
	Size int64           `json:"size"`
}

// blobUpload is Blob/upload. Blobs are made in the order of their creation ids, and one may be a source of a later one.
func (s *Service) blobUpload(ctx context.Context, c *jmapserver.Call, r *blobUploadRequest) (*blobUploadResponse, error) {
	if err := checkSet(c, len(r.Create)); err != nil {
		return nil, err
	}
	a, err := s.writable(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	if a.Uploads == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "the account takes no uploads")
	}
	out := &blobUploadResponse{r.AccountID, make(map[jmap.ID]blobCreated), make(map[jmap.ID]*jmap.SetError)}
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		u := r.Create[creation]
		id, size, err := concatenate(ctx, c, a, u.Data)
		if e, ok := errors.AsType[*jmap.SetError](err); ok {
			out.NotCreated[creation] = e
			continue
		} else if err != nil {
			return nil, err
		}
		out.Created[creation] = blobCreated{id, u.Type, size}
		c.Created(creation, id)
	}
	return out, nil
}

// concatenate makes a blob of its sources.
func concatenate(ctx context.Context, c *jmapserver.Call, a *mail.Account, sources []dataSource) (jmap.ID, int64, error) {
	if sources == nil || len(sources) > maxDataSources {
		return "", 0, invalid("no data, or too many sources of it", "data")
	}
	most := min(int64(mail.DefaultMaxCompose), c.Limits.MaxSizeUpload)
	size := int64(0)
	var parts []io.Reader
	for _, d := range sources {
		r, blob, err := d.open(ctx, c, a)
		if err != nil {
			return "", 0, err
		}
		if blob != nil {
			defer blob.Close()
		}
		if size += r.Size(); size > most {
			return "", 0, &jmap.SetError{Type: jmap.SetTooLarge}
		}
		parts = append(parts, r)
	}
	return a.Uploads.Upload(ctx, io.MultiReader(parts...))
}

// A sized reader is a bytes.Reader or an io.SectionReader.
type sized interface {
	io.Reader
	Size() int64
}

// open returns the octets of a source, and the blob that they are of, if any.
func (d *dataSource) open(ctx context.Context, c *jmapserver.Call, a *mail.Account) (sized, jmap.Blob, error) {
	given := 0
	for _, is := range []bool{d.Text != nil, d.Base64 != nil, d.BlobID != ""} {
		if is {
			given++
		}
	}
	switch {
	case given != 1 || d.BlobID == "" && (d.Offset != nil || d.Length != nil):
		return nil, nil, invalid("exactly one of data:asText, data:asBase64 and blobId", "data")
	case d.Text != nil:
		return strings.NewReader(*d.Text), nil, nil
	case d.Base64 != nil:
		b, err := base64.StdEncoding.Strict().DecodeString(*d.Base64)
		if err != nil || strings.ContainsAny(*d.Base64, "\r\n") {
			return nil, nil, invalid("not base64", "data")
		}
		return bytes.NewReader(b), nil, nil
	}
	id, ok := c.Resolve(d.BlobID)
	if !ok {
		return nil, nil, &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{d.BlobID}}
	}
	blob, err := openBlob(ctx, a, id)
	if err != nil {
		return nil, nil, err
	}
	from, n, whole := within(blob.Size(), d.Offset, d.Length)
	if !whole {
		blob.Close()
		return nil, nil, invalid("the range is not within the blob", "data")
	}
	return io.NewSectionReader(blob, from, n), blob, nil
}

// within returns where a range begins within size octets, and how many of its octets there are; whole is false where
// some are not.
func within(size int64, offset, length *uint) (from, n int64, whole bool) {
	whole = true
	if offset != nil {
		if uint64(*offset) > uint64(size) {
			return size, 0, false
		}
		from = int64(*offset)
	}
	n = size - from
	if length != nil {
		if whole = uint64(*length) <= uint64(n); whole {
			n = int64(*length)
		}
	}
	return from, n, whole
}

// A blobGetRequest is the arguments of Blob/get (RFC 9404 §4.2).
type blobGetRequest struct {
	AccountID  jmap.ID   `json:"accountId"`
	IDs        []jmap.ID `json:"ids"`
	Properties []string  `json:"properties"`
	Offset     *uint     `json:"offset"`
	Length     *uint     `json:"length"`
}

type blobGetResponse struct {
	AccountID jmap.ID    `json:"accountId"`
	List      []jmap.Raw `json:"list"`
	NotFound  []jmap.ID  `json:"notFound"`
}

// blobGet is Blob/get.
func (s *Service) blobGet(ctx context.Context, c *jmapserver.Call, r *blobGetRequest) (*blobGetResponse, error) {
	for i, id := range r.IDs {
		if real, ok := c.Resolve(id); ok {
			r.IDs[i] = real
		}
	}
	if r.IDs == nil {
		return nil, jmap.Errorf(jmap.RequestTooLarge, "blobs are asked for by their ids")
	}
	if err := jmapserver.CheckIDs(c, &r.IDs); err != nil {
		return nil, err
	}
	if r.Properties == nil {
		r.Properties = []string{"data", "size"}
	}
	for _, p := range r.Properties {
		algorithm, ok := strings.CutPrefix(p, "digest:")
		if !slices.Contains([]string{"id", "data", "data:asText", "data:asBase64", "size"}, p) && (!ok || digest(algorithm) == nil) {
			return nil, jmap.Errorf(jmap.InvalidArguments, "unknown property %.80q", p)
		}
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	out := &blobGetResponse{AccountID: r.AccountID, List: []jmap.Raw{}}
	budget := int64(maxValues)
	for _, id := range r.IDs {
		one, err := r.one(ctx, a, id, &budget)
		if _, ok := errors.AsType[*jmap.SetError](err); ok {
			out.NotFound = append(out.NotFound, id)
			continue
		} else if err != nil {
			return nil, err
		}
		out.List = append(out.List, one)
	}
	return out, nil
}

// one returns what is wanted of one blob.
func (r *blobGetRequest) one(ctx context.Context, a *mail.Account, id jmap.ID, budget *int64) (jmap.Raw, error) {
	b, err := openBlob(ctx, a, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	from, n, whole := within(b.Size(), r.Offset, r.Length)
	out := map[string]any{"id": id}
	if !whole {
		out["isTruncated"] = true
	}
	var data []byte
	if slices.ContainsFunc(r.Properties, func(p string) bool { return strings.HasPrefix(p, "data") }) {
		if *budget -= n; *budget < 0 {
			return nil, jmap.Errorf(jmap.RequestTooLarge, "the blobs are larger than %d octets together", maxValues)
		}
		data = make([]byte, n)
		if _, err := io.ReadFull(io.NewSectionReader(b, from, n), data); err != nil {
			return nil, err
		}
	}
	for _, p := range r.Properties {
		switch p {
		case "size":
			out[p] = b.Size()
		case "data:asBase64":
			out[p] = base64.StdEncoding.EncodeToString(data)
		case "data", "data:asText":
			switch {
			case utf8.Valid(data):
				out["data:asText"] = string(data)
				continue
			case p == "data":
				out["data:asBase64"] = base64.StdEncoding.EncodeToString(data)
			default:
				out["data:asText"] = nil
			}
			out["isEncodingProblem"] = true
		default:
			algorithm, ok := strings.CutPrefix(p, "digest:")
			if !ok {
				continue
			}
			h := digest(algorithm)
			if _, err := io.Copy(h, io.NewSectionReader(b, from, n)); err != nil {
				return nil, err
			}
			out[p] = base64.StdEncoding.EncodeToString(h.Sum(nil))
		}
	}
	return jmap.Marshal(out)
}

// A blobLookupRequest is the arguments of Blob/lookup (RFC 9404 §4.3).
type blobLookupRequest struct {
	AccountID jmap.ID   `json:"accountId"`
	TypeNames []string  `json:"typeNames"`
	IDs       []jmap.ID `json:"ids"`
}

type blobLookupResponse struct {
	AccountID jmap.ID    `json:"accountId"`
	List      []blobInfo `json:"list"`
}

type blobInfo struct {
	ID         jmap.ID              `json:"id"`
	MatchedIDs map[string][]jmap.ID `json:"matchedIds"`
}

// blobLookup is Blob/lookup: among all records of the account.
func (s *Service) blobLookup(ctx context.Context, c *jmapserver.Call, r *blobLookupRequest) (*blobLookupResponse, error) {
	if err := jmapserver.CheckIDs(c, &r.IDs); err != nil {
		return nil, err
	}
	for _, t := range r.TypeNames {
		if !slices.Contains(blobCapabilities().SupportedTypeNames, t) || !slices.Contains(c.Using, jmap.CapabilityMail) {
			return nil, jmap.Errorf(jmap.UnknownDataType, "%.80q", t)
		}
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	all, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: r.AccountID})
	if err != nil {
		return nil, err
	}
	out := &blobLookupResponse{AccountID: r.AccountID, List: make([]blobInfo, 0, len(r.IDs))}
	for _, id := range r.IDs {
		whole := id
		if of, _, ok := mail.PartBlob(id); ok {
			if b, err := openBlob(ctx, a, id); err == nil {
				b.Close()
				whole = of
			}
		}
		found := make(map[string][]jmap.ID)
		for i := range all.List {
			if rec := &all.List[i]; rec.BlobID == whole {
				found["Email"] = append(found["Email"], rec.ID)
				found["Thread"] = append(found["Thread"], rec.ThreadID)
				found["Mailbox"] = append(found["Mailbox"], rec.MailboxIDs...)
			}
		}
		info := blobInfo{id, make(map[string][]jmap.ID)}
		for _, t := range r.TypeNames {
			info.MatchedIDs[t] = compact(append([]jmap.ID{}, found[t]...))
		}
		out.List = append(out.List, info)
	}
	return out, nil
}
