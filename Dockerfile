# pgherd: one image for all roles that run no databases themselves: controller, broker, kv, and cells of containers.
#
#   docker build -t pgherd .                    the default: pgherd alone
#   docker build -t pgherd-router --target router .   and with HAProxy, for `pgherd router`
#
# BASE is what runs, NODE is what builds and where Node comes from.
ARG BASE=debian:12-slim
ARG NODE=node:20-bookworm-slim

FROM ${NODE} AS build
ARG NPM_CONFIG_REGISTRY
# Where a base has the certificates of an inspecting proxy, npm believes them.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /build
COPY package.json package-lock.json ./
# Without install scripts: there is no compiler here, and everything has a way to do without.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN node_modules/.bin/tsc
# What only compilers and people read is left out; licences stay.
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && find node_modules -type f -regextype posix-extended ! -iname '*licen[cs]e*' \
      -regex '.*\.(ts|mts|cts|map|md|markdown|c|cc|cpp|h|gyp|gypi)' -delete

FROM ${BASE} AS runtime
ARG VERSION=dev
COPY --from=build /usr/local/bin/node /usr/local/bin/node
RUN groupadd --system --gid 10001 pgherd \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/pgherd --shell /usr/sbin/nologin pgherd \
 && install -d -o pgherd -g pgherd -m 0750 /var/lib/pgherd
WORKDIR /opt/pgherd
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY deploy/images/pgherd/healthcheck.js ./
ENV NODE_ENV=production \
    PGHERD_METRICS=0.0.0.0:9300 \
    PGHERD_KV_LISTEN=0.0.0.0:2379 \
    PGHERD_DATA_DIR=/var/lib/pgherd
LABEL org.opencontainers.image.title="pgherd" \
      org.opencontainers.image.description="A control plane for herds of highly available PostgreSQL clusters" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
EXPOSE 9300 2379
VOLUME /var/lib/pgherd
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/node", "healthcheck.js"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=8", "--enable-source-maps", "/opt/pgherd/dist/src/main.js"]
CMD ["--help"]

FROM runtime AS router
USER root
LABEL org.opencontainers.image.title="pgherd-router"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends haproxy \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/apt
USER 10001:10001
CMD ["router"]

FROM runtime
