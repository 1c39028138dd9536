# Parley in an image: docker build -t parley . && docker run --env-file parley.env -p 8080:8080 parley
# A smaller image without CUDA: docker build --build-arg TORCH_INDEX_URL=… (PyTorch's CPU index)
FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/parley
WORKDIR /app
# What changes seldom comes first: the libraries stay in their layer while the house is rebuilt.
COPY pyproject.toml constraints.txt ./
RUN /opt/parley/bin/pip install --constraint constraints.txt \
        ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} --editable '.[slack,teams,wecom,cache,quantised,remote]'
COPY . .
RUN /opt/parley/bin/pip install --no-deps --no-build-isolation --editable .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin parley
WORKDIR /app
COPY --from=build /opt/parley /opt/parley
COPY --from=build /app /app
RUN install --directory --owner parley --mode 0700 /app/var
ENV PATH=/opt/parley/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_DISABLE_TELEMETRY=1
USER parley
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
# The database is DATABASE_URL's; keys and tokens come from the environment or from mounted files, never from the image.
CMD ["parley", "serve"]
