package lease

// members numbers the names of members, so that a record keeps four bytes of its holder. Names nobody refers to stay for the next
// lease of the same member until they are more than those in use.
type members struct {
	all   []member // number − 1
	free  []uint32
	names table
	live  int // names some record refers to
}

type member struct {
	name string
	hash uint64
	refs int
}

// hashName is FNV-1a with a final mix.
func hashName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(name); i++ {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return mix(h)
}

func (m *members) name(id uint32) string {
	if id == 0 {
		return ""
	}
	return m.all[id-1].name
}

// intern gives the number of a name, without a reference. Two names of equal hash get numbers of their own: the later one is moved on
// until its hash is free.
func (m *members) intern(name string) uint32 {
	if name == "" {
		return 0
	}
	if m.names.keyOf == nil {
		m.names.keyOf = func(id uint32) uint64 { return m.all[id-1].hash }
	}
	h := hashName(name)
	for id := m.names.get(h); id != 0; id = m.names.get(h) {
		if m.all[id-1].name == name {
			return id
		}
		h++
	}
	if m.names.n > 2*m.live+64 {
		m.sweep()
	}
	x := member{name: string(append([]byte(nil), name...)), hash: h}
	var id uint32
	if n := len(m.free); n > 0 {
		id, m.free = m.free[n-1], m.free[:n-1]
		m.all[id-1] = x
	} else {
		m.all = append(m.all, x)
		id = uint32(len(m.all))
	}
	m.names.put(h, id)
	return id
}

func (m *members) ref(id uint32) {
	if id == 0 {
		return
	}
	if m.all[id-1].refs++; m.all[id-1].refs == 1 {
		m.live++
	}
}

func (m *members) unref(id uint32) {
	if id == 0 {
		return
	}
	if m.all[id-1].refs--; m.all[id-1].refs == 0 {
		m.live--
	}
}

// sweep drops the names nobody refers to.
func (m *members) sweep() {
	m.names.cells, m.names.n = nil, 0
	m.free = m.free[:0]
	for i := range m.all {
		x := &m.all[i]
		id := uint32(i + 1)
		if x.refs == 0 {
			*x = member{}
			m.free = append(m.free, id)
			continue
		}
		h := hashName(x.name)
		for m.names.get(h) != 0 {
			h++
		}
		x.hash = h
		m.names.put(h, id)
	}
}
