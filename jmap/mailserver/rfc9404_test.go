package mailserver_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
)

// RFC 9404 §4.1.1, §4.2.2 and §4.1.2.
func TestBlobMethods(t *testing.T) {
	h := newServer(newStore())
	const odd = "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wZWQgb3ZlciB0aGUggYEgZG9nLg=="
	expect(t, h, `[["Blob/upload",{"accountId":"u1","create":{"1":{"data":[{"data:asBase64":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQMAAAAl21bKAAAAA1BMVEX/AAAZ4gk3AAAAAXRSTlN/gFy0ywAAAApJREFUeJxjYgAAAAYAAzY3fKgAAAAASUVORK5CYII="}],"type":"image/png"}}},"R1"]]`,
		`[["Blob/upload",{"accountId":"u1","created":{"1":{"id":"…","type":"image/png","size":95}},"notCreated":{}},"R1"]]`)
	expect(t, h, `[["Blob/upload",{"accountId":"u1","create":{"b1":{"data":[{"data:asBase64":"`+odd+`"}]},"b2":{"data":[{"data:asText":"hello world"}],"type":"text/plain"}}},"S1"],
		["Blob/get",{"accountId":"u1","ids":["#b1","#b2"]},"G1"],["Blob/get",{"accountId":"u1","ids":["#b1","#b2"],"properties":["data:asText","size"]},"G2"],
		["Blob/get",{"accountId":"u1","ids":["#b1","#b2"],"properties":["data:asBase64","size"]},"G3"],["Blob/get",{"accountId":"u1","offset":0,"length":5,"ids":["#b1","#b2"]},"G4"],
		["Blob/get",{"accountId":"u1","offset":20,"length":100,"ids":["#b1","#b2"]},"G5"]]`,
		`[["Blob/upload",{…"created":{"b1":{"id":"…","type":null,"size":43},"b2":{"id":"…","type":"text/plain","size":11}},…},"S1"],`+
			`["Blob/get",{"accountId":"u1","list":[{"data:asBase64":"`+odd+`","id":"…","isEncodingProblem":true,"size":43},{"data:asText":"hello world","id":"…","size":11}],"notFound":[]},"G1"],`+
			`["Blob/get",{…[{"data:asText":null,"id":"…","isEncodingProblem":true,"size":43},{"data:asText":"hello world","id":"…","size":11}]…},"G2"],`+
			`["Blob/get",{…[{"data:asBase64":"`+odd+`","id":"…","size":43},{"data:asBase64":"aGVsbG8gd29ybGQ=","id":"…","size":11}]…},"G3"],`+
			`["Blob/get",{…[{"data:asText":"The q","id":"…","size":43},{"data:asText":"hello","id":"…","size":11}]…},"G4"],`+
			`["Blob/get",{…[{"data:asBase64":"anVtcGVkIG92ZXIgdGhlIIGBIGRvZy4=","id":"…","isEncodingProblem":true,"isTruncated":true,"size":43},{"data:asText":"","id":"…","isTruncated":true,"size":11}]…},"G5"]]`)
	// Pieces: the second blob has a range of the first.
	expect(t, h, `[["Blob/upload",{"accountId":"u1","create":{"a":{"data":[{"data:asText":"The quick brown fox"}]},"b":{"data":[{"blobId":"#a","offset":4,"length":6},{"data:asText":""},{"data:asBase64":"ISE="},{"blobId":"#a","offset":16}]}}},"0"],
		["Blob/get",{"accountId":"u1","ids":["#b"],"properties":["data","digest:sha-256","digest:sha"]},"1"],["Blob/get",{"accountId":"u1","ids":["#b","nope"],"properties":["digest:sha"],"length":0},"2"]]`,
		`[["Blob/upload",{…"size":11}},"notCreated":{}},"0"],["Blob/get",{…"list":[{"data:asText":"quick !!fox","digest:sha":"…","digest:sha-256":"`+"…"+`=","id":"…"}],…},"1"],`+
			`["Blob/get",{…[{"digest:sha":"2jmj7l5rSw0yVb/vlWAYkK/YBwk=","id":"…"}],"notFound":["nope"]},"2"]]`)
	for source, want := range map[string]string{
		`{}`: `"type":"invalidProperties"`,
		`{"data:asText":"x","data:asBase64":"eA=="}`:                        `"type":"invalidProperties"`,
		`{"data:asText":"x","offset":0}`:                                    `"type":"invalidProperties"`,
		`{"data:asBase64":"eA="}`:                                           `"type":"invalidProperties"`,
		`{"data:asBase64":"e\nA=="}`:                                        `"type":"invalidProperties"`,
		`{"data:asBase64":"eB=="}`:                                          `"type":"invalidProperties"`,
		`{"blobId":"nope"}`:                                                 `"type":"blobNotFound","notFound":["nope"]`,
		`{"blobId":"#nope"}`:                                                `"type":"blobNotFound","notFound":["#nope"]`,
		`{"blobId":"#a","offset":2}`:                                        `"type":"invalidProperties"`,
		`{"blobId":"#a","length":2}`:                                        `"type":"invalidProperties"`,
		strings.Repeat(`{"data:asText":"x"},`, 100) + `{"data:asText":"x"}`: `"type":"invalidProperties"`,
	} {
		expect(t, h, `[["Blob/upload",{"accountId":"u1","create":{"a":{"data":[{"data:asText":"1"}]},"b":{"data":[`+source+`]}}},"0"]]`, `[["Blob/upload",{…"notCreated":{"b":{`+"…"+want[1:]+`…`)
	}
	expect(t, h, `[["Blob/upload",{"accountId":"u1","create":{"b":{}}},"0"],["Blob/upload",{"accountId":"u9","create":{}},"1"],["Blob/get",{"accountId":"u1","ids":["x"],"properties":["digest:md5"]},"2"],["Blob/get",{"accountId":"u1"},"3"]]`,
		`[["Blob/upload",{…"notCreated":{"b":{"type":"invalidProperties",…}}},"0"],["error",{"type":"accountNotFound",…},"1"],["error",{"type":"invalidArguments",…},"2"],["error",{"type":"requestTooLarge",…},"3"]]`)
}

