# One image for both roles: `node src/main.ts` runs both, `… bot` and `… worker` one each. The same Node that the tests ran under.
FROM node:24.21.0-slim AS packages
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
RUN npm install --omit=dev --no-audit --no-fund

FROM node:24.21.0-slim
ENV NODE_ENV=production
# A heap that is collected early: a thousand jobs at once then cost tens of megabytes, not hundreds (npm run bench).
ENV NODE_OPTIONS="--max-semi-space-size=4 --max-old-space-size=512"
# The folder of the embedded store, for an installation of one container without etcd: mount a volume here.
ENV KQUEEN_DATA_DIR=/var/lib/kqueen
RUN install -d -o node -g node -m 0700 /var/lib/kqueen
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY manifest.yml ./
COPY docs ./docs
COPY src ./src
# The image's user `node`, as numbers, so that a platform can see that it is not root. It can write nothing under /app.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.KQUEEN_PORT || 3000) + '/healthz', { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
