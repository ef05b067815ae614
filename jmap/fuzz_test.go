package jmap_test

import (
	"errors"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
)

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"a":[1]},"0"],["Core/echo",{"#b":{"resultOf":"0","name":"Core/echo","path":"/a/*"}},"1"]],"createdIds":{"k":"x"}}`))
	f.Add([]byte(`{"using":[],"methodCalls":[["",{},"\u0000"]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := jmap.ParseRequest(b)
		if err != nil {
			if _, ok := errors.AsType[*jmap.RequestError](err); !ok {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		out, err := jmap.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jmap.ParseRequest(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		var res jmap.Resolver
		for _, c := range r.MethodCalls {
			args, err := res.Resolve(c.Args)
			if err != nil {
				if _, ok := errors.AsType[*jmap.MethodError](err); !ok {
					t.Fatalf("untyped error %v", err)
				}
				continue
			}
			res.Responses = append(res.Responses, jmap.Invocation{Name: c.Name, Args: args, ID: c.ID})
		}
		resp := jmap.Response{MethodResponses: res.Responses}
		out, err = resp.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := jmap.Unmarshal(out, new(jmap.Response)); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

func FuzzPointer(f *testing.F) {
	f.Add("/list/*/a~1b", []byte(`{"list":[{"a/b":[1,2]},{"a/b":[]}]}`))
	f.Add("/0", []byte(`[ [ ] ]`))
	f.Fuzz(func(t *testing.T, s string, b []byte) {
		p, err := jmap.ParsePointer(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Fatalf("%q became %q", s, p)
		}
		var v jmap.Raw
		if jmap.Unmarshal(b, &v) != nil {
			return
		}
		got, err := p.Eval(v)
		if err != nil {
			return
		}
		var again jmap.Raw
		if err := jmap.Unmarshal(got, &again); err != nil {
			t.Fatalf("%s at %s: %s: %v", v, s, got, err)
		}
	})
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1},"c":[1]}`), []byte(`{"a/b":null,"a/x~0":2,"c":[]}`))
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a/b":1,"a":{}}`))
	f.Add([]byte(`[]`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, object, patch []byte) {
		var o jmap.Raw
		var p jmap.Patch
		if jmap.Unmarshal(object, &o) != nil || jmap.Unmarshal(patch, &p) != nil {
			return
		}
		got, err := p.Apply(o)
		if err != nil {
			if _, ok := errors.AsType[*jmap.SetError](err); !ok {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		twice, err := p.Apply(got)
		if err != nil || string(twice) != string(got) {
			t.Fatalf("once %s, twice %s, %v", got, twice, err)
		}
	})
}

func FuzzFilter(f *testing.F) {
	type cond struct {
		N    int    `json:"n,omitzero"`
		Text string `json:"text,omitzero"`
	}
	f.Add([]byte(`{"operator":"AND","conditions":[{"n":1},{"operator":"NOT","conditions":[{"text":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y jmap.Filter[cond]
		if jmap.Unmarshal(b, &x) != nil {
			return
		}
		out, err := jmap.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if err := jmap.Unmarshal(out, &y); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		match := func(c *cond) (bool, error) { return c.N > 0, nil }
		a, _ := x.Match(match)
		if b, _ := y.Match(match); a != b {
			t.Fatalf("%s: %v, then %v", out, a, b)
		}
	})
}
