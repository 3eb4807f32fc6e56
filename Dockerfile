# The connector's image: what the lock names, as an ordinary user, on a root that may be read-only.
#
# `make image` builds it with the base image by digest (deploy/image/pin). Two targets:
#   production       the default: connector run; no simulator, no demo, no tests
#   with-simulator   the same and the simulator, for docker-compose.yml

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/connector
COPY requirements-run.lock ./
RUN /opt/connector/bin/python -m pip install --require-hashes --requirement requirements-run.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY streams streams
COPY schemas schemas
COPY connector connector
# docker build --build-arg SOURCE_COMMIT="$(git rev-parse HEAD)": what `connector --version` prints
ARG SOURCE_COMMIT=""
RUN SOURCE_COMMIT="$SOURCE_COMMIT" /opt/connector/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/connector/bin/python -m pip uninstall --yes setuptools pip

FROM ${PYTHON_IMAGE} AS runtime
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin connector
COPY --from=build /opt/connector /opt/connector
COPY LICENSE deploy/image/sbom.cdx.json /usr/share/doc/kaufland-stream-connector/
# In a container, probes and Prometheus come from outside: the health pages listen on every address.
ENV PATH=/opt/connector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CONNECTOR__HEALTH__HOST=0.0.0.0
USER 10001
EXPOSE 8080
# Alive, not ready: a broker's or a marketplace's outage is no reason to start again.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8080/livez', timeout=3)"]
ENTRYPOINT ["connector"]
CMD ["run"]

FROM runtime AS with-simulator
COPY simulator /opt/simulator/simulator
ENV PYTHONPATH=/opt/simulator

FROM runtime AS production
ARG PYTHON_IMAGE
ARG SOURCE_COMMIT=""
LABEL org.opencontainers.image.title="kaufland-stream-connector" \
      org.opencontainers.image.description="Event-driven streaming connector between Kafka and the Kaufland Marketplace Seller API" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${SOURCE_COMMIT}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
