# Loupe's tasks; `make` alone lists them. Settings stand on make's command line: make serve PORT=9000 DEVICE=cpu
# Environments, each remade only when its lock file or pyproject.toml changes:
# .venv serves, .venv-dev trains and tests, .venv-scale tests engines of many machines, .venv-uv holds uv, which fills them.

MAKEFLAGS += --no-builtin-rules --no-print-directory
# Bytecode is kept: without, each of the hundreds of programs that the tests start would compile all its imports anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help setup serve test long test-scale engines on-ray kills fuzz soak check fix train loadtest bench capacity audit examples image release lock proto

RECIPE = training/recipes/orientation_talk.toml
TARGET = cpu
KILLS = 200
FUZZ_S = 120
MINUTES = 30
SERVICE = pypi

# The first Python that really runs (a version manager's shim may name one that is not there) and can make environments.
usable = import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c '$(usable)' 2>/dev/null; then echo $$python; break; fi; done)
no_python = Loupe needs Python 3.11, 3.12 or 3.13 with its venv module (Debian: apt-get install python3-venv), \
	and none runs here; name another with make PYTHON=/path/to/python

# The lock's onnxruntime-gpu is built for CUDA 13, which needs a driver from 580 and a GPU from Turing (7.5) on.
gpus = timeout 20 nvidia-smi --query-gpu=driver_version,compute_cap --format=csv,noheader 2>/dev/null
found = $(shell $(gpus) | awk -F', ' '$$1 >= 580 && $$2 >= 7.5 { found = 1 } END { print found ? "gpu" : "cpu" }')
wanted = $(or $(filter gpu cpu,$(DEVICE:cuda=gpu)),$(error DEVICE=$(DEVICE) is not allowed: it is gpu, which is cuda, or cpu))
by_hand = $(filter command,$(origin $(1)))
device = $(if $(call by_hand,DEVICE),$(wanted),$(found))
option = $(if $(call by_hand,$(1)),--$(2) '$(or $(3),$($(1)))')

dev := .venv-dev/bin
peers := litserve bentoml mlserver nvidia-pytriton
uv := UV_PYTHON_DOWNLOADS=never .venv-uv/bin/uv
# One process more than there are cores, as tests of servers wait for a third of their time.
pytest = $(dev)/python -m pytest --numprocesses $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1))) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Ray listens on every interface, so it gets a network without any.
alone = unshare --net --pid --fork --kill-child --mount-proc --map-root-user sh -c 'ip link set lo up && exec "$$@"' -
# Ray 2.60's own, 300 of them: it declares its settings so, and fills in names that it has given up.
rays = -W "ignore:Using extra keyword arguments on:DeprecationWarning" -W "ignore::DeprecationWarning:ray.data.context"
compile = $(uv) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(UPGRADE)

help:  ## lists these targets
	@sed -nE 's/^([a-z-]+):[^#]*## /\1\t/p' Makefile | expand -t 12

setup:  ## makes all environments and does nothing else
	@$(MAKE) --silent .venv/synced-serving$(if $(filter gpu,$(device)),-gpu) .venv-dev/synced-dev

serve:  ## serves the models of models/: HOST=127.0.0.1 PORT=8000 DEVICE=gpu|cpu (or LOUPE_… variables)
	@$(MAKE) --silent .venv/synced-serving$(if $(filter gpu,$(device)),-gpu)
	@exec .venv/bin/loupe serve $(call option,HOST,host) $(call option,PORT,port) \
		$(call option,DEVICE,device,$(DEVICE:gpu=cuda))

test: .venv-dev/synced-dev  ## runs the tests, on as many cores as there are: ARGS='tests/models -k exif', ARGS='-m quick'
	$(pytest) -m "not long" $(ARGS)

long: .venv-dev/synced-dev  ## runs the tests of minutes each, which make test leaves out
	$(pytest) -m long $(ARGS)

