package roster

import "container/heap"

// deadlines are the members by a time at which their session may be over: a member's session is extended without a move, and the queue finds out
// when it comes to it.
type deadlines struct{ list []*member }

func (d *deadlines) first() *member {
	if len(d.list) == 0 {
		return nil
	}
	return d.list[0]
}

func (d *deadlines) push(m *member) { heap.Push((*byTime)(d), m) }

func (d *deadlines) move(m *member, ms int64) {
	m.timed = ms
	heap.Fix((*byTime)(d), m.place)
}

func (d *deadlines) remove(m *member) { heap.Remove((*byTime)(d), m.place) }

// byTime implements heap.Interface.
type byTime deadlines

func (d *byTime) Len() int { return len(d.list) }

func (d *byTime) Less(i, j int) bool { return d.list[i].timed < d.list[j].timed }

func (d *byTime) Swap(i, j int) {
	d.list[i], d.list[j] = d.list[j], d.list[i]
	d.list[i].place, d.list[j].place = i, j
}

func (d *byTime) Push(x any) {
	m := x.(*member)
	m.place = len(d.list)
	d.list = append(d.list, m)
}

func (d *byTime) Pop() any {
	m := d.list[len(d.list)-1]
	d.list[len(d.list)-1] = nil
	d.list = d.list[:len(d.list)-1]
	return m
}
