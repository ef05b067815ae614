package authres_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/authres"
)

// The examples of RFC 8601 appendix B.
func TestRFC8601(t *testing.T) {
	prop := func(ptype, name, value string) []authres.Property {
		return []authres.Property{{Type: ptype, Name: name, Value: value}}
	}
	for name, tt := range map[string]struct {
		in   string
		want authres.Field
	}{
		"B.2": {" example.org 1; none", authres.Field{ID: "example.org", Version: 1}},
		"B.3": {" example.com;\r\n          spf=pass smtp.mailfrom=example.net", authres.Field{ID: "example.com", Version: 1, Results: []authres.Result{
			{Method: "spf", Version: 1, Value: "pass", Properties: prop("smtp", "mailfrom", "example.net")}}}},
		"B.4 first": {" example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n          spf=pass smtp.mailfrom=example.net",
			authres.Field{ID: "example.com", Version: 1, Results: []authres.Result{
				{Method: "auth", Version: 1, Value: "pass", Properties: prop("smtp", "auth", "sender@example.net")},
				{Method: "spf", Version: 1, Value: "pass", Properties: prop("smtp", "mailfrom", "example.net")}}}},
		"B.4 second": {" example.com; iprev=pass\r\n          policy.iprev=192.0.2.200", authres.Field{ID: "example.com", Version: 1, Results: []authres.Result{
			{Method: "iprev", Version: 1, Value: "pass", Properties: prop("policy", "iprev", "192.0.2.200")}}}},
		"B.5": {" example.com;\r\n          dkim=pass (good signature) header.d=example.com", authres.Field{ID: "example.com", Version: 1, Results: []authres.Result{
			{Method: "dkim", Version: 1, Value: "pass", Properties: prop("header", "d", "example.com")}}}},
		"B.6": {" example.com;\r\n      dkim=pass reason=\"good signature\"\r\n        header.i=@mail-router.example.net;\r\n      dkim=fail reason=\"bad signature\"\r\n        header.i=@newyork.example.com",
			authres.Field{ID: "example.com", Version: 1, Results: []authres.Result{
				{Method: "dkim", Version: 1, Value: "pass", Reason: "good signature", Properties: prop("header", "i", "@mail-router.example.net")},
				{Method: "dkim", Version: 1, Value: "fail", Reason: "bad signature", Properties: prop("header", "i", "@newyork.example.com")}}}},
		"B.7": {" foo.example.net (foobar) 1 (baz);\r\n   dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n     policy (A dot can go here) . (like that) expired\r\n     (this surprised me) = (as I wasn't expecting it) 1362471462",
			authres.Field{ID: "foo.example.net", Version: 1, Results: []authres.Result{
				{Method: "dkim", Version: 1, Value: "fail", Properties: prop("policy", "expired", "1362471462")}}}},
	} {
		got, err := authres.Parse(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		again, err := authres.Parse(value(t, appendField(got)))
		if err != nil || !reflect.DeepEqual(again, tt.want) {
			t.Errorf("%s: appended and parsed: %+v, %v", name, again, err)
		}
	}
}

// appendField writes a Field with Append.
func appendField(f authres.Field) []byte {
	entries := make([]authres.Appender, len(f.Results))
	for i, r := range f.Results {
		entries[i] = r
	}
	return authres.Append(nil, f.ID, entries...)
}

// value takes name and final line end off a field, and checks that it is one field of lines that SMTP can carry.
func value(t *testing.T, field []byte) string {
	t.Helper()
	v, ok := strings.CutPrefix(string(field), "Authentication-Results:")
	v, ok2 := strings.CutSuffix(v, "\r\n")
	if !ok || !ok2 {
		t.Fatalf("%q is no whole field", field)
	}
	for i, line := range strings.Split(v, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || i > 0 && (!strings.HasPrefix(line, " ") || strings.Trim(line, " ") == "") {
			t.Fatalf("line %q", line)
		}
	}
	return v
}