test-scale: .venv-scale/synced-scale  ## Spark, Ray and S3, in a network of its own: ARGS='-k twice'
	$(alone) .venv-scale/bin/python -m pytest --timeout 600 -p no:cacheprovider $(rays) tests/serving/scaleout $(ARGS)

engines: .venv-scale/synced-scale  ## pictures a second of one machine, Ray and Spark: ARGS='--pictures 20000 --page docs/scale.md'
	$(alone) .venv-scale/bin/python -m loadtest.engines $(ARGS)

on-ray: .venv-scale/synced-scale  ## CPU of a request through Ray Serve, beside plain Loupe's, in turns: ARGS='--rounds 5'
	$(alone) .venv-scale/bin/python -m loadtest.on_ray $(ARGS)

kills: .venv-dev/synced-dev  ## SIGKILL at random moments of publishing, reloading, labelling and turning: KILLS=200
	KILLS=$(KILLS) $(dev)/python -m pytest -rP -k kill tests/models/test_repository.py \
		tests/serving/versions/test_faults.py tests/serving/album/test_kill.py tests/serving/service/test_corrections.py

fuzz: .venv-dev/synced-dev  ## lets atheris try our readers, and schemathesis a server: FUZZ_S=120 each
	for target in decoding editing framing; do \
		$(dev)/python -m tests.fuzz.run $$target -max_total_time=$(FUZZ_S) -close_fd_mask=2 || exit 1; done
	$(dev)/python -m tests.fuzz.api $(FUZZ_S)

check: .venv-dev/synced-dev  ## formatting, lint, types and the arrows between the rooms; changes nothing
	$(dev)/ruff format --check
	$(dev)/ruff check
	$(dev)/mypy
	$(dev)/lint-imports

fix: .venv-dev/synced-dev  ## formats, and repairs what lint can repair
	$(dev)/ruff check --fix
	$(dev)/ruff format

train: .venv-dev/synced-dev  ## trains a recipe: RECIPE=training/recipes/….toml ARGS='photos --publish'
	$(dev)/loupe-train train $(RECIPE) $(ARGS)

loadtest: .venv-dev/synced-dev  ## asks a Loupe under load, and starts one if none is named: URL=… USERS=4 DURATION=30
	$(dev)/python -m loadtest.cli $(call option,URL,url) $(call option,USERS,users) $(call option,DURATION,duration-s)

examples: .venv-dev/synced-dev  ## runs the talks' worked examples and draws their pictures: PICTURES=training/examples/pictures
	$(dev)/python -m training.examples $(PICTURES)

soak: .venv-dev/synced-dev  ## whether a server stays what it was under photos, bombs, reloads and clients who leave: MINUTES=30
	$(dev)/python -m loadtest.soak --minutes $(MINUTES)

