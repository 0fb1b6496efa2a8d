.DEFAULT_GOAL := help
.PHONY: help up test check bench build format packages node clean

# What is read while building; `make up` builds again when any of it is newer.
sources := package.json tsconfig.json $(shell find src test -name '*.ts')

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: node packages dist/src/main.js ## run a whole herd on this machine until Ctrl-C; options: make up ARGS='--cells 5'
	@bin/pgherd up $(ARGS)

test: node packages node_modules ## install what tests need and run all of them
	npm run --silent test

check: node_modules ## types, lint and the fast tests
	npm run --silent check

bench: node packages dist/src/main.js ## measure what the design promises, one line of JSON each
	@for figure in engine router scale failover; do node dist/test/bench/$$figure.js || exit 1; done

build: dist/src/main.js ## compile, if anything changed

format: node_modules ## format the code and sort imports
	npm run --silent format

packages: ## install the Debian packages that pgherd runs, if they are missing
	@deploy/install/packages.sh

clean: ## remove what was built and installed in this clone
	rm -rf dist node_modules coverage

dist/src/main.js: node_modules $(sources)
	@echo 'building'
	@npm run --silent build

node_modules: package.json package-lock.json | node
	npm ci --no-audit --no-fund
	@touch node_modules

node:
	@command -v node >/dev/null && command -v npm >/dev/null || \
	  { echo 'pgherd needs Node 20.19 or newer, with npm: see https://nodejs.org' >&2; exit 1; }
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' || \
	  { echo "pgherd needs Node 20.19 or newer; this is $$(node --version)" >&2; exit 1; }
