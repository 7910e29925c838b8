package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
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
			out := cmd.OutOrStdout()
			if err := listContainers(out, inv.View()); err != nil {
				return err
			}
			if err := listNetworks(out, inv.View()); err != nil {
				return err
			}
			if line := proxyLine(inv); line != "" {
				_, err = fmt.Fprintf(out, "\n%s\n", line)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	return cmd
}

// listContainers gives a row to each network of each container.
func listContainers(w io.Writer, v *inventory.View) error {
	containers := slices.Clone(v.Containers())
	slices.SortFunc(containers, func(a, b inventory.Container) int { return cmp.Compare(a.Name, b.Name) })
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "CONTAINER\tID\tSERVICE\tSTATE\tMODE\tNETWORK\tINTERFACE\tHOST SIDE\tADDRESS\tPORTS")
	for _, c := range containers {
		if !c.Gone.IsZero() {
			continue
		}
		first := []string{c.Name, c.ID[:min(12, len(c.ID))], service(c), c.State, mode(v, c)}
		for _, leg := range legs(c) {
			row := append(slices.Clone(first), leg...)
			for i, cell := range row {
				row[i] = dash(cell)
			}
			fmt.Fprintln(tw, strings.Join(append(row, portList(c.Ports)), "\t"))
			first, c.Ports = []string{" ", " ", " ", " ", " "}, nil
		}
	}
	return tw.Flush()
}

// service is how compose calls the container's service.
func service(c inventory.Container) string {
	if c.Service == "" || c.Project == "" {
		return c.Service
	}
	return c.Project + "/" + c.Service
}

// mode is the network mode, with a name in place of the id of the container
// whose namespace is shared.
func mode(v *inventory.View, c inventory.Container) string {
	id, joined := strings.CutPrefix(c.NetworkMode, "container:")
	if !joined {
		return c.NetworkMode
	}
	if o, ok := v.Container(id); ok {
		return "container:" + o.Name
	}
	return "container:" + id[:min(12, len(id))]
}

// legs are the cells NETWORK, INTERFACE, HOST SIDE and ADDRESS of each network.
func legs(c inventory.Container) (out [][]string) {
	switch c.NetworkMode {
	case "host":
		return [][]string{{"host", "the host's", "", ""}}
	case "none":
		return [][]string{{"none", "lo", "", ""}}
	}
	for _, a := range c.Networks {
		out = append(out, []string{a.Network + driver(a.Driver), a.Interface, a.HostInterface, addressList(a)})
	}
	if len(out) == 0 {
		return [][]string{{"", "", "", ""}}
	}
	return out
}

// driver is told where it is not the usual one.
func driver(name string) string {
	if name == "" || name == "bridge" {
		return ""
	}
	return " (" + name + ")"
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

// portList shows what is published, to where, and by what; exposed ports have
// no arrow.
func portList(ports []inventory.Port) string {
	var out []string
	for _, p := range ports {
		s := fmt.Sprintf("%d/%s", p.Container, p.Proto)
		if p.Host != 0 {
			s = fmt.Sprintf("%s->%s (%s)", hostSide(p), s, howServed(p))
		}
		out = append(out, s)
	}
	return dash(strings.Join(out, ", "))
}

// hostSide leaves out 0.0.0.0, not [::], which is published apart.
func hostSide(p inventory.Port) string {
	if !p.HostIP.IsValid() || p.HostIP == netip.IPv4Unspecified() {
		return fmt.Sprint(p.Host)
	}
	return netip.AddrPortFrom(p.HostIP, p.Host).String()
}

func howServed(p inventory.Port) string {
	if p.HowServed == "" {
		return "proxy, perhaps dnat"
	}
	return p.HowServed
}

// listNetworks gives a row to each network that exists.
func listNetworks(w io.Writer, v *inventory.View) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "\nNETWORK\tID\tDRIVER\tBRIDGE\tSUBNETS\tCONTAINERS")
	rows := 0
	for _, n := range v.Networks() {
		if !n.Gone.IsZero() || n.Driver == "null" || n.Driver == "host" {
			continue
		}
		rows++
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\n", n.Name, n.ID[:min(12, len(n.ID))], n.Driver, dash(n.Bridge), dash(subnets(n)), members(v, n))
	}
	if rows == 0 {
		return nil
	}
	return tw.Flush()
}

func subnets(n inventory.Network) string {
	var out []string
	for _, s := range n.Subnets {
		out = append(out, s.String())
	}
	return strings.Join(out, ",")
}

// members counts the running containers of a network.
func members(v *inventory.View, n inventory.Network) (count int) {
	for _, c := range v.Containers() {
		if c.Running() && slices.ContainsFunc(c.Networks, func(a inventory.Attachment) bool { return a.NetworkID == n.ID }) {
			count++
		}
	}
	return count
}
