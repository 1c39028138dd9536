# Parley in an image. docs/operating.md, chapter "Ship", says how it is built, run and proven.
#   docker build --build-arg TORCH_INDEX_URL=<PyTorch's CPU index> -t parley .     for processors
#   docker build --build-arg VARIANT=cuda -t parley:cuda .                         for NVIDIA GPUs
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG VARIANT=cpu
ARG TORCH_INDEX_URL=""
# Said before gigabytes are fetched: for processors, PyPI has none but the CUDA build.
RUN case "$VARIANT:$TORCH_INDEX_URL" in \
        cpu:?*|cuda:*) ;; \
        *) echo "Name --build-arg TORCH_INDEX_URL=<PyTorch's CPU index>, or --build-arg VARIANT=cuda." >&2; \
           echo "请指定 --build-arg TORCH_INDEX_URL=<PyTorch 的 CPU 索引>,或 --build-arg VARIANT=cuda。" >&2; exit 1 ;; \
    esac
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/parley
WORKDIR /app
# What changes seldom comes first: torch, then the other libraries, stay in their layers while the house is rebuilt.
COPY constraints.txt ./
RUN /opt/parley/bin/pip install --constraint constraints.txt \
        ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} torch \
    && /opt/parley/bin/python -c "import sys, torch; \
        sys.exit('torch is not the $VARIANT build' if (torch.version.cuda is None) != ('$VARIANT' == 'cpu') else 0)"
COPY pyproject.toml ./
RUN /opt/parley/bin/pip install --constraint constraints.txt \
        --editable '.[admin,cache,embedded,mcp,pinyin,quantised,remote,sentry,slack,teams,wecom]'
COPY . .
RUN /opt/parley/bin/pip install --constraint constraints.txt --no-deps --editable . \
    && /opt/parley/bin/pip check \
    && /opt/parley/bin/python -m compileall -q adapters bench bot core migrations \
    && /opt/parley/bin/pip uninstall --yes pip

FROM ${BASE}
# The number is the account's name for Kubernetes: it does not start as "nobody knows whom".
RUN useradd --uid 10001 --user-group --no-create-home --no-log-init --home-dir /var/lib/parley --shell /usr/sbin/nologin parley \
    && install --directory --owner parley --group parley --mode 0700 /var/lib/parley
WORKDIR /app
COPY --from=build /opt/parley /opt/parley
COPY --from=build /app /app
ENV PATH=/opt/parley/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PARLEY_DATA_DIR=/var/lib/parley \
    PARLEY_SERVER__HOST=0.0.0.0 \
    PARLEY_LOG__FORMAT=json
USER 10001:10001
VOLUME /var/lib/parley
EXPOSE 8080 9464
# Whether the process lives. Whether it has started, and what it waits for, is /readyz: a balancer asks that.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-IS", "/app/deploy/healthcheck.py"]
# Keys, tokens and the database's address come from the environment or from mounted files, never from the image.
ENTRYPOINT ["parley"]
CMD ["serve"]
