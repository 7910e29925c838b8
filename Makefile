# hopscope: build, check, test. `make help` lists the targets.
#
# Installing packages and running kernel tests needs root: where this is not
# root, sudo is asked for it, with the PATH on which Go is found.

SHELL := bash
GO    ?= go
BIN   := $(CURDIR)/bin

VERSION  ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
GOLANGCI_VERSION := v2.15.0

comma    := ,
SUDO     := $(if $(filter 0,$(shell id -u)),,$(shell command -v sudo))
AS_ROOT  := $(if $(SUDO),$(SUDO) --preserve-env=HOPSCOPE_LONG$(comma)HOPSCOPE_SOAK env "PATH=$(PATH)")
# Test programs are compiled by this user and run by root.
TEST_AS_ROOT := $(if $(SUDO),-exec '$(AS_ROOT)')
SETUP    := $(SUDO) scripts/setup.sh
ENGINE   := scripts/with-engine.sh

GO_DIRS     := $(wildcard bpf cmd internal pkg tui)
BPF_SOURCES := $(wildcard bpf/*.c bpf/*.h)

# As the GNU coding standards have it; DESTDIR is for packagers.
PREFIX  ?= /usr/local
# Not sbin: report, flame, diff and replay are for users without root, too.
bindir  := $(DESTDIR)$(PREFIX)/bin
mandir  := $(DESTDIR)$(PREFIX)/share/man/man8
bashdir := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir  := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.DEFAULT_GOAL := build
.PHONY: build install uninstall image generate check check-generate fmt fmt-check vet lint test test-packages test-unit demo screens recording bench clean help tools engine browser matrix test-long soak

build: ## build bin/hopscope, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/hopscope ./cmd/hopscope

# What was built before a pull is not what is to be installed. root may have no Go in
# its PATH: then it is what `make` built before.
install: ## build, and install binary, man pages and completion; without Go, install bin/hopscope
	if command -v $(GO) > /dev/null; then $(MAKE) build; else [ -x $(BIN)/hopscope ]; fi
	install -D -m 755 $(BIN)/hopscope $(bindir)/hopscope
	rm -f $(DESTDIR)$(PREFIX)/sbin/hopscope # of an older version, and before this one in root's PATH
	install -d $(mandir) $(bashdir) $(zshdir) $(fishdir)
	$(BIN)/hopscope man $(mandir)
	$(BIN)/hopscope completion bash > $(bashdir)/hopscope
	$(BIN)/hopscope completion zsh > $(zshdir)/_hopscope
	$(BIN)/hopscope completion fish > $(fishdir)/hopscope.fish

uninstall: ## remove what install installed
	rm -f $(bindir)/hopscope $(DESTDIR)$(PREFIX)/sbin/hopscope $(mandir)/hopscope.8 $(mandir)/hopscope-*.8
	rm -f $(bashdir)/hopscope $(zshdir)/_hopscope $(fishdir)/hopscope.fish

# A container image of the program alone; docs/privileges.md says how to run it.
IMAGE        ?= hopscope
DOCKER_BUILD ?= docker build

image: ## build the container image hopscope; builds unless bin/hopscope is there
	[ -x $(BIN)/hopscope ] || $(MAKE) build
	rm -rf $(BIN)/image && mkdir -p $(BIN)/image && cp $(BIN)/hopscope $(BIN)/image
	printf 'FROM scratch\nCOPY hopscope /hopscope\nENTRYPOINT ["/hopscope"]\n' > $(BIN)/image/Dockerfile
	$(DOCKER_BUILD) -q -t $(IMAGE) $(BIN)/image

generate: tools ## compile the kernel programs, write their Go types
	$(GO) generate ./bpf

check: fmt-check vet check-generate lint ## everything that needs no kernel and no engine

check-generate: tools ## the committed output of generate is that of its sources
	GO=$(GO) scripts/check-generate.sh

fmt: tools ## format Go and C
	gofmt -w $(GO_DIRS)
	clang-format-19 -i $(BPF_SOURCES)

fmt-check: tools ## Go and C are formatted
	@unformatted=$$(gofmt -l $(GO_DIRS)); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted" >&2; exit 1; fi
	clang-format-19 --dry-run -Werror $(BPF_SOURCES)

vet: ## go vet
	$(GO) vet ./...

lint: $(BIN)/tools/golangci-lint-$(GOLANGCI_VERSION) ## golangci-lint, import arrows included
	$< run ./...

$(BIN)/tools/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(BIN)/tools $(GO) install $(GOLANGCI)@$(GOLANGCI_VERSION)
	mv $(BIN)/tools/golangci-lint $@

test: engine browser check build ## check, then every test, on this kernel and a real Docker engine
	$(ENGINE) $(MAKE) --no-print-directory test-packages

# One package at a time (-p 1) where tests measure time on the kernel.
test-packages:
	$(GO) test -count=1 -timeout 20m $(TEST_AS_ROOT) ./bpf/... ./pkg/... ./tui/...
	$(GO) test -count=1 -p 1 -timeout 20m $(TEST_AS_ROOT) ./cmd/... ./internal/...

test-unit: ## the tests that need neither root nor Docker
	$(GO) test -short ./...

demo: engine build ## a small shop of containers with a known fault, traced
	$(GO) build -o $(BIN)/demo ./internal/lab/demo
	$(ENGINE) $(AS_ROOT) $(BIN)/demo -hopscope $(BIN)/hopscope

screens: engine build ## take the README's pictures of the live screens, in the demo's shop
	$(GO) build -o $(BIN)/demo ./internal/lab/demo
	$(ENGINE) $(AS_ROOT) $(BIN)/demo -hopscope $(BIN)/hopscope -screens docs/screens

recording: engine build ## record the demo's shop anew, for the screens' golden files
	$(GO) build -o $(BIN)/demo ./internal/lab/demo
	$(ENGINE) $(AS_ROOT) $(BIN)/demo -hopscope $(BIN)/hopscope -record tui/testdata/shop.hop
	$(GO) test ./tui -run Golden -update

bench: engine build ## what tracing costs
	$(GO) test -run '^$$' -bench . -benchmem ./pkg/...
	$(GO) build -o $(BIN)/bench ./internal/lab/bench
	$(ENGINE) $(AS_ROOT) $(BIN)/bench

tools:
	@$(SETUP) tools

engine:
	@$(SETUP) engine

browser:
	@$(SETUP) browser

matrix: ## the tests of the kernel side on Debian's kernels, 5.10 to the newest; KERNEL=6.1 runs one, REFRESH=1 looks for newer ones, UPDATE=1 records what was found
	@$(SETUP) tools
	@$(SETUP) matrix
	$(GO) run ./internal/matrix -kernel '$(KERNEL)' $(if $(REFRESH),-refresh) $(if $(UPDATE),-update)

# By counts, up to a minute each: a fuzzer that ends by the clock may fail by that alone
# (golang.org/issue/75804, before Go 1.27).
FUZZ = $(GO) test -run '^$$' -fuzzminimizetime 1000x -fuzz

test-long: engine tools build ## what takes long: a hundred SIGKILLs, churn, a million journeys, fuzzing, soak, mutants
	HOPSCOPE_LONG=1 $(ENGINE) $(GO) test -count=1 -p 1 -timeout 40m $(TEST_AS_ROOT) ./pkg/capture ./internal/robust
	HOPSCOPE_LONG=1 $(ENGINE) $(GO) test -count=1 -timeout 20m $(TEST_AS_ROOT) -run TestNoPacketIsJoinedToAnother ./internal/truth
	$(FUZZ) '^FuzzDecode$$' -fuzztime 700000x ./pkg/journey
	$(FUZZ) '^FuzzDecode$$' -fuzztime 600000x ./pkg/exchange
	$(FUZZ) '^FuzzBlock$$' -fuzztime 100000x ./pkg/capture
	$(FUZZ) '^FuzzReader$$' -fuzztime 10000x ./pkg/capture
	$(FUZZ) '^FuzzExchange$$' -fuzztime 250000x ./pkg/capture
	$(FUZZ) '^FuzzParse$$' -fuzztime 250000x ./pkg/when
	$(FUZZ) '^FuzzPairer$$' -fuzztime 400000x ./pkg/dns
	$(MAKE) soak
	$(GO) build -o $(BIN)/mutants ./internal/mutants
	$(ENGINE) $(AS_ROOT) $(BIN)/mutants

SOAK ?= 2m
soak: engine ## containers, engine, load and sampling change for SOAK (2m): memory, descriptors and books stay sound
	HOPSCOPE_SOAK=$(SOAK) $(ENGINE) $(GO) test -count=1 -timeout 0 -v $(TEST_AS_ROOT) ./internal/soak

clean: ## remove what was built
	rm -rf $(BIN)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
