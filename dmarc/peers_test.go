package dmarc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dmarc"

	"github.com/mailbricks/mailbricks/dmarc"
)

// TestMsgauth: records that are valid under RFC 7489 and RFC 9989 are read as go-msgauth reads them, and what we write it
// reads.
func TestMsgauth(t *testing.T) {
	r := rand.New(rand.NewPCG(9989, 7489))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range 2000 {
		tags := []string{pick("", "sp=none", "sp=reject", "sp=quarantine"), pick("", "adkim=r", "adkim=s"), pick("", "aspf=r", "aspf=s"), pick("", "fo=0", "fo=1", "fo=1:d:s", "fo=d"),
			pick("", "rua=mailto:a@example.com", "rua=mailto:a@example.com,mailto:b@example.net"), pick("", "ruf=mailto:f@example.com"), pick("", "x-y=z")}
		tags = slices.DeleteFunc(tags, func(s string) bool { return s == "" })
		r.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
		txt := "v=DMARC1; p=" + pick("none", "quarantine", "reject") + strings.Join(append([]string{""}, tags...), pick(";", "; ", " ; "))
		ours, err := dmarc.ParseRecord(txt)
		if err != nil || len(ours.Problems) > 0 {
			t.Fatalf("%q: %+v, %v", txt, ours, err)
		}
		for _, text := range []string{txt, string(ours.Append(nil))} {
			theirs, err := msgauth.Parse(text)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			fo := msgauth.FailureOptions(0)
			for o := range strings.SplitSeq(ours.FO, ":") {
				fo |= map[string]msgauth.FailureOptions{"0": msgauth.FailureAll, "1": msgauth.FailureAny, "d": msgauth.FailureDKIM, "s": msgauth.FailureSPF}[o]
			}
			got := fmt.Sprint(ours.P, ours.SP, ours.StrictDKIM, ours.StrictSPF, ours.RUA, ours.RUF, fo)
			want := fmt.Sprint(theirs.Policy, theirs.SubdomainPolicy, theirs.DKIMAlignment == msgauth.AlignmentStrict, theirs.SPFAlignment == msgauth.AlignmentStrict,
				theirs.ReportURIAggregate, theirs.ReportURIFailure, theirs.FailureOptions)
			if got != want {
				t.Errorf("%q: %s, go-msgauth %s", text, got, want)
			}
		}
	}
}
