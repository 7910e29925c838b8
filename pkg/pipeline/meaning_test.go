package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/inventory"
)

func replica(id, name, service, project string) inventory.Container {
	return inventory.Container{ID: strings.Repeat(id, 64/len(id)), Name: name, Service: service, Project: project, PID: 1, State: "running"}
}

// While a selector is ambiguous, what it meant before is traced on, which is said;
// other selectors follow what comes.
func TestSelectorBecomesAmbiguous(t *testing.T) {
	web1, web2 := replica("a1", "web-1", "web", "shop"), replica("a2", "web-2", "web", "shop")
	other, job := replica("b1", "other-web-1", "web", "other"), replica("c1", "job-1", "", "")
	m := newMeaning([]string{"web", "job-*"})
	for _, step := range []struct {
		name    string
		there   []inventory.Container
		want    string
		unclear bool
	}{
		{"begin", []inventory.Container{web1, job}, "job-1 web-1", false},
		{"a replica joins", []inventory.Container{web1, web2, job}, "job-1 web-1 web-2", false},
		{"another project has such a service", []inventory.Container{web1, web2, job, other}, "job-1 web-1 web-2", true},
		{"others follow", []inventory.Container{web1, web2, job, other, replica("c2", "job-2", "", "")}, "job-1 job-2 web-1 web-2", true},
		{"one that it meant has gone", []inventory.Container{web2, job, other}, "job-1 web-2", true},
		{"it is clear again", []inventory.Container{web1, web2, job}, "job-1 web-1 web-2", false},
		{"one matches nothing", []inventory.Container{job}, "job-1", false},
	} {
		sel, note, err := m.in(inventory.NewView(inventory.Facts{Containers: step.there}))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var names []string
		for _, c := range sel.Containers {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		if is := strings.Contains(note, `"web" means several containers`) && strings.Contains(note, "stays with"); is != step.unclear || !is && note != "" {
			t.Errorf("%s: note %q", step.name, note)
		}
	}
}

func TestSelectorWithoutAMeaningIsAnError(t *testing.T) {
	v := inventory.NewView(inventory.Facts{Containers: []inventory.Container{
		replica("a1", "web-1", "web", "shop"), replica("b1", "web-2", "web", "other")}})
	var ambiguous *inventory.AmbiguousError
	if _, _, err := newMeaning([]string{"web"}).in(v); !errors.As(err, &ambiguous) {
		t.Errorf("%v", err)
	}
	if sel, _, err := newMeaning(nil).in(v); err != nil || len(sel.Containers) != 0 {
		t.Errorf("without selectors: %+v, %v", sel, err)
	}
}
