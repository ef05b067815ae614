package mailserver

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A snippetRequest is the arguments of SearchSnippet/get (RFC 8621 §5.1).
type snippetRequest struct {
	AccountID jmap.ID                           `json:"accountId"`
	Filter    *jmap.Filter[mail.EmailCondition] `json:"filter"`
	EmailIDs  []jmap.ID                         `json:"emailIds"`
}

// A snippetResponse is the result of SearchSnippet/get.
type snippetResponse struct {
	AccountID jmap.ID                `json:"accountId"`
	List      []mail.SearchSnippet   `json:"list"`
	NotFound  jmap.NullList[jmap.ID] `json:"notFound"`
}

// maxPreview is the size of a preview in octets (RFC 8621 §5).
const maxPreview = 255

// snippets is SearchSnippet/get. What stands under NOT is not looked for.
func (s *Service) snippets(ctx context.Context, c *jmapserver.Call, r *snippetRequest) (*snippetResponse, error) {
	if err := jmapserver.CheckIDs(c, &r.EmailIDs); err != nil {
		return nil, err
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	if r.EmailIDs == nil {
		r.EmailIDs = []jmap.ID{}
	}
	got, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: r.AccountID, IDs: r.EmailIDs, Args: mail.EmailWant{Summary: true}})
	if err != nil {
		return nil, err
	}
	var subject, body []string
	snippetTerms(r.Filter, &subject, &body)
	out := &snippetResponse{AccountID: r.AccountID, List: make([]mail.SearchSnippet, 0, len(got.List)), NotFound: got.NotFound}
	for i := range got.List {
		rec := &got.List[i]
		one := mail.SearchSnippet{EmailID: rec.ID}
		var parsed *mail.Parsed
		if len(body) > 0 || rec.Summary == nil {
			raw, err := readBlob(ctx, a, rec.BlobID)
			if gone(err) != nil {
				return nil, err
			}
			if err != nil {
				out.NotFound = append(out.NotFound, rec.ID)
				continue
			}
			parsed = mail.Parse(raw, rec.BlobID)
			if rec.Summary == nil {
				rec.Summary = parsed.Summary()
			}
		}
		one.Subject = mark(subjectText(rec.Summary), subject, 0)
		if len(body) > 0 {
			for _, part := range leaves(nil, &parsed.Structure) {
				if one.Preview == "" && strings.HasPrefix(part.Type, "text/") {
					one.Preview = mark(strings.Join(strings.Fields(parsed.Text(&part)), " "), body, maxPreview)
				}
			}
		}
		out.List = append(out.List, one)
	}
	return out, nil
}

// snippetTerms collects what a filter looks for.
func snippetTerms(f *jmap.Filter[mail.EmailCondition], subject, body *[]string) {
	switch {
	case f == nil || f.Operator == jmap.Not:
	case f.Operator == "":
		if f.Condition == nil {
			return
		}
		*subject = append(append(*subject, parseTerms(f.Condition.Text)...), parseTerms(f.Condition.Subject)...)
		*body = append(append(*body, parseTerms(f.Condition.Text)...), parseTerms(f.Condition.Body)...)
	default:
		for i := range f.Conditions {
			snippetTerms(&f.Conditions[i], subject, body)
		}
	}
}

// A span is octets of a text.
type span struct{ from, to int }

// findTerms returns where the terms stand in a text, in order, without overlaps.
func findTerms(text string, terms []string) []span {
	// The text folded, with the place of each folded octet in the original.
	var b strings.Builder
	var place []int
	for i, r := range text {
		b.WriteString(fold(string(r)))
		for len(place) < b.Len() {
			place = append(place, i)
		}
	}
	place = append(place, len(text))
	folded := b.String()
	var all []span
	for _, t := range terms {
		for at := 0; t != "" && len(all) < 1000; {
			i := strings.Index(folded[at:], t)
			if i < 0 {
				break
			}
			i += at
			at = i + len(t)
			to := place[at]
			for at < len(folded) && to == place[at-1] {
				at++ // a term ends within what one character was folded to
				to = place[at]
			}
			all = append(all, span{place[i], to})
		}
	}
	slices.SortFunc(all, func(x, y span) int { return cmp.Or(x.from-y.from, y.to-x.to) })
	var out []span
	for _, s := range all {
		if n := len(out); n > 0 && s.from < out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// mark returns a text in HTML with the terms marked, "" where it has none. With most, it is a section of the text around
// the first of them, of at most so many octets.
func mark(text string, terms []string, most int) jmap.NullString {
	spans := findTerms(text, terms)
	if len(spans) == 0 {
		return ""
	}
	start := 0
	if most > 0 && spans[0].from > 60 {
		start = spans[0].from - 60
		if i := strings.IndexByte(text[start:spans[0].from], ' '); i >= 0 {
			start += i + 1
		} else {
			start = spans[0].from
		}
	}
	var b strings.Builder
	fits := func(s string, more int) bool { return most == 0 || b.Len()+len(s)+more <= most }
	marked := false
	for at, r := range text[start:] {
		at += start
		for len(spans) > 0 && spans[0].to <= at {
			spans = spans[1:]
		}
		in := len(spans) > 0 && at >= spans[0].from
		piece := escape(r)
		switch {
		case in && !marked:
			piece = "<mark>" + piece
		case !in && marked:
			piece = "</mark>" + piece
		}
		closing := 0
		if in {
			closing = len("</mark>")
		}
		if !fits(piece, closing) {
			break
		}
		b.WriteString(piece)
		marked = in
	}
	if marked {
		b.WriteString("</mark>")
	}
	return jmap.NullString(b.String())
}

// escape returns a character as HTML.
func escape(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(r)
}
