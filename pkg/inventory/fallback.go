package inventory

// fallback lists containers without an engine: by the ids in the cgroup paths
// of all processes. A container's process is the one with the lowest pid.
func fallback(proc procfs, cg cgroupV2) ([]Container, error) {
	procs, _, err := proc.scan(true)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	var out []Container
	for _, p := range procs {
		id := containerOf(p.cgroups)
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		c := Container{ID: id, Name: shortID(id), State: "running", PID: p.pid}
		if locate(&c, proc, cg); c.PID != 0 {
			out = append(out, c)
		}
	}
	return out, nil
}
