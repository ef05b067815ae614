package mail

import (
	"encoding/base64"
	"errors"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/jmap"
)

// errHeaderValue says that a value cannot stand in a header field.
var errHeaderValue = errors.New("not a value of this header field")

// AppendField appends a header field with a value in the form, folded and in encoded words where it needs them: the
// inverse of HeaderProperty.Value. With p.All, v is an array and makes a field of each element; null makes none.
func (p HeaderProperty) AppendField(dst []byte, v jmap.Raw) ([]byte, error) {
	values := []jmap.Raw{v}
	if p.All {
		values = nil
		if err := jmap.Unmarshal(v, &values); err != nil {
			return dst, errHeaderValue
		}
	} else if string(v) == "null" {
		return dst, nil
	}
	for _, v := range values {
		text, err := p.Form.compose(v)
		if err != nil {
			return dst, err
		}
		dst = appendFolded(dst, p.Name, text)
	}
	return dst, nil
}

// compose returns a value in the form as the text of a field, unfolded.
func (f HeaderForm) compose(v jmap.Raw) (string, error) {
	switch f {
	case FormRaw:
		s, err := decodeAs[string](v)
		if err != nil || !cleanValue(unfold(s)) || unfold(s) != strings.NewReplacer("\r\n ", " ", "\r\n\t", "\t").Replace(s) {
			return "", errHeaderValue
		}
		return strings.TrimLeft(unfold(s), " \t"), nil
	case FormText:
		s, err := decodeAs[string](v)
		if err != nil || !utf8.ValidString(s) {
			return "", errHeaderValue
		}
		return encodeText(s), nil
	case FormAddresses:
		list, err := decodeAs[[]Address](v)
		if err != nil {
			return "", errHeaderValue
		}
		return composeAddresses(list)
	case FormGroupedAddresses:
		groups, err := decodeAs[[]AddressGroup](v)
		if err != nil {
			return "", errHeaderValue
		}
		return composeGroups(groups)
	case FormMessageIDs:
		return composeAngles(v, " ")
	case FormURLs:
		return composeAngles(v, ", ")
	case FormDate:
		d, err := decodeAs[jmap.Date](v)
		if err != nil || d.IsZero() {
			return "", errHeaderValue
		}
		return d.Format("Mon, 2 Jan 2006 15:04:05 -0700"), nil
	}
	return "", errHeaderValue
}

func decodeAs[T any](v jmap.Raw) (T, error) {
	var out T
	err := jmap.Unmarshal(v, &out)
	return out, err
}

// cleanValue reports whether s has no control characters but the tab.
func cleanValue(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 && c != '\t' || c == 0x7f })
}

// encodeText writes unstructured text with encoded words (RFC 2047 §5) where it has other than printable ASCII, or what
// would be read as an encoded word.
func encodeText(s string) string {
	if strings.Contains(s, "=?") || slices.ContainsFunc(strings.Fields(s), func(w string) bool { return len(w) > 900 }) {
		return encodeWords(s)
	}
	return mime.QEncoding.Encode("utf-8", s)
}

// encodeWords writes any text in encoded words of at most 75 octets, none of which ends within a character.
func encodeWords(s string) string {
	const most = 45 // octets whose base64 has 60
	var out []string
	for s != "" {
		n := min(most, len(s))
		for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		out = append(out, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(out, " ")
}

// composeAngles writes strings in angle brackets.
func composeAngles(v jmap.Raw, separator string) (string, error) {
	list, err := decodeAs[[]string](v)
	if err != nil {
		return "", errHeaderValue
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == "" || strings.ContainsAny(s, "<> \t") || !cleanValue(s) {
			return "", errHeaderValue
		}
		out[i] = "<" + s + ">"
	}
	return strings.Join(out, separator), nil
}

func composeAddresses(list []Address) (string, error) {
	out := make([]string, len(list))
	for i, a := range list {
		back := ParseAddresses("<" + a.Email + ">")
		if !cleanValue(a.Email) || !cleanText(a.Email) || len(back) != 1 || back[0].Email != a.Email {
			return "", errHeaderValue
		}
		out[i] = a.Email
		if a.Name != "" {
			name, err := composePhrase(string(a.Name))
			if err != nil {
				return "", err
			}
			out[i] = name + " <" + a.Email + ">"
		}
	}
	return strings.Join(out, ", "), nil
}

// cleanText reports whether an address can stand in brackets as it is.
func cleanText(s string) bool { return utf8.ValidString(s) && !strings.ContainsAny(s, "<>") }

func composeGroups(groups []AddressGroup) (string, error) {
	out := make([]string, len(groups))
	for i, g := range groups {
		list, err := composeAddresses(g.Addresses)
		if err != nil {
			return "", err
		}
		out[i] = list
		if g.Name != nil {
			name, err := composePhrase(*g.Name)
			if err != nil {
				return "", err
			}
			out[i] = name + ": " + list + ";"
		}
	}
	return strings.Join(out, ", "), nil
}

// composePhrase writes a display name: a quoted string, or encoded words where it is not ASCII.
func composePhrase(name string) (string, error) {
	if !utf8.ValidString(name) || !cleanValue(name) {
		return "", errHeaderValue
	}
	if strings.Contains(name, "=?") {
		return encodeWords(name), nil
	}
	s := (&netmail.Address{Name: name, Address: "a@b"}).String()
	return strings.TrimSuffix(s, " <a@b>"), nil
}

// appendFolded appends a field, folded at white space so that lines have at most 78 octets where they can (RFC 5322
// §2.1.1, §2.2.3).
func appendFolded(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ':')
	column := len(name) + 1
	rest := " " + value
	if value == "" {
		rest = ""
	}
	for rest != "" {
		// A word with the white space before it.
		n := len(rest) - len(strings.TrimLeft(rest, " \t"))
		if i := strings.IndexAny(rest[n:], " \t"); i >= 0 {
			n += i
		} else {
			n = len(rest)
		}
		word := rest[:n]
		if column+len(word) > 78 && column > len(name)+1 && strings.Trim(word, " \t") != "" {
			dst = append(dst, '\r', '\n')
			column = 0
		}
		dst = append(dst, word...)
		column += len(word)
		rest = rest[n:]
	}
	return append(dst, '\r', '\n')
}
