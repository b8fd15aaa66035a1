package console

type orderedRow struct{}

func (v *visit) showOrdered(g *groupView, d groupPage) error {
	return v.render(v.groupPage(g.Name, g.Name, "group", d))
}
