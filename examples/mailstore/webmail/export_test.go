package webmail

// Attacks are those of TestAttacks, by name, EVIL being where they call home.
func Attacks() map[string]string {
	out := make(map[string]string)
	for _, a := range attacks() {
		out[a.name] = a.html
	}
	return out
}
