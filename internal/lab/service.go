package lab

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// Service has a swarm's one node run a service of one task, which is asked for by the
// service's name without a virtual IP (endpoint mode dnsrr), and gives the task's
// container. The engine must be a manager of a swarm, the network its overlay.
func (s *Shop) Service(spec ContainerSpec) *Container {
	s.t.Helper()
	ctx := context.Background()
	name := s.Name(spec.Name)
	labels := map[string]string{label: "1"}
	task := swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: s.image, Args: spec.Args, Labels: labels}}
	for _, n := range spec.Networks {
		task.Networks = append(task.Networks, swarm.NetworkAttachmentConfig{Target: n.ID, Aliases: []string{spec.Name}})
	}
	made, err := s.Client.ServiceCreate(ctx, swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name, Labels: labels},
		TaskTemplate: task,
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR},
	}, swarm.ServiceCreateOptions{})
	must(s.t, err, "create service %s", name)
	s.t.Cleanup(func() { s.removeService(made.ID) })

	c := &Container{shop: s}
	Eventually(s.t, "the task of service "+name+" runs", func() bool {
		for _, x := range s.tasks(made.ID) {
			if x.State == "running" {
				c.ID, c.Name = x.ID, x.Names[0][1:]
				return true
			}
		}
		return false
	})
	c.refresh()
	if port, ok := servedPort(spec.Args); ok {
		c.waitListening(port)
	}
	return c
}

// removeService waits until its containers are gone: they are in its networks.
func (s *Shop) removeService(id string) {
	s.t.Helper()
	must(s.t, s.Client.ServiceRemove(context.Background(), id), "remove service %s", id)
	Eventually(s.t, "the service's tasks are gone", func() bool { return len(s.tasks(id)) == 0 })
}

// tasks are the containers of a service.
func (s *Shop) tasks(service string) []container.Summary {
	s.t.Helper()
	list, err := s.Client.ContainerList(context.Background(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.id="+service)),
	})
	must(s.t, err, "list the tasks of a service")
	return list
}
