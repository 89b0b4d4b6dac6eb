# Loupe in a container: `make image TARGET=cpu|gpu`, then `docker run --publish 8000:8000 loupe:cpu`.
# The GPU image needs no CUDA base image: onnxruntime-gpu brings CUDA and cuDNN in wheels (run it with `--gpus all`).
# Any base with Python 3.11 to 3.13 and its venv module will do.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1 UV_SYSTEM_CERTS=1
COPY requirements/uv.txt /build/requirements/
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir --require-hashes --requirement /build/requirements/uv.txt
RUN /uv/bin/uv venv --python "$(command -v python3)" /opt/loupe
WORKDIR /build

# A wheel of the two rooms that serve, without the command of the one that trains; the models lie beside the code of models/.
FROM build AS wheel
COPY requirements/build.txt requirements/
COPY LICENSE README.md pyproject.toml ./
COPY models models
COPY serving serving
ARG REVISION=unknown
RUN echo "${REVISION}" > serving/REVISION \
    && sed -i '/^loupe-train = /d' pyproject.toml \
    && /uv/bin/uv build --wheel --build-constraints requirements/build.txt --require-hashes --out-dir /wheel

# The dependencies first: they change seldom, so that most builds find them in the cache.
FROM build AS build-cpu
COPY requirements/serving.txt requirements/
RUN /uv/bin/uv pip sync --python /opt/loupe --require-hashes --compile-bytecode requirements/serving.txt
COPY --from=wheel /wheel /wheel
RUN /uv/bin/uv pip install --python /opt/loupe --no-deps --compile-bytecode /wheel/*.whl

FROM build AS build-gpu
COPY requirements/serving-gpu.txt requirements/
RUN /uv/bin/uv pip sync --python /opt/loupe --require-hashes --compile-bytecode requirements/serving-gpu.txt
COPY --from=wheel /wheel /wheel
RUN /uv/bin/uv pip install --python /opt/loupe --no-deps --compile-bytecode /wheel/*.whl

FROM ${BASE} AS runtime
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin loupe
ENV PATH=/opt/loupe/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LOUPE_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; e = os.environ.get; r.build_opener(r.ProxyHandler({})).open(f\"http://127.0.0.1:{e('LOUPE_PORT') or e('AIP_HTTP_PORT') or 8000}/health/ready\", timeout=4)"]
ENTRYPOINT ["loupe"]
CMD ["serve"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Loupe" \
      org.opencontainers.image.description="Serves small image classifiers over HTTP with ONNX Runtime." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS cpu
COPY --from=build-cpu /opt/loupe /opt/loupe

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/loupe /opt/loupe
