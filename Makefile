# What there is to do here. Everything is done by the go command or by .ci/run, which also says what it needs.

.DEFAULT_GOAL := help
.PHONY: help quickstart test race check tidy cross lint vulnerabilities fuzz nemesis bench

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quickstart: ## see the library work: three nodes, one dies, all in this process (6 s)
	go run ./examples/quickstart

test: ## the tests of the main module; those that need memcached are skipped without it, and say so
	go test ./...

race: ## the same with the race detector
	go test -race ./...

check: ## all that has to pass, on a machine with Debian or Ubuntu (15 min; installs what is missing)
	bash .ci/run

tidy: ## is each module's go.mod what its code needs?
	bash .ci/run tidy

cross: ## the tests that matter on 32 bits, and whether other systems compile
	bash .ci/run cross

lint: ## golangci-lint, or staticcheck, in every module
	bash .ci/run lint

vulnerabilities: ## govulncheck in every module
	bash .ci/run vulnerabilities

fuzz: ## every fuzz target for some seconds
	bash .ci/run fuzz_all

nemesis: ## break nodes, network and views for five minutes, and check what clients read (root for all faults)
	cd internal/nemesis && go run . -duration 5m

bench: ## this client beside others, on this machine
	cd bench && go run .
