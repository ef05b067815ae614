package jmap_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

func TestBadRequests(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", ``, jmap.ProblemNotJSON},
		{"half", `{"using":[`, jmap.ProblemNotJSON},
		{"two values", `{"using":[],"methodCalls":[]} {}`, jmap.ProblemNotJSON},
		{"duplicate names", `{"using":[],"using":[],"methodCalls":[]}`, jmap.ProblemNotJSON},
		{"duplicate names in arguments", `{"using":[],"methodCalls":[["a",{"x":1,"x":2},"0"]]}`, jmap.ProblemNotJSON},
		{"duplicate names, one escaped", `{"using":[],"methodCalls":[["a",{"x":1,"\u0078":2},"0"]]}`, jmap.ProblemNotJSON},
		{"not UTF-8", "{\"using\":[\"\xff\"],\"methodCalls\":[]}", jmap.ProblemNotJSON},
		{"lone surrogate", `{"using":["\ud800"],"methodCalls":[]}`, jmap.ProblemNotJSON},
		{"deep", strings.Repeat(`[`, 100_000), jmap.ProblemNotJSON},
		{"deep and closed", `{"using":[],"methodCalls":[["a",{"x":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `},"0"]]}`, jmap.ProblemNotJSON},
		{"comment", `/* */ {"using":[],"methodCalls":[]}`, jmap.ProblemNotJSON},
		{"array", `[]`, jmap.ProblemNotRequest},
		{"null", `null`, jmap.ProblemNotRequest},
		{"no using", `{"methodCalls":[]}`, jmap.ProblemNotRequest},
		{"no calls", `{"using":[]}`, jmap.ProblemNotRequest},
		{"using of numbers", `{"using":[1],"methodCalls":[]}`, jmap.ProblemNotRequest},
		{"names in other case", `{"Using":[],"methodcalls":[]}`, jmap.ProblemNotRequest},
		{"call of two", `{"using":[],"methodCalls":[["a",{}]]}`, jmap.ProblemNotRequest},
		{"arguments in an array", `{"using":[],"methodCalls":[["a",[],"0"]]}`, jmap.ProblemNotRequest},
		{"call id a number", `{"using":[],"methodCalls":[["a",{},0]]}`, jmap.ProblemNotRequest},
		{"call an object", `{"using":[],"methodCalls":[{}]}`, jmap.ProblemNotRequest},
	} {
		_, err := jmap.ParseRequest([]byte(c.text))
		e, ok := errors.AsType[*jmap.RequestError](err)
		if !ok || e.Type != c.want || e.Status != 400 {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := jmap.ParseRequest([]byte(`{"using":[],"methodCalls":[],"new":{},"createdIds":null}`)); err != nil {
		t.Errorf("unknown member: %v", err)
	}
}

func TestBadReferences(t *testing.T) {
	doubling := &jmap.Resolver{}
	args := jmap.Raw(`{"x":"` + strings.Repeat("a", 1<<20) + `"}`)
	var err error
	for range 32 {
		doubling.Responses = append(doubling.Responses, jmap.Invocation{Name: "Core/echo", ID: "e", Args: args})
		args, err = doubling.Resolve(jmap.Raw(`{"#a":{"resultOf":"e","name":"Core/echo","path":""},"#b":{"resultOf":"e","name":"Core/echo","path":""}}`))
		if err != nil {
			break
		}
		doubling.Responses = doubling.Responses[:0]
	}
	if !jmap.IsMethodError(err, jmap.InvalidResultReference) {
		t.Errorf("doubling: %v", err)
	}
	r := jmap.Resolver{Responses: []jmap.Invocation{{Name: "A", ID: "0", Args: jmap.Raw(`{"o":{"k":1},"l":[1,{"k":2}],"s":"x"}`)}}}
	for _, c := range []struct {
		ref  string
		want jmap.MethodErrorType
	}{
		{`{"#a":{"resultOf":"1","name":"A","path":"/o"}}`, jmap.InvalidResultReference}, // a later call, or itself
		{`{"#a":{"resultOf":"0","name":"B","path":"/o"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/nope"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"o"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/o/*"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/l/*/k"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/l/2"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/l/01"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/l/-"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/l/99999999999999999999"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/s/0"}}`, jmap.InvalidResultReference},
		{`{"#a":{"resultOf":"0","name":"A","path":"/~2"}}`, jmap.InvalidResultReference},
		{`{"#a":"0"}`, jmap.InvalidResultReference},
		{`{"#a":null}`, jmap.InvalidResultReference},
		{`{"a":1,"#a":{"resultOf":"0","name":"A","path":"/o"}}`, jmap.InvalidArguments},
	} {
		if _, err := r.Resolve(jmap.Raw(c.ref)); !jmap.IsMethodError(err, c.want) {
			t.Errorf("%s: %v, want %s", c.ref, err, c.want)
		}
	}
}

func TestBadPatches(t *testing.T) {
	const object = `{"a":{"b":{"c":1}},"l":[{"x":1}],"s":"x"}`
	for _, p := range []jmap.Patch{
		{"a": jmap.Raw(`1`), "a/b": jmap.Raw(`1`)},
		{"a/b/c": jmap.Raw(`1`), "a/b": jmap.Raw(`null`)},
		{"l/0": jmap.Raw(`1`)},
		{"l/0/x": jmap.Raw(`1`)},
		{"nope/x": jmap.Raw(`1`)},
		{"a/nope/x": jmap.Raw(`null`)},
		{"s/x": jmap.Raw(`1`)},
		{"a/~3": jmap.Raw(`1`)},
	} {
		_, err := p.Apply(jmap.Raw(object))
		if e, ok := errors.AsType[*jmap.SetError](err); !ok || e.Type != jmap.SetInvalidPatch {
			t.Errorf("%s: %v", p, err)
		}
	}
	got, err := jmap.Patch{"a/b/c": jmap.Raw(`null`), "a/b/d": jmap.Raw(`2`), "a/x~1y": jmap.Raw(`3`), "gone": jmap.Raw(`null`)}.Apply(jmap.Raw(object))
	if want := `{"a":{"b":{"d":2},"x/y":3},"l":[{"x":1}],"s":"x"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestFilter(t *testing.T) {
	type cond struct {
		N int `json:"n,omitzero"`
	}
	const text = `{"operator":"AND","conditions":[{"n":1},{"operator":"OR","conditions":[{"n":2},{"n":3}]},{"operator":"NOT","conditions":[{"n":4}]}]}`
	var f jmap.Filter[cond]
	if err := jmap.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	if b, err := jmap.Marshal(f); err != nil || string(b) != text {
		t.Errorf("back: %s, %v", b, err)
	}
	for _, c := range []struct {
		set  string
		want bool
	}{{"1", false}, {"12", true}, {"13", true}, {"124", false}, {"23", false}} {
		got, err := f.Match(func(k *cond) (bool, error) { return strings.Contains(c.set, string(rune('0'+k.N))), nil })
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.set, got, err)
		}
	}
	for _, bad := range []string{
		`{"operator":"XOR","conditions":[]}`, `{"operator":"AND"}`, `{"operator":"AND","conditions":{}}`, `{"m":1}`, `[]`, `{"n":"x"}`,
		`{"operator":"AND","conditions":[{"nope":1}]}`,
		strings.Repeat(`{"operator":"NOT","conditions":[`, 40) + `{}` + strings.Repeat(`]}`, 40),
		`{"operator":"OR","conditions":[` + strings.Repeat(`{},`, 2000) + `{}]}`,
	} {
		if err := jmap.Unmarshal([]byte(bad), new(jmap.Filter[cond])); err == nil {
			t.Errorf("no error: %.60s", bad)
		}
	}
}

func TestDates(t *testing.T) {
	var d jmap.UTCDate
	if err := jmap.Unmarshal([]byte(`"2014-10-30T06:12:00Z"`), &d); err != nil {
		t.Fatal(err)
	}
	if b, _ := jmap.Marshal(jmap.UTCDate{Time: d.In(time.FixedZone("", 3600))}); string(b) != `"2014-10-30T06:12:00Z"` {
		t.Errorf("%s", b)
	}
	var o jmap.Date
	if err := jmap.Unmarshal([]byte(`"2014-10-30T14:12:00+08:00"`), &o); err != nil || !o.Equal(d.Time) {
		t.Errorf("%v, %v", o, err)
	}
	if b, _ := jmap.Marshal(o); string(b) != `"2014-10-30T14:12:00+08:00"` {
		t.Errorf("%s", b)
	}
	for _, bad := range []string{`"2014-10-30T14:12:00+08:00"`, `"2014-10-30t14:12:00Z"`, `"2014-10-30"`, `1`, `""`, `"`} {
		if err := jmap.Unmarshal([]byte(bad), new(jmap.UTCDate)); err == nil {
			t.Errorf("no error: %s", bad)
		}
	}
}

func TestID(t *testing.T) {
	for id, want := range map[jmap.ID]bool{"a": true, "A-z_9": true, "": false, "a b": false, "ä": false, "#a": false, "a/b": false,
		jmap.ID(strings.Repeat("x", 255)): true, jmap.ID(strings.Repeat("x", 256)): false} {
		if id.Valid() != want {
			t.Errorf("%.20q: %v", id, !want)
		}
	}
}

func TestExpandURL(t *testing.T) {
	got := jmap.ExpandURL("/d/{accountId}/{blobId}/{name}?t={type}&x={nope}", "accountId", "a", "blobId", "b", "name", "a b/ü?.txt", "type", "text/plain")
	if want := "/d/a/b/a%20b%2F%C3%BC%3F.txt?t=text%2Fplain&x="; got != want {
		t.Errorf("got %s", got)
	}
	if got := jmap.ExpandURL("{a", "a", "1"); got != "{a" {
		t.Errorf("got %s", got)
	}
}
