# flashmm and its demo: slim, not root, fit for a read-only root file system (/data is the one place it writes to).

FROM python:3.11.13-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/flashmm
COPY requirements/run.lock requirements/
RUN /opt/flashmm/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY instrumentation instrumentation
COPY backends backends
COPY dashboards dashboards
COPY demo demo
COPY deploy/grafana/boards deploy/grafana/boards
COPY orchestration orchestration
COPY receiver receiver
COPY streaming streaming
RUN /opt/flashmm/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation ./instrumentation .

FROM python:3.11.13-slim-bookworm
RUN groupadd --gid 10001 flashmm \
    && useradd --uid 10001 --gid flashmm --no-create-home --home-dir /data flashmm \
    && install --directory --owner flashmm --group flashmm /data
COPY --from=build /opt/flashmm /opt/flashmm
COPY deploy/flashmm/first_start.py /opt/flashmm/first_start.py
ENV PATH=/opt/flashmm/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 4317 4318
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["flashmm"]
CMD ["up"]
