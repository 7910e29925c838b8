package flame

import "strings"

// hueOther is the color of hops that are not known here.
const hueOther = 10

// hueOf gives a hop its color, the same at every place and in every file. Hops
// of one nature share one; page.css and svgStyle have the colors.
func hueOf(name string) int {
	hop, _, _ := strings.Cut(name, " @ ")
	first, _, _ := strings.Cut(hop, "+") // of what the kernel cannot separate
	switch first {
	case "xmit", "driver":
		return 1
	case "qdisc":
		return 2
	case "bridge", "macvlan":
		return 3
	case "prerouting", "input", "forward", "output", "postrouting", "routing":
		return 4
	case "stack_tx", "stack_rx":
		return 5
	case "sock_send", "sock_lock", "sock_recv":
		return 6
	case "app", "userland_proxy":
		return 7
	case "backlog", "gro":
		return 8
	case "encap", "decap":
		return 9
	}
	return hueOther
}
