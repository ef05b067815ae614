package smtp

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMailParams(t *testing.T) {
	tests := []struct {
		in   string
		want MailParams
		out  string // as written again
	}{
		{"", MailParams{}, ""},
		{" SIZE=0", MailParams{}, ""},
		{" SIZE=4096 BODY=8BITMIME", MailParams{Size: 4096, Body: Body8BitMIME}, " SIZE=4096 BODY=8BITMIME"},
		{" body=7bit  smtputf8", MailParams{Body: Body7Bit, UTF8: true}, " BODY=7BIT SMTPUTF8"},
		{" BODY=BINARYMIME REQUIRETLS", MailParams{Body: BodyBinaryMIME, RequireTLS: true}, " BODY=BINARYMIME REQUIRETLS"},
		{" SIZE=99999999999999999999", MailParams{Size: math.MaxInt64}, " SIZE=9223372036854775807"},
		{" RET=hdrs ENVID=QQ314159", MailParams{Return: ReturnHeaders, EnvelopeID: "QQ314159"}, " RET=HDRS ENVID=QQ314159"},
		{" ENVID=a+20b+2Bc+3D", MailParams{EnvelopeID: "a b+c="}, " ENVID=a+20b+2Bc+3D"},
		{" AUTH=e+3Dmc2@example.com", MailParams{Auth: "e=mc2@example.com"}, " AUTH=e+3Dmc2@example.com"}, // RFC 4954 §5.1
		{" AUTH=<>", MailParams{Auth: "<>"}, " AUTH=<>"},
		{" X-ONE X-TWO=3", MailParams{Other: []Param{{"X-ONE", ""}, {"X-TWO", "3"}}}, " X-ONE X-TWO=3"},
		{" BY=120;R", MailParams{DeliverBy: DeliverBy{After: 2 * time.Minute, Mode: DeliverReturn}}, " BY=120;R"}, // RFC 2852 §6
		{" by=-5;nt", MailParams{DeliverBy: DeliverBy{After: -5 * time.Second, Mode: DeliverNotify, Trace: true}}, " BY=-5;NT"},
		{" BY=+0;N", MailParams{DeliverBy: DeliverBy{Mode: DeliverNotify}}, " BY=0;N"},
		{" HOLDFOR=86400 MT-PRIORITY=-9", MailParams{Hold: Hold{For: 24 * time.Hour}, Priority: -9, Prioritized: true}, " HOLDFOR=86400 MT-PRIORITY=-9"},
		{" HOLDUNTIL=2026-12-24T18:00:00Z MT-PRIORITY=0", MailParams{Hold: Hold{Until: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)}, Prioritized: true},
			" HOLDUNTIL=2026-12-24T18:00:00Z MT-PRIORITY=0"},
		{" X=ü", MailParams{Other: []Param{{"X", "ü"}}}, " X=ü"},
	}
	for _, tt := range tests {
		got, err := ParseMailParams(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %+v, %v", tt.in, got, err)
		}
		if out, err := AppendMailParams(nil, got); err != nil || string(out) != tt.out {
			t.Errorf("%q written as %q, %v", tt.in, out, err)
		}
	}
	for _, bad := range []string{
		"SIZE", "SIZE=", "SIZE=-1", "SIZE=+1", "SIZE=1x", "SIZE=123456789012345678901", "SIZE=1 SIZE=1", "size=1 SIZE=2",
		"BODY=9BIT", "BODY", "SMTPUTF8=1", "REQUIRETLS=yes", "AUTH=", "AUTH=alice", "AUTH=a+0D+0Ab@x", "AUTH=+4", "AUTH=+ZZ",
		"RET=NONE", "ENVID=", "ENVID=a+00", "ENVID=a+FF", "ENVID=" + strings.Repeat("x", 101), "=1", "-X", "X Y=", "X==", "X=a=b", "X_Y=1",
		"BY", "BY=1", "BY=1;", "BY=1;X", "BY=0;R", "BY=-1;R", "BY=;N", "BY=-;N", "BY=+-1;N", "BY=1234567890;N", "BY=1;NTT", "BY=1;T", "BY=1.5;N",
		"HOLDFOR=0", "HOLDFOR=-1", "HOLDFOR=+1", "HOLDFOR=1234567890", "HOLDFOR=", "HOLDUNTIL=", "HOLDUNTIL=tomorrow", "HOLDUNTIL=2026-12-24T18:00:00",
		"HOLDUNTIL=2026-12-24T18:00:00+01:00", "HOLDUNTIL=2026-13-24T18:00:00Z", "HOLDFOR=1 HOLDUNTIL=2026-12-24T18:00:00Z", "HOLDFOR=1 HOLDFOR=1",
		"MT-PRIORITY", "MT-PRIORITY=", "MT-PRIORITY=10", "MT-PRIORITY=+1", "MT-PRIORITY=-0", "MT-PRIORITY=01", "MT-PRIORITY=-", "MT-PRIORITY=1 MT-PRIORITY=1",
		"X=\xff", "\x01=1", "X=\x7f", strings.Repeat("K", 65),
	} {
		got, err := ParseMailParams(" " + bad)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reply.Code != 501 || e.Reply.Enhanced != (EnhancedCode{5, 5, 4}) {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
	for _, bad := range []MailParams{
		{Body: "X\r\n"}, {Auth: "a\r\nb"}, {Auth: "x"}, {Return: "\r\n"}, {EnvelopeID: "a\r\nb"}, {EnvelopeID: "ü"},
		{DeliverBy: DeliverBy{Mode: "X\r\n"}}, {DeliverBy: DeliverBy{After: time.Hour}}, {DeliverBy: DeliverBy{Mode: DeliverReturn}},
		{Hold: Hold{For: -1}}, {Hold: Hold{For: 1, Until: time.Unix(1, 0)}}, {Priority: 10}, {Priority: -10},
		{Other: []Param{{"X", "a\r\nRSET"}}}, {Other: []Param{{"X Y", ""}}}, {Other: []Param{{"", "x"}}},
	} {
		if out, err := AppendMailParams([]byte("x"), bad); err == nil || string(out) != "x" {
			t.Errorf("%+v written as %q", bad, out)
		}
	}
}

func TestRcptParams(t *testing.T) {
	tests := []struct {
		in   string
		want RcptParams
		out  string
	}{
		{"", RcptParams{}, ""},
		{" NOTIFY=NEVER", RcptParams{Notify: NotifyNever}, " NOTIFY=NEVER"},
		{" notify=failure,success", RcptParams{Notify: NotifySuccess | NotifyFailure}, " NOTIFY=SUCCESS,FAILURE"},
		{" NOTIFY=DELAY ORCPT=rfc822;Bob@big-bucks.example", RcptParams{Notify: NotifyDelay, OriginalType: "rfc822", Original: "Bob@big-bucks.example"},
			" NOTIFY=DELAY ORCPT=rfc822;Bob@big-bucks.example"}, // RFC 3461 §10
		{" ORCPT=rfc822;a+2Bb+20c@x", RcptParams{OriginalType: "rfc822", Original: "a+b c@x"}, " ORCPT=rfc822;a+2Bb+20c@x"},
		{` ORCPT=utf-8;j\x{FC}rgen@x`, RcptParams{OriginalType: "utf-8", Original: "jürgen@x"}, ` ORCPT=utf-8;j\x{FC}rgen@x`},
		{` ORCPT=utf-8;jürgen@x\x{1F600}`, RcptParams{OriginalType: "utf-8", Original: "jürgen@x😀"}, ` ORCPT=utf-8;j\x{FC}rgen@x\x{1F600}`},
		{` ORCPT=utf-8;a\x{2B}b\x{3D}`, RcptParams{OriginalType: "utf-8", Original: "a+b="}, ` ORCPT=utf-8;a\x{2B}b\x{3D}`},
		{` ORCPT=utf-8;odd\x{zz}`, RcptParams{OriginalType: "utf-8", Original: `odd\x{zz}`}, ` ORCPT=utf-8;odd\x{5C}x{zz}`},
		{" RRVS=2014-04-03T23:01:00Z", RcptParams{Other: []Param{{"RRVS", "2014-04-03T23:01:00Z"}}}, " RRVS=2014-04-03T23:01:00Z"},
	}
	for _, tt := range tests {
		got, err := ParseRcptParams(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %+v, %v", tt.in, got, err)
		}
		if out, err := AppendRcptParams(nil, got); err != nil || string(out) != tt.out {
			t.Errorf("%q written as %q, %v", tt.in, out, err)
		}
	}
	for _, bad := range []string{
		"NOTIFY", "NOTIFY=", "NOTIFY=NEVER,FAILURE", "NOTIFY=FAILURE,FAILURE", "NOTIFY=FAILURE,", "NOTIFY=SOMETIMES",
		"ORCPT", "ORCPT=rfc822", "ORCPT=;a@b", "ORCPT=rfc822;", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;ü", "ORCPT=a(b;c", `ORCPT=utf-8;a\x{0A}`,
		"ORCPT=rfc822;" + strings.Repeat("x", 500), "NOTIFY=DELAY NOTIFY=DELAY",
	} {
		got, err := ParseRcptParams(" " + bad)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reply.Code != 501 {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
	for _, bad := range []RcptParams{
		{Notify: NotifyNever | NotifyDelay}, {Notify: 16}, {Original: "a@b"}, {OriginalType: "rfc822"}, {OriginalType: "a b", Original: "x"},
		{OriginalType: "rfc822", Original: "a\r\nb"}, {OriginalType: "utf-8", Original: "a\nb"}, {OriginalType: "rfc822", Original: "ü"},
		{Other: []Param{{"X", " "}}},
	} {
		if out, err := AppendRcptParams([]byte("x"), bad); err == nil || string(out) != "x" {
			t.Errorf("%+v written as %q", bad, out)
		}
	}
}

func FuzzMailParams(f *testing.F) {
	for _, s := range []string{" SIZE=1 BODY=8BITMIME", " ENVID=a+2Bb RET=FULL", " AUTH=<> X=y", " SMTPUTF8 REQUIRETLS"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseMailParams(s)
		if err != nil {
			return
		}
		out, err := AppendMailParams(nil, p)
		if err != nil || strings.ContainsAny(string(out), "\r\n\x00") {
			t.Fatalf("%q: %+v written as %q, %v", s, p, out, err)
		}
		again, err := ParseMailParams(string(out))
		if p.EnvelopeID != "" && err != nil {
			return // written longer than it was given
		}
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%q: %+v comes back as %+v, %v", s, p, again, err)
		}
	})
}

func FuzzRcptParams(f *testing.F) {
	for _, s := range []string{" NOTIFY=NEVER", " ORCPT=rfc822;a+2Bb@c", " ORCPT=x400;a+09b", ` ORCPT=utf-8;\x{FC}@x`, ` ORCPT=utf-8;\x{5C}x{41}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseRcptParams(s)
		if err != nil {
			return
		}
		out, err := AppendRcptParams(nil, p)
		if err != nil || strings.ContainsAny(string(out), "\r\n\x00") {
			t.Fatalf("%q: %+v written as %q, %v", s, p, out, err)
		}
		again, err := ParseRcptParams(string(out))
		if p.Original != "" && err != nil {
			return // written longer than it was given
		}
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%q: %+v comes back as %+v, %v", s, p, again, err)
		}
	})
}

func FuzzXtext(f *testing.F) {
	f.Add("a+2Bb")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseXtext(string(AppendXtext(nil, s))); err != nil || got != s {
			t.Fatalf("%q comes back as %q, %v", s, got, err)
		}
		_, _ = ParseXtext(s)
	})
}
