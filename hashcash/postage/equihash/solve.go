package equihash

import (
	"context"
	"math"
	"slices"

	"golang.org/x/crypto/blake2b"
)

const (
	slotBits = 11                                    // a bucket has 2^slotBits rows on average
	keyBits  = slotBits - 1                          // of the bits of a collision, those not told by the bucket
	slots    = 1<<slotBits + 1<<8                    // room: six standard deviations more
	pairBits = 22                                    // for the number of a pair of rows of a bucket
	_        = uint(1<<pairBits - slots*(slots-1)/2) // they fit
)

// A Solver finds solutions. It keeps its memory, 53 octets for each of 2^(n/6+1) pieces and an eighth more, from one run
// to the next. Its zero value is ready; it is for one goroutine.
type Solver struct {
	p       params
	buckets int
	rows    [2][]piece  // of this layer and of the next; a bucket has slots of them
	count   [2][]uint16 // rows of each bucket
	// from[0] has the number of a piece, the others which pair of the layer before a row was made of:
	// bucket ‖ j*(j-1)/2+i for rows i < j of it.
	from [k][]uint32
	// Rows of one bucket by their key, linked: the last row of a key, and the one before each row; 0 is none, else row+1.
	last   [1 << keyBits]uint16
	before [slots]uint16
}

// Solve runs once and returns the solutions for header, packed: two on average, and often none. They are always the same.
// An error is ErrParameter or ctx's.
func (s *Solver) Solve(ctx context.Context, n int, header []byte) ([][]byte, error) {
	p, err := paramsOf(n)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, p, seeded(header))
}

func (s *Solver) run(ctx context.Context, p params, leaf leaves) ([][]byte, error) {
	s.prepare(p)
	if err := s.fill(ctx, leaf); err != nil {
		return nil, err
	}
	var solutions [][]byte
	for layer := range k {
		for b := range s.buckets {
			if b&15 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if layer < k-1 {
				s.collide(layer, b)
			} else {
				solutions = s.finish(b, solutions)
			}
		}
		s.rows[0], s.rows[1] = s.rows[1], s.rows[0]
		s.count[0], s.count[1] = s.count[1], s.count[0]
		clear(s.count[1])
	}
	return solutions, nil
}

// prepare makes room, unless it is there.
func (s *Solver) prepare(p params) {
	if s.p != p {
		*s = Solver{p: p, buckets: 1 << (p.c - keyBits)}
		for i := range s.rows {
			s.rows[i] = make([]piece, s.buckets*slots)
			s.count[i] = make([]uint16, s.buckets)
		}
		for i := range s.from {
			s.from[i] = make([]uint32, s.buckets*slots)
		}
	}
	clear(s.count[0])
	clear(s.count[1])
}

// put adds a row to a layer; one for which there is no room is lost.
func (s *Solver) put(rows []piece, count []uint16, from []uint32, r piece, origin uint32) {
	b := int(r.hi >> (64 - s.p.c + keyBits))
	n := int(count[b])
	if n == slots {
		return
	}
	rows[b*slots+n], from[b*slots+n] = r, origin
	count[b]++
}

// fill makes the first layer, of all pieces.
func (s *Solver) fill(ctx context.Context, leaf leaves) error {
	total := 1 << (s.p.c + 1)
	var numbers [lanes]uint32
	var blocks [lanes][blake2b.Size]byte
	for first := 0; first*s.p.each < total; first += lanes {
		if first&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for i := range numbers {
			numbers[i] = uint32(first + i)
		}
		leaf(&numbers, &blocks)
		for lane := range blocks {
			g := first + lane
			for i := range min(s.p.each, total-g*s.p.each) {
				s.put(s.rows[0], s.count[0], s.from[0], s.p.piece(&blocks[lane], i), uint32(g*s.p.each+i))
			}
		}
	}
	return nil
}

// key returns the bits of the collision that the bucket does not tell.
func (s *Solver) key(r piece) int { return int(r.hi >> (64 - s.p.c) & (1<<keyBits - 1)) }

// collide makes rows of the next layer of all pairs of a bucket that agree in their first c bits.
func (s *Solver) collide(layer, b int) {
	rows := s.rows[0][b*slots:][:s.count[0][b]]
	next, count, from := s.rows[1], s.count[1], s.from[layer+1]
	clear(s.last[:])
	for j, y := range rows {
		key := s.key(y)
		for i := s.last[key]; i != 0; i = s.before[i-1] {
			r := s.p.join(rows[i-1], y)
			if r == (piece{}) {
				continue // the same pieces twice
			}
			s.put(next, count, from, r, uint32(b<<pairBits|j*(j-1)/2+int(i-1)))
		}
		s.before[j] = s.last[key]
		s.last[key] = uint16(j + 1)
	}
}

// finish appends the solutions of a bucket of the last layer: pairs that agree in all that is left.
func (s *Solver) finish(b int, solutions [][]byte) [][]byte {
	rows := s.rows[0][b*slots:][:s.count[0][b]]
	clear(s.last[:])
	for j, y := range rows {
		key := s.key(y)
		for i := s.last[key]; i != 0; i = s.before[i-1] {
			if rows[i-1] != y {
				continue
			}
			numbers := make([]uint32, 0, places)
			numbers = s.ordered(numbers, k-1, b*slots+int(i-1), b*slots+j)
			if distinct(numbers) {
				solutions = append(solutions, s.p.pack(nil, numbers))
			}
		}
		s.before[j] = s.last[key]
		s.last[key] = uint16(j + 1)
	}
	return solutions
}

// expand appends the numbers that a row of a layer was made of.
func (s *Solver) expand(dst []uint32, layer, row int) []uint32 {
	origin := s.from[layer][row]
	if layer == 0 {
		return append(dst, origin)
	}
	b, pair := int(origin>>pairBits), int(origin&(1<<pairBits-1))
	j := int((1 + math.Sqrt(float64(1+8*pair))) / 2)
	for ; j*(j-1)/2 > pair; j-- {
	}
	for ; j*(j+1)/2 <= pair; j++ {
	}
	return s.ordered(dst, layer-1, b*slots+pair-j*(j-1)/2, b*slots+j)
}

// ordered appends the numbers of two rows of a layer, those with the smaller first number first.
func (s *Solver) ordered(dst []uint32, layer, x, y int) []uint32 {
	n := len(dst)
	dst = s.expand(dst, layer, x)
	half := len(dst)
	dst = s.expand(dst, layer, y)
	if dst[n] > dst[half] {
		for i := range half - n {
			dst[n+i], dst[half+i] = dst[half+i], dst[n+i]
		}
	}
	return dst
}

func distinct(numbers []uint32) bool {
	sorted := slices.Sorted(slices.Values(numbers))
	return len(slices.Compact(sorted)) == len(numbers)
}