// TestBlobDigests is the example of RFC 9404 §4.2.1.
func TestBlobDigests(t *testing.T) {
	expect(t, newServer(newStore()), `[["Blob/upload",{"accountId":"u1","create":{"b":{"data":[{"data:asText":"The quick brown fox jumped over the lazy dog."}]}}},"0"],
		["Blob/get",{"accountId":"u1","ids":["#b","not-a-blob"],"properties":["data:asText","digest:sha","size"]},"R1"],
		["Blob/get",{"accountId":"u1","ids":["#b"],"properties":["data:asText","digest:sha","digest:sha-256","size"],"offset":4,"length":9},"R2"]]`,
		`[["Blob/upload",…],["Blob/get",{…"list":[{"data:asText":"The quick brown fox jumped over the lazy dog.","digest:sha":"wIVPufsDxBzOOALLDSIFKebu+U4=","id":"…","size":45}],"notFound":["not-a-blob"]},"R1"],`+
			`["Blob/get",{…"list":[{"data:asText":"quick bro","digest:sha":"QiRAPtfyX8K6tm1iOAtZ87Xj3Ww=","digest:sha-256":"gdg9INW7lwHK6OQ9u0dwDz2ZY/gubi0En0xlFpKt0OA=","id":"…","size":45}],"notFound":[]},"R2"]]`)
}

func TestBlobLookup(t *testing.T) {
	store := newStore()
	store.Deliver("alice@example.com", "inbox", at(0), []byte(invitation))
	h := newServer(store)
	var all []jmap.Invocation
	var got struct {
		List []struct {
			BlobID string `json:"blobId"`
		} `json:"list"`
	}
	if err := jmap.Unmarshal([]byte(post(t, h, `[["Email/get",{"accountId":"u1","ids":["e7"],"properties":["blobId"]},"0"]]`)), &all); err != nil {
		t.Fatal(err)
	}
	if err := all[0].Decode("Email/get", &got); err != nil {
		t.Fatal(err)
	}
	blob := got.List[0].BlobID
	expect(t, h, `[["Blob/lookup",{"accountId":"u1","typeNames":["Email","Mailbox","Thread"],"ids":["`+blob+`","`+blob+`_p2","`+blob+`_p9","nope"]},"0"],["Blob/lookup",{"accountId":"u1","typeNames":["Quota"],"ids":[]},"1"]]`,
		`[["Blob/lookup",{"accountId":"u1","list":[{"id":"`+blob+`","matchedIds":{"Email":["e7"],"Mailbox":["m1"],"Thread":["…"]}},{"id":"`+blob+`_p2","matchedIds":{"Email":["e7"],"Mailbox":["m1"],"Thread":["…"]}},`+
			`{"id":"`+blob+`_p9","matchedIds":{"Email":[],"Mailbox":[],"Thread":[]}},{"id":"nope","matchedIds":{"Email":[],"Mailbox":[],"Thread":[]}}]},"0"],["error",{"type":"unknownDataType",…},"1"]]`)
}
