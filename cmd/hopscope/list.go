package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/inventory"
)

func listCommand() *cobra.Command {
	var dockerHost string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List containers with their networks, interfaces, addresses and ports",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			inv, err := inventory.Open(cmd.Context(), inventory.Options{DockerHost: dockerHost})
			if err != nil {
				return err
			}
			defer inv.Close()
			say := newSpeaker(cmd.ErrOrStderr(), false)
			say.notes(inv.Notes())
			return printList(cmd.OutOrStdout(), inv.View())
		},
	}
	cmd.Flags().StringVar(&dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	return cmd
}

// printList gives a row to each network of each container.
func printList(w io.Writer, v *inventory.View) error {
	containers := slices.Clone(v.Containers())
	slices.SortFunc(containers, func(a, b inventory.Container) int { return cmp.Compare(a.Name, b.Name) })
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "CONTAINER\tID\tSTATE\tMODE\tNETWORK\tINTERFACE\tHOST SIDE\tADDRESS\tPORTS")
	for _, c := range containers {
		if !c.Gone.IsZero() {
			continue
		}
		networks := c.Networks
		if len(networks) == 0 {
			networks = []inventory.Attachment{{}}
		}
		for i, a := range networks {
			name, id, state, mode, ports := c.Name, c.ID[:min(12, len(c.ID))], c.State, c.NetworkMode, portList(c.Ports)
			if i > 0 {
				name, id, state, mode, ports = "", "", "", "", ""
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, id, state, dash(mode),
				dash(a.Network), dash(a.Interface), dash(a.HostInterface), dash(addressList(a)), dash(ports))
		}
	}
	return tw.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func addressList(a inventory.Attachment) string {
	var out []string
	for _, ip := range a.IP {
		out = append(out, ip.String())
	}
	return strings.Join(out, ",")
}

func portList(ports []inventory.Port) string {
	var out []string
	for _, p := range ports {
		s := fmt.Sprintf("%d/%s", p.Container, p.Proto)
		if p.Host != 0 {
			host := ""
			if p.HostIP.IsValid() && !p.HostIP.IsUnspecified() {
				host = p.HostIP.String() + ":"
			}
			s = fmt.Sprintf("%s%d->%s (%s)", host, p.Host, s, dash(p.HowServed))
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
