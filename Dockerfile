# The image of the box: one program on a small Debian, run by the user who owns ./data on the host.
#
#   docker build -t mjolnir:local .                                        compiles, with the crates of Cargo.lock
#   make image                                                             takes the program that `make build` made
#   docker build --build-arg UID=$(id -u) --build-arg GID=$(id -g) ...     whose files ./data has
#
# It needs BuildKit, which is what every Docker since 23 builds with (before: DOCKER_BUILDKIT=1): the stage that is not chosen is
# skipped then. What may be copied is listed in .dockerignore; everything else stays on the host.

# The program: `build` compiles it, `prebuilt` takes target/image/runner.
ARG BINARY=build
# A base made on this machine works offline. It has to be as new as the system that a prebuilt program was built on.
ARG BASE=debian:bookworm-slim
ARG RUST=rust:1.95-slim-bookworm

FROM ${RUST} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
# `runner init` carries them.
COPY jobs jobs
COPY profiles profiles
COPY strategies strategies
# Crates and what was compiled of them outlive the build, so that a change of the program compiles the program alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin runner \
    && strip --strip-debug -o /runner target/release/runner

FROM scratch AS prebuilt
COPY target/image/runner /runner

FROM ${BINARY} AS binary

FROM ${BASE} AS box
# Certificates of the authorities that venues are checked against.
RUN [ -s /etc/ssl/certs/ca-certificates.crt ] || { \
        apt-get update \
        && apt-get install -y --no-install-recommends ca-certificates \
        && rm -rf /var/lib/apt/lists/*; }
ARG UID=1000
ARG GID=1000
WORKDIR /box
RUN [ "${UID}" -gt 0 ] && [ "${GID}" -gt 0 ] || { echo "UID=${UID} GID=${GID}: the box is never run by root" >&2; exit 1; }; \
    mkdir data && chown "${UID}:${GID}" data
COPY --from=binary /runner /usr/local/bin/runner
COPY jobs jobs
COPY profiles profiles
COPY strategies strategies
USER ${UID}:${GID}
ENTRYPOINT ["runner"]
CMD ["--help"]
