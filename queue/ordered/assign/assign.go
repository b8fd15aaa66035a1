package assign

// None stands for no member.
const None = -1

// Input is who wants what, and what was.
type Input struct {
	Topics  []int   // how many partitions each topic has
	Members [][]int // for each member, the topics it reads, each once
	Was     [][]int // [topic][partition]: the member that was to read it, or None; rows may be missing or short
	Held    [][]int // likewise: the member that reads it at present; it breaks ties
}

// Assign returns for each topic and partition the member that is to read it, or None if nobody wants the topic.
func Assign(in Input) [][]int {
	s := newState(in)
	s.keep()
	s.fill()
	s.balance()
	return s.target
}

// state is an assignment under way.
type state struct {
	in      Input
	readers [][]int // of each topic, by index
	target  [][]int
	load    []int   // partitions of each member
	owned   [][]int // for each member, beside in.Members: how many partitions of that topic it has
}

func newState(in Input) *state {
	s := &state{
		in: in, readers: make([][]int, len(in.Topics)), target: make([][]int, len(in.Topics)),
		load: make([]int, len(in.Members)), owned: make([][]int, len(in.Members)),
	}
	wants, count := 0, make([]int, len(in.Topics))
	for _, topics := range in.Members {
		wants += len(topics)
		for _, t := range topics {
			count[t]++
		}
	}
	owned, readers := make([]int, wants), make([]int, 0, wants) // one allocation each: thousands may join at once
	for t, n := range in.Topics {
		s.readers[t], readers = readers[:0:count[t]], readers[count[t]:count[t]:cap(readers)]
		s.target[t] = make([]int, n)
		for p := range s.target[t] {
			s.target[t][p] = None
		}
	}
	for m, topics := range in.Members {
		s.owned[m], owned = owned[:len(topics)], owned[len(topics):]
		for _, t := range topics {
			s.readers[t] = append(s.readers[t], m)
		}
	}
	return s
}

// keep takes over what was, as far as its reader still wants it.
func (s *state) keep() {
	for t := range s.target {
		for p := range s.target[t] {
			if m := at(s.in.Was, t, p); m != None && s.wants(m, t) >= 0 {
				s.give(t, p, m)
			}
		}
	}
}

// fill gives each partition without a reader to one with the least to do: to the one that reads it at present, if that is one of them.
func (s *state) fill() {
	for t := range s.target {
		if len(s.readers[t]) == 0 {
			continue
		}
		for p, m := range s.target[t] {
			if m == None {
				s.give(t, p, s.idlest(t, at(s.in.Held, t, p)))
			}
		}
	}
}

// idlest returns a reader of a topic with the least to do, preferring one.
func (s *state) idlest(t, prefer int) int {
	best := s.readers[t][0]
	for _, m := range s.readers[t] {
		if s.load[m] < s.load[best] || m == prefer && s.load[m] == s.load[best] {
			best = m
		}
	}
	return best
}

// balance moves partitions along chains of members, from the fullest one to the emptiest that can be reached, until no chain makes a difference.
// A member from which there is none is closed, with all that it reaches: no later chain leads through them, for they are as full.
func (s *state) balance() {
	closed := make([]bool, len(s.load))
	for {
		from := s.fullest(closed)
		if from == None {
			return
		}
		to, chain := s.search(from, closed)
		if to == None {
			for m := range chain {
				closed[m] = closed[m] || chain[m].seen
			}
			continue
		}
		s.shift(to, chain)
	}
}

// fullest returns the fullest member that is not closed; None if no two loads differ by two.
func (s *state) fullest(closed []bool) int {
	from, least := None, 0
	for m, n := range s.load {
		if !closed[m] && (from == None || n > s.load[from]) {
			from = m
		}
		if m == 0 || n < least {
			least = n
		}
	}
	if from == None || s.load[from] < least+2 {
		return None
	}
	return from
}

// link says how a search came to a member: from which one, over which topic.
type link struct {
	seen  bool
	from  int
	topic int
}

// search goes breadth first from a member over the topics it has partitions of to their readers, and so on. It returns the emptiest member it met
// that has at least two less than from, the nearest of those, or None.
func (s *state) search(from int, closed []bool) (to int, chain []link) {
	chain = make([]link, len(s.load))
	chain[from] = link{seen: true, from: None}
	over := make([]bool, len(s.in.Topics))
	queue := []int{from}
	to = None
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		for i, t := range s.in.Members[m] {
			if over[t] || s.owned[m][i] == 0 {
				continue
			}
			over[t] = true
			for _, r := range s.readers[t] {
				if chain[r].seen || closed[r] {
					continue
				}
				chain[r] = link{seen: true, from: m, topic: t}
				queue = append(queue, r)
				if s.load[r]+2 <= s.load[from] && (to == None || s.load[r] < s.load[to]) {
					to = r
				}
			}
		}
	}
	return to, chain
}

// shift moves one partition over each link of a chain.
func (s *state) shift(to int, chain []link) {
	for m := to; chain[m].from != None; m = chain[m].from {
		l := chain[m]
		p := s.spare(l.topic, l.from, m)
		s.take(l.topic, p)
		s.give(l.topic, p, m)
	}
}

// spare chooses which partition of a topic one member gives another: one that the other reads at present, else one that the first has not begun
// to read, else the last.
func (s *state) spare(t, from, to int) int {
	best, rank := None, 0
	for p, m := range s.target[t] {
		if m != from {
			continue
		}
		r := 1
		switch at(s.in.Held, t, p) {
		case to:
			r = 3
		case from:
		default:
			r = 2
		}
		if r >= rank {
			best, rank = p, r
		}
	}
	return best
}

func (s *state) give(t, p, m int) {
	s.target[t][p] = m
	s.load[m]++
	s.owned[m][s.wants(m, t)]++
}

func (s *state) take(t, p int) {
	m := s.target[t][p]
	s.target[t][p] = None
	s.load[m]--
	s.owned[m][s.wants(m, t)]--
}

// wants returns the place of a topic among those that a member reads, or −1.
func (s *state) wants(m, t int) int {
	for i, u := range s.in.Members[m] {
		if u == t {
			return i
		}
	}
	return -1
}

// at looks up a table whose rows may be missing or short.
func at(table [][]int, t, p int) int {
	if t >= len(table) || p >= len(table[t]) {
		return None
	}
	return table[t][p]
}
