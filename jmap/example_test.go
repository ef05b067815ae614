package jmap_test

import (
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/jmap"
)

// How does a call use the result of the one before it?
func ExampleResolver() {
	req, err := jmap.ParseRequest([]byte(`{"using": ["urn:ietf:params:jmap:core"], "methodCalls": [
		["Foo/query", {"accountId": "A1"}, "0"],
		["Foo/get", {"accountId": "A1", "#ids": {"resultOf": "0", "name": "Foo/query", "path": "/ids"}}, "1"]]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	answered := jmap.Invocation{Name: "Foo/query", Args: jmap.Raw(`{"ids": ["f7","f9"]}`), ID: "0"}
	r := jmap.Resolver{Responses: []jmap.Invocation{answered}}
	args, err := r.Resolve(req.MethodCalls[1].Args)
	fmt.Println(string(args), err)
	// Output: {"accountId":"A1","ids":["f7","f9"]} <nil>
}

// How is a patch applied to a record?
func ExamplePatch_Apply() {
	record := jmap.Raw(`{"keywords":{"$seen":true,"$draft":true},"subject":"hi"}`)
	p := jmap.Patch{"keywords/$draft": jmap.Raw("null"), "keywords/$flagged": jmap.Raw("true")}
	out, err := p.Apply(record)
	fmt.Println(string(out), err)
	// Output: {"keywords":{"$seen":true,"$flagged":true},"subject":"hi"} <nil>
}

// What does a refused request look like to a caller?
func ExampleRequestError() {
	_, err := jmap.ParseRequest([]byte(`{"using": [], "using": []}`))
	if e, ok := errors.AsType[*jmap.RequestError](err); ok {
		fmt.Println(e.Type)
	}
	// Output: urn:ietf:params:jmap:error:notJSON
}
