.DEFAULT_GOAL := help
.PHONY: help up test check bench simulate build format packages test-packages images image-pgherd image-router image-patroni node clean

# What is read while building; `make up` builds again when any of it is newer.
sources := package.json tsconfig.json $(shell find src test -name '*.ts')

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: node packages dist/src/main.js ## run a whole herd on this machine until Ctrl-C; options: make up ARGS='--cells 5'
	@bin/pgherd up $(ARGS)

test: node test-packages node_modules ## install what tests need and run all of them
	npm run --silent test

check: node_modules ## types, lint and the fast tests
	npm run --silent check

bench: node packages dist/src/main.js ## measure what the design promises, one line of JSON each
	@for figure in engine router scale failover kv docker; do node dist/test/bench/$$figure.js || exit 1; done

simulate: node dist/src/main.js ## play whole histories of a herd in one process: make simulate SEEDS=1-2000
	@node --enable-source-maps dist/test/simulation/simulate.js $(or $(SEEDS),1-2000)

build: dist/src/main.js ## compile, if anything changed

format: node_modules ## format the code and sort imports
	npm run --silent format

images: image-pgherd image-router image-patroni ## build all images with docker; options: BASE=image NODE=image POSTGRESQL=16 IMAGE_TAG=1.0

version := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' package.json)
IMAGE_TAG ?= $(version)
POSTGRESQL ?= 15
build_args = $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$(version) $(BUILD_ARGS)

image-pgherd:
	docker build --tag pgherd:$(IMAGE_TAG) $(if $(NODE),--build-arg NODE=$(NODE)) $(build_args) .

image-router:
	docker build --tag pgherd-router:$(IMAGE_TAG) --target router $(if $(NODE),--build-arg NODE=$(NODE)) $(build_args) .

image-patroni:
	docker build --tag pgherd-patroni:$(POSTGRESQL) --build-arg POSTGRESQL=$(POSTGRESQL) $(build_args) deploy/images/patroni

packages: ## install the Debian packages that pgherd runs, if they are missing
	@deploy/install/packages.sh

test-packages:
	@deploy/install/packages.sh test

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
