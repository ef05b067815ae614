package jmap

// An ID names a record within its account and type, or an account, or a blob (RFC 8620 §1.2).
type ID string

// MaxIDLength is the length of the longest ID in octets.
const MaxIDLength = 255

// Valid reports whether id is 1 to 255 octets of A-Z a-z 0-9 "-" "_".
func (id ID) Valid() bool {
	if len(id) == 0 || len(id) > MaxIDLength {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// A State is an opaque string that changes when the data of its type in its account changes.
type State string
