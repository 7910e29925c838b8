package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/probe"
)

func doctorCommand() *cobra.Command {
	var dockerHost string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this kernel and host allow, and what is lost where they do not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return doctor(cmd.Context(), cmd.OutOrStdout(), dockerHost)
		},
	}
	cmd.Flags().StringVar(&dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	return cmd
}

// doctor fails only when tracing does not work at all; what it found is
// printed in any case.
func doctor(ctx context.Context, w io.Writer, dockerHost string) error {
	caps, err := probe.Capabilities()
	if err != nil {
		return err
	}
	var out report
	out.section("kernel")
	for _, c := range caps {
		out.capability(c)
	}
	out.section("tracing")
	tracing := out.tryTracing()
	out.section("containers")
	out.inventory(ctx, dockerHost)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return err
	}
	return tracing
}

// tryTracing loads and attaches everything for a moment.
func (r *report) tryTracing() error {
	begun := time.Now()
	p, err := probe.Open(probe.Config{})
	if err != nil {
		r.row(false, "load and attach the programs", err.Error(), "")
		return err
	}
	took := time.Since(begun)
	if err := p.Close(); err != nil {
		r.row(false, "detach the programs", err.Error(), "")
		return err
	}
	r.row(true, "load and attach the programs", fmt.Sprintf("in %s", took.Round(time.Millisecond)), "")
	return nil
}

func (r *report) inventory(ctx context.Context, dockerHost string) {
	inv, err := inventory.Open(ctx, inventory.Options{DockerHost: dockerHost})
	if err != nil {
		r.row(false, "inventory", err.Error(), "")
		return
	}
	for _, s := range inv.Sources() {
		r.row(s.OK, s.Name, s.Detail, "")
	}
	for _, n := range inv.Notes() {
		r.row(false, "note", n, "")
	}
	if err := inv.Close(); err != nil && !errors.Is(err, context.Canceled) {
		r.row(false, "inventory", err.Error(), "")
	}
}
