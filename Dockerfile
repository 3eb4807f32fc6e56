# The connector's image: what the lock names, as an ordinary user, on a root that may be read-only.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/connector
COPY requirements-run.lock ./
RUN /opt/connector/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --requirement requirements-run.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY streams streams
COPY schemas schemas
COPY connector connector
COPY simulator simulator
# docker build --build-arg SOURCE_COMMIT="$(git rev-parse HEAD)": what `connector --version` prints
ARG SOURCE_COMMIT=""
RUN SOURCE_COMMIT="$SOURCE_COMMIT" /opt/connector/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --no-deps --no-build-isolation . \
    && /opt/connector/bin/python -m pip uninstall --yes setuptools pip

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin connector
COPY --from=build /opt/connector /opt/connector
ENV PATH=/opt/connector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8080
# Alive, not ready: a broker's or a marketplace's outage is no reason to start again.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8080/livez', timeout=3)"]
ENTRYPOINT ["connector"]
CMD ["run"]