audit: .venv-dev/synced-dev  ## looks up whether a locked package has a known weakness; fails too where it gets no answer: SERVICE=pypi|osv
	for lock in requirements/*.txt; do $(dev)/pip-audit --strict --disable-pip --require-hashes --vulnerability-service $(SERVICE) \
		--progress-spinner off --requirement $$lock || failed="$$failed $$lock"; done; [ -z "$$failed" ] || { \
		echo "not audited, or a weakness was found:$$failed. A mirror of PyPI may know no advisories, so that packages" \
			"are \"not found\": ask where PyPI itself answers, or osv.dev (make audit SERVICE=osv)" >&2; exit 1; }

bench: .venv-dev/synced-dev $(if $(PEERS),$(peers:%=.venv-peers/%/synced))  ## what serving adds to the work itself: ARGS='--only sizes --output bench.json', PEERS=1
	$(dev)/python -m loadtest.bench $(if $(PEERS),--peers all) $(ARGS)

capacity: .venv-dev/synced-dev  ## how many replicas, at what cost, and what ends first: ARGS='plan --rate 3000', ARGS=check
	$(dev)/python -m loadtest.capacity $(or $(ARGS),plan)

image:  ## builds the container image loupe:cpu or loupe:gpu: TARGET=cpu|gpu BASE=… FLAGS=…
	@tool=$$(for tool in docker podman buildah; do if $$tool info >/dev/null 2>&1; then echo $$tool; break; fi; done); \
	[ -n "$$tool" ] || { echo "no container tool runs here: install docker, podman or buildah" >&2; exit 1; }; \
	revision=$$(git rev-parse HEAD 2>/dev/null || echo unknown); \
	BUILDAH_FORMAT=docker $$tool build --target $(TARGET) --tag loupe:$(TARGET) --build-arg REVISION=$$revision \
		$(if $(BASE),--build-arg BASE=$(BASE)) $(FLAGS) .

release: .venv/synced-serving .venv-dev/synced-dev  ## builds both wheels and the server's bill of materials (CycloneDX) into dist/
	rm -rf dist
	for project in . loupe; do $(uv) build --quiet --wheel --build-constraints requirements/build.txt --require-hashes \
		--out-dir dist $$project || exit; done
	$(dev)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/loupe-serving.cdx.json .venv

lock: .venv-uv/made  ## resolves requirements/*.txt anew, keeping versions that still fit: UPGRADE=--upgrade
	$(compile) pyproject.toml --extra serving --extra grpc --extra heif --extra tracing --output-file requirements/serving.txt
	$(compile) pyproject.toml --extra serving-gpu --extra grpc --extra heif --extra tracing --output-file requirements/serving-gpu.txt
	$(compile) pyproject.toml loupe/pyproject.toml --extra serving --extra grpc --extra heif --extra parquet --extra tracing --extra signing --extra training \
		--extra workers --extra search --extra tracking --extra loadtest --group dev --output-file requirements/dev.txt
	$(compile) pyproject.toml --extra serving --extra grpc --extra heif --extra tracing --extra parquet --extra store --extra ray \
		--extra spark --group scale --constraint requirements/serving.txt --no-annotate --output-file requirements/scale.txt
	for peer in $(peers); do { grep -oE '^(onnxruntime|pillow)==[^ ]+' requirements/serving.txt; echo $$peer; } | \
		$(compile) - --no-annotate --output-file requirements/peers/$$peer.txt || exit; done
	echo uv | $(compile) - --no-annotate --output-file requirements/uv.txt
	printf '%s\n' hatchling editables | $(compile) - --no-annotate --output-file requirements/build.txt

proto: .venv-dev/synced-dev  ## generates the gRPC messages and stubs from their .proto file
	$(dev)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. --grpc_python_out=. \
		serving/grpc/protobuf/open_inference.proto

.venv-uv/made: requirements/uv.txt
	$(if $(PYTHON),,$(error $(no_python)))
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# Others who serve the same file, for `make bench PEERS=1`.
.venv-peers/%/synced: requirements/peers/%.txt .venv-uv/made
	$(uv) venv --quiet --clear --python .venv-uv/bin/python $(@D)
	$(uv) pip sync --quiet --python $(@D) --require-hashes $<
	touch $@

# The stamp's name says which lock the environment holds: onnxruntime and onnxruntime-gpu never meet in one.
# The client is installed where it is tested, and not where it is asked.
.venv-dev/synced-dev .venv-scale/synced-scale: loupe/pyproject.toml
.venv/synced-% .venv-dev/synced-% .venv-scale/synced-%: requirements/%.txt requirements/build.txt pyproject.toml .venv-uv/made
	[ -x $(@D)/bin/python ] || $(uv) venv --quiet --clear --python .venv-uv/bin/python $(@D)
	rm -f $(@D)/synced-*
	$(uv) pip sync --python $(@D) --require-hashes $<
	$(uv) pip install --quiet --python $(@D) --no-deps --build-constraints requirements/build.txt \
		--editable . $(if $(filter .venv-dev .venv-scale,$(@D)),--editable ./loupe)
	touch $@
