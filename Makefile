# Every command of this package; the work itself is in Scripts/. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run test lint bench models docs soak install clean

# Variables that a user may give to `make run`, on the command line or in the environment.
export MACHINE TRACE LAPS LISTING MEMORY CPUS LEVELS GRANULE ARCH CPU GIC
export PREFIX DESTDIR
# `make models` takes MODELS=all.
export MODELS

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.* ## /make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

run: ## replay a recorded Linux boot: MACHINE=simulated TRACE=path LAPS=n LISTING=all MEMORY=MiB CPUS=n LEVELS=n ARCH=aarch64, riscv64 CPU=name GRANULE=4K, 16K, 64K GIC=3
	@Scripts/run.sh

test: ## run every test; the last line is "N passed, M failed"
	@Scripts/test.sh

lint: ## check format, sizes, and that the core neither allocates nor drops memory
	@Scripts/lint.sh

bench: ## count instructions per operation in QEMU, beside Linux's, into .build/bench.json
	@Scripts/bench.sh

models: ## search the models of the protocol with Spin (Models/README.md): MODELS=all
	@Scripts/models.sh

docs: ## build the documentation, warnings being errors
	@Scripts/docs.sh

soak: ## run the heavy tests long, replay the boot 100 times, and stress 4 CPUs
	@Scripts/soak.sh

install: ## build the vmalloc tool for Linux hosts, and install it below PREFIX
	@Scripts/install.sh

clean: ## remove everything that these commands built
	@Scripts/clean.sh
