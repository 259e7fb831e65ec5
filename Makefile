# `make` lists what there is; the line after ## is what is shown.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SEEDS ?= 200
FUZZTIME ?= 15s
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Tools live outside the tree, in a directory that names their version: a new pin is a new build.
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/belfry
GOLANGCI := $(CACHE)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

.PHONY: build
build: ## build the binary into bin/belfry
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/belfry ./cli/belfry

.PHONY: test
test: ## every test of every package, with the race detector
	go test -race -shuffle=on -timeout 9m ./...

.PHONY: short
short: ## the tests that need no server and no patience
	go test -short ./...

.PHONY: lint
lint: $(GOLANGCI) ## every linter of .golangci.yaml
	$(GOLANGCI) config verify
	$(GOLANGCI) run --allow-serial-runners ./...

.PHONY: fmt
fmt: $(GOLANGCI) ## format the code as lint demands it
	$(GOLANGCI) fmt ./...

# From its module: a prebuilt binary would be linked by another Go than the code it reads.
$(GOLANGCI):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: vuln
vuln: ## known vulnerabilities in what belfry calls (asks the Go vulnerability database)
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (15s)
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file name; do \
		echo "fuzz $$(dirname "$$file") $${name#func }"; \
		go test -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
	done

.PHONY: simulate
simulate: ## SEEDS (200) random clusters in simulated time, with the broken rules that must be caught
	go test -tags belfrysim -timeout 30m ./internal/sim/... -seeds=$(SEEDS)

.PHONY: soak
soak: ## a thousand simulated clusters with long faults; about two hours
	go test -tags belfrysim -timeout 6h ./internal/sim -run '^TestSim$$' -seeds=1000 -dur=120s -v

.PHONY: faults
faults: ## real pods killed on a real server
	go test -race -count=1 -timeout 30m -v ./internal/proctest

.PHONY: bench
bench: ## the hot functions and the Redis script, with allocations
	go test -run '^$$' -bench . -benchmem ./core ./backend/...

.PHONY: images
images: ## the images that the Redis test needs: present, pulled or made
	compose/images.sh redis

.PHONY: compose-redis
compose-redis: ## the four-pod test on Redis, in containers
	compose/test.sh redis

.PHONY: sizes
sizes: ## the ten longest files and functions
	@echo files
	@git ls-files -co --exclude-standard '*.go' | xargs wc -l | grep -v ' total$$' | sort -rn | sed -n 1,10p
	@echo functions
	@git ls-files -co --exclude-standard '*.go' | xargs awk ' \
		FNR == 1 { name = "" } \
		/^func / && !/}$$/ { name = $$0; sub(/^func (\([^)]*\) )?/, "", name); sub(/[\[(].*/, "", name); begin = FNR } \
		/^}/ && name != "" { printf "%7d %s %s\n", FNR - begin + 1, FILENAME, name; name = "" }' | sort -rn | sed -n 1,10p
