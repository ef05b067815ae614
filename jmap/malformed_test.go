package jmap_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// TestMalformed gives each decoder of a value what it has to refuse: a *TypeError for JSON of another shape, a
// *SyntaxError for what is no I-JSON.
func TestMalformed(t *testing.T) {
	type cond struct {
		N int `json:"n,omitzero"`
	}
	shapes := map[string]struct {
		into func() any
		in   []string
	}{
		"Date": {func() any { return new(jmap.Date) }, []string{`1`, `""`, `"2014-10-30"`, `"2014-10-30T14:12:00"`, `"2014-13-30T14:12:00Z"`, `"2014-10-30 14:12:00Z"`, `{}`, `[]`, `true`}},
		"UTCDate": {func() any { return new(jmap.UTCDate) }, []string{`"2014-10-30T14:12:00+00:00"`, `"2014-10-30T14:12:00+08:00"`, `"2014-10-30t14:12:00z"`, `"x"`, `""`, `0`, `{}`,
			`"10000-01-01T00:00:00Z"`}},
		"NullString": {func() any { return new(jmap.NullString) }, []string{`1`, `{}`, `[]`, `true`}},
		"NullList":   {func() any { return new(jmap.NullList[string]) }, []string{`1`, `"x"`, `{}`, `[1]`, `[null,1]`}},
		"Optional":   {func() any { return new(jmap.Optional[int]) }, []string{`"x"`, `1.5`, `{}`, `99999999999999999999`}},
		"Invocation": {func() any { return new(jmap.Invocation) }, []string{`{}`, `[]`, `["a",{}]`, `["a",{},"0",1]`, `[1,{},"0"]`, `["a",[],"0"]`, `["a",{},0]`, `null`, `"a"`}},
		"Filter": {func() any { return new(jmap.Filter[cond]) }, []string{`[]`, `1`, `"x"`, `{"operator":"XOR","conditions":[]}`, `{"operator":"AND"}`, `{"operator":1,"conditions":[]}`, `{"conditions":[]}`,
			`{"operator":"AND","conditions":{}}`, `{"operator":"AND","conditions":[1]}`, `{"n":"x"}`, `{"m":1}`,
			strings.Repeat(`{"operator":"NOT","conditions":[`, jmap.MaxFilterDepth+1) + `{}` + strings.Repeat(`]}`, jmap.MaxFilterDepth+1),
			`{"operator":"OR","conditions":[` + strings.Repeat(`{},`, jmap.MaxFilterConditions) + `{}]}`}},
	}
	for name, tt := range shapes {
		for _, in := range tt.in {
			if _, ok := errors.AsType[*jmap.TypeError](jmap.Unmarshal([]byte(in), tt.into())); !ok {
				t.Errorf("%s %.60q: %v", name, in, jmap.Unmarshal([]byte(in), tt.into()))
			}
		}
		for _, in := range []string{``, `"`, `{`, `[1,`, `nul`, `{"a":1,"a":2}`, "\"\xff\"", `"\ud800"`, `{} {}`, `01`, `'x'`} {
			if _, ok := errors.AsType[*jmap.SyntaxError](jmap.Unmarshal([]byte(in), tt.into())); !ok {
				t.Errorf("%s %.60q: %v", name, in, jmap.Unmarshal([]byte(in), tt.into()))
			}
		}
	}
	for _, in := range []string{"a", "~", "/~", "/~2", "/a~", "/a/~x", " /a", "#/a"} {
		if p, err := jmap.ParsePointer(in); !errors.Is(err, jmap.ErrPointer) {
			t.Errorf("pointer %q: %v, %v", in, p, err)
		}
	}
}

func FuzzDates(f *testing.F) {
	for _, s := range []string{`"2014-10-30T06:12:00Z"`, `"2014-10-30T14:12:00.5+08:00"`, `null`, `""`, `"`, `"0000-01-01T00:00:00-23:59"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d jmap.Date
		var u jmap.UTCDate
		for _, v := range []struct {
			date any
			time *time.Time
		}{{&d, &d.Time}, {&u, &u.Time}} {
			if jmap.Unmarshal(b, v.date) != nil {
				continue
			}
			before := *v.time
			out, err := jmap.Marshal(v.date)
			if err != nil {
				continue // a year that JSON dates cannot have, in UTC
			}
			if err := jmap.Unmarshal(out, v.date); err != nil || !v.time.Equal(before) {
				t.Fatalf("%s became %s: %v, %v", b, out, *v.time, err)
			}
		}
	})
}
