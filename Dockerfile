# One image for all services: `docker run … IMAGE user-service`. No build step: what is in the repository is what runs.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY contracts/package.json contracts/
COPY runtime/package.json runtime/
COPY services/user-service/package.json services/user-service/
COPY services/billing-service/package.json services/billing-service/
COPY services/notification-service/package.json services/notification-service/
COPY services/order-service/package.json services/order-service/
# What the workspaces need. The root's own needs stay out: Node itself, the embedded PostgreSQL, the tools.
RUN npm ci --workspaces --include-workspace-root=false --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-slim
LABEL org.opencontainers.image.title="stream-processing" \
      org.opencontainers.image.description="A self-hosted prepaid-wallet order backend: four services on one event log" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
# The heap's bounds are those of run.mjs, which says why. A container with less memory sets NODE_OPTIONS anew.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    NODE_OPTIONS="--max-old-space-size=1536 --max-semi-space-size=32"
WORKDIR /app
# Node runs no TypeScript below node_modules: the workspaces lie beside it, and node_modules has links to them.
COPY --from=dependencies /app/node_modules node_modules/
COPY package.json LICENSE ./
COPY contracts contracts/
COPY runtime runtime/
COPY services services/
COPY image image/
# The audit.
COPY proofs/command.ts proofs/
COPY proofs/audit proofs/audit/
# The user `node`, by number: Kubernetes checks `runAsNonRoot` by it.
USER 1000:1000
EXPOSE 8000 8001 8002 8003
# Node is the first process and takes SIGTERM itself: it finishes what was accepted, within 40 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=10s --start-period=90s CMD ["node", "/app/image/main.ts", "health"]
ENTRYPOINT ["node", "/app/image/main.ts"]
CMD ["--help"]
