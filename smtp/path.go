package smtp

// A Path is a reverse-path or forward-path without its angle brackets and without source route (RFC 5321 §4.1.2).
//
// Local is the local part by value: quotes and backslashes of a quoted string are taken off when a Path is parsed,
// and put on again when it is written, if its characters need them. Domain is as given: a domain (A-labels or
// U-labels) or an address literal with its brackets.
//
// The zero Path is the null reverse-path <>. A Path with a Local and no Domain is <Postmaster>.
type Path struct {
	Local, Domain string
}

// IsNull reports whether p is the null reverse-path <>.
func (p Path) IsNull() bool { return p == Path{} }
