# syntax=docker/dockerfile:1
# Three images from one build: `edge`, `gateway` and `tools` (the stox command). Each holds compiled output and its
# runtime packages only, runs without root on a read-only file system, and writes to /var/lib/stox alone. Debian's libc is
# what everything is tested and measured with.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN npx --yes pnpm@10 install --frozen-lockfile \
 && npx --yes pnpm@10 build \
 && for part in edge-proxy gateway cli; do npx --yes pnpm@10 --filter "@stox/$part" deploy --legacy --prod "/out/$part" || exit 1; done

FROM node:24-bookworm-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* \
 && mkdir -p /var/lib/stox && chown node:node /var/lib/stox
USER node
VOLUME ["/var/lib/stox"]

FROM runtime AS edge
# Each TLS stream reads into a block of memory of its own: so silent ones keep less of it (docs/performance.md).
ENV MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TOP_PAD_=16384
COPY --from=build /out/edge-proxy /app
EXPOSE 5269 23456 9101
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch('http://127.0.0.1:9101/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["--config", "/etc/stox/edge.yaml"]

FROM runtime AS gateway
COPY --from=build /out/gateway /app
EXPOSE 5060/udp 5060/tcp 8080 9102
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch('http://127.0.0.1:9102/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["--config", "/etc/stox/gateway.yaml"]

FROM runtime AS tools
COPY --from=build /out/cli /app
ENTRYPOINT ["node", "dist/main.js"]
CMD ["--help"]
