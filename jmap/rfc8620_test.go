package jmap_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
)

// The request and response of RFC 8620 §3.3.1 and §3.4.1.
func TestRFC8620Request(t *testing.T) {
	r, err := jmap.ParseRequest([]byte(`{
  "using": [ "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail" ],
  "methodCalls": [
    [ "method1", { "arg1": "arg1data", "arg2": "arg2data" }, "c1" ],
    [ "method2", { "arg1": "arg1data" }, "c2" ],
    [ "method3", {}, "c3" ]
  ]
}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.MethodCalls) != 3 || r.MethodCalls[1].Name != "method2" || r.MethodCalls[1].ID != "c2" ||
		string(r.MethodCalls[2].Args) != "{}" || len(r.Using) != 2 || r.CreatedIDs != nil {
		t.Errorf("%+v", r)
	}
	resp := jmap.Response{SessionState: "75128aab4b1b", MethodResponses: []jmap.Invocation{
		{Name: "method1", Args: jmap.Raw(`{"arg1":3}`), ID: "c1"},
		{Name: "error", Args: jmap.Raw(`{"type":"unknownMethod"}`), ID: "c3"},
	}}
	const want = `{"methodResponses":[["method1",{"arg1":3},"c1"],["error",{"type":"unknownMethod"},"c3"]],"sessionState":"75128aab4b1b"}`
	got, err := resp.AppendJSON(nil)
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	slow, err := jmap.Marshal(resp)
	if err != nil || string(slow) != want {
		t.Errorf("Marshal gives %s, %v", slow, err)
	}
	if err := resp.MethodResponses[1].Decode("method3", nil); !jmap.IsMethodError(err, jmap.UnknownMethod) {
		t.Errorf("Decode: %v", err)
	}
}

// The three steps of the example of RFC 8620 §3.7.
func TestRFC8620References(t *testing.T) {
	r := jmap.Resolver{Responses: []jmap.Invocation{
		{Name: "Foo/changes", Args: jmap.Raw(`{"created":[ "f1", "f4" ]}`), ID: "t0"},
		{Name: "Email/get", Args: jmap.Raw(`{"list":[{"id":"msg1023","threadId":"trd194"},{"id":"msg223","threadId":"trd114"}],"notFound":[]}`), ID: "t1"},
		{Name: "Thread/get", Args: jmap.Raw(`{"list":[{"emailIds":[ "msg1020", "msg1021" ]},{"emailIds":[ ]},{"emailIds":["msg201"]}]}`), ID: "t2"},
		{Name: "Thread/get", Args: jmap.Raw(`{"list":"a second response to the same call"}`), ID: "t2"},
	}}
	for _, c := range []struct{ args, want string }{
		{`{"a":1,"#ids":{"resultOf":"t0","name":"Foo/changes","path":"/created"}}`, `{"a":1,"ids":[ "f1", "f4" ]}`},
		{`{"#ids":{"resultOf":"t1","name":"Email/get","path":"/list/*/threadId"}}`, `{"ids":["trd194","trd114"]}`},
		{`{"#ids":{"resultOf":"t2","name":"Thread/get","path":"/list/*/emailIds"}}`, `{"ids":["msg1020", "msg1021","msg201"]}`},
		{`{"#ids":{"resultOf":"t2","name":"Thread/get","path":"/list/0/emailIds/1"}}`, `{"ids":"msg1021"}`},
		{`{"#ids":{"resultOf":"t1","name":"Email/get","path":"/notFound/*/x"}}`, `{"ids":[]}`},
		{`{"deep":{"#ids":1}}`, `{"deep":{"#ids":1}}`},
	} {
		got, err := r.Resolve(jmap.Raw(c.args))
		if err != nil || string(got) != c.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.args, got, err, c.want)
		}
	}
}

// The patches of RFC 8620 §5.7, whole and minimal, have one effect.
func TestRFC8620Patch(t *testing.T) {
	const before = `{"id":"a","title":"Practise Piano","keywords":{"music":true,"beethoven":true,"mozart":true,"liszt":true},"list":[1]}`
	const want = `{"id":"a","title":"Practise Piano","keywords":{"music":true,"beethoven":true,"liszt":true,"chopin":true},"list":[1]}`
	for _, p := range []jmap.Patch{
		{"keywords/chopin": jmap.Raw(`true`), "keywords/mozart": jmap.Raw(`null`)},
		{"keywords": jmap.Raw(`{"music":true,"beethoven":true,"liszt":true,"chopin":true}`)},
	} {
		got, err := p.Apply(jmap.Raw(before))
		if err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
	}
}
