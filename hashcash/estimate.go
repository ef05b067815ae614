package hashcash

import "math"

// An Estimate says how many attempts a stamp takes. Minting has no memory: after any number of failures, as many
// lie ahead as at the start, so a bar from 0 to 100 % would be a lie.
type Estimate struct {
	Mean          float64
	P50, P90, P99 float64 // attempts after which half, 90 %, 99 % of all stamps are found
}

// EstimateBits returns the Estimate for a stamp of that many bits.
func EstimateBits(bits int) Estimate {
	mean := math.Ldexp(1, bits)
	at := func(q float64) float64 {
		if bits == 0 {
			return 1
		}
		return math.Log1p(-q) / math.Log1p(-1/mean)
	}
	return Estimate{Mean: mean, P50: at(.5), P90: at(.9), P99: at(.99)}
}

// Chance returns the probability that a stamp of that many bits is found within n attempts.
func Chance(bits int, n uint64) float64 {
	if bits == 0 {
		return min(1, float64(n))
	}
	return -math.Expm1(float64(n) * math.Log1p(-math.Ldexp(1, -bits)))
}
