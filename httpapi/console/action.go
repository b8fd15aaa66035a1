package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// plan is what an action is about to do: calls of the API, which are shown before they are made.
type plan struct {
	Title   string
	Ask     string // what it destroys, with how many; "" = nothing
	Notes   []string
	Blocked string // why it cannot be done as it is filled in; "" = it can
	Button  string
	Danger  bool
	Inputs  []input
	Table   *planTable // what a dry run tells; nil = none
	Calls   []call
	CLI     []string // the same as command lines
	Done    func(answers []*answer) done
}

// input is something that can be filled in before.
type input struct {
	Name, Label, Value, Hint string
	Kind                     string   // text, number, area, check; options: select
	Options                  []string // of a select
}

type planTable struct {
	Head []string
	Rows [][]string
}

// done is what became of it.
type done struct{ Text, Link, LinkText string } // the link is relative to the root

// action makes the plan of a form.
type action func(v *visit, f url.Values) (*plan, error)

// Actions are the names of all actions, sorted.
func Actions() []string { return slices.Sorted(maps.Keys(actions)) }

// asked is the data of an action's page.
type asked struct {
	Action string
	Form   url.Values // what the plan was made of, inputs aside
	Plan   *plan
	Curl   []string
	Done   *done
	Back   string // page to go back to, relative to the root
}

// maxForm is how much a form may hold, in bytes; larger records are published with curl.
const maxForm = 4 << 20

// form reads an action and what was filled in: of the query (ask), or the body (do).
func (v *visit) form() (string, action, url.Values, error) {
	name := v.r.PathValue("action")
	act := actions[name]
	if act == nil {
		return name, nil, nil, errNoPage
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return name, nil, nil, badf("the form could not be read: it may hold %s", bytesText(maxForm))
	}
	f := v.r.Form
	if v.r.Method == http.MethodPost {
		f = v.r.PostForm
	}
	return name, act, f, nil
}

// askAction shows what an action would do, with its calls. It changes nothing.
func askAction(v *visit) error {
	name, act, f, err := v.form()
	if err != nil {
		return err
	}
	p, err := act(v, f)
	if err != nil {
		return err
	}
	return v.showAction(name, f, p, nil)
}

// doAction makes the calls of an action's plan; with "preview" in the form it only shows them.
func doAction(v *visit) error {
	name, act, f, err := v.form()
	if err != nil {
		return err
	}
	p, err := act(v, f)
	if err != nil {
		return err
	}
	if f.Get("preview") != "" {
		return v.fragment("action", "plan", v.page("action", p.Title, v.asked(name, f, p, nil)))
	}
	if p.Blocked != "" {
		return badf("%s", p.Blocked)
	}
	answers := make([]*answer, 0, len(p.Calls))
	for _, c := range p.Calls {
		a, err := v.do(c)
		if err != nil {
			v.c.sampler.changed()
			return err
		}
		answers = append(answers, a)
	}
	v.c.sampler.changed()
	v.c.cfg.Log.Info("done in the console", "action", name, "calls", len(p.Calls), "path", p.Calls[0].path)
	out := done{Text: "Done."}
	if p.Done != nil {
		out = p.Done(answers)
	}
	v.w.Header().Set("HX-Trigger", "holt:changed")
	return v.showAction(name, f, p, &out)
}

func (v *visit) asked(name string, f url.Values, p *plan, d *done) asked {
	form := url.Values{}
	for k, vs := range f {
		if !slices.ContainsFunc(p.Inputs, func(i input) bool { return i.Name == k }) && k != "preview" && k != "back" {
			form[k] = vs
		}
	}
	a := asked{Action: name, Form: form, Plan: p, Done: d, Back: f.Get("back")}
	if strings.Contains(a.Back, ":") || strings.HasPrefix(a.Back, "/") {
		a.Back = ""
	}
	for _, c := range p.Calls {
		a.Curl = append(a.Curl, v.curl(c))
	}
	return a
}

func (v *visit) showAction(name string, f url.Values, p *plan, d *done) error {
	page := v.page("action", p.Title, v.asked(name, f, p, d))
	if v.partial() {
		return v.fragment("action", "dialog", page)
	}
	return v.render(page)
}

// button is a form of one button that asks for an action.
type button struct {
	Root, Action, Label, Back string
	Danger                    bool
	Fields                    [][2]string
}

// newButton makes a button on a page, with fields as names and values by turns.
func newButton(p *page, action, label string, fields ...any) button {
	b := button{Root: p.Root, Action: action, Label: label, Back: p.Self, Danger: strings.HasSuffix(action, ".delete") || strings.HasSuffix(action, ".reject") || strings.HasSuffix(action, ".purge")}
	for i := 0; i+1 < len(fields); i += 2 {
		value, ok := fields[i+1].(string)
		if !ok {
			value = strings.ReplaceAll(strings.Replace(num(fields[i+1]), "−", "-", 1), ",", "")
		}
		b.Fields = append(b.Fields, [2]string{fields[i].(string), value})
	}
	return b
}
