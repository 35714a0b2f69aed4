# syntax=docker/dockerfile:1
# The program alone: its database, its keys and its mail server are given from outside.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libpq-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin umbel && install -D target/release/umbel /out/umbel

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin umbel \
    && install -d -o umbel -g umbel -m 0700 /data /data/keys
COPY --from=build /out/umbel /usr/local/bin/umbel
USER 10001
WORKDIR /data
VOLUME /data
ENV UMBEL_DATA=/data \
    UMBEL_KEYS=/data/keys \
    UMBEL_LISTEN=0.0.0.0:8080 \
    UMBEL_METRICS_LISTEN=0.0.0.0:9464 \
    UMBEL_LOG_FORMAT=json
EXPOSE 8080 9464
# The image has no curl: the program asks itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["umbel", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["umbel"]
CMD ["serve"]
