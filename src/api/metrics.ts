import type { FastifyInstance } from 'fastify';
import type { Counter, Histogram, Registry } from 'prom-client';
import type { App } from '../daemon/app.js';
import type { Cycle } from '../daemon/loop.js';
import { figures } from './schemas.js';
import type { View } from './view.js';

/** Figures for Prometheus; counted from the start of the process. */
export interface Metrics {
  readonly registry: Registry;
  cycle(cycle: Cycle): void;
  request(method: string, route: string, status: number): void;
}

export interface MetricsParts {
  readonly app: App;
  readonly view: { now(): View };
  readonly prometheus: typeof import('prom-client');
}

/** Seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export function createMetrics({ app, view, prometheus }: MetricsParts): Metrics {
  const registry = new prometheus.Registry();
  const registers = [registry];
  const requests: Counter<'method' | 'route' | 'status'> = new prometheus.Counter({
    name: 'token_refresher_api_requests_total',
    help: 'Requests that this API has answered',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const histogram = (name: string, help: string): Histogram => {
    return new prometheus.Histogram({ name, help, buckets: BUCKETS, registers });
  };
  const cycles = histogram('token_refresher_cycle_duration_seconds', 'One look at everything, and what it called for');
  const renders = histogram(
    'token_refresher_render_duration_seconds',
    'Rendering and writing the configs of one cycle',
  );
  new prometheus.Counter({
    name: 'token_refresher_refreshes_total',
    help: 'Attempts to refresh a token',
    labelNames: ['token', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const { token, outcome, count } of app.tally()) this.inc({ token, outcome }, count);
    },
  });
  new prometheus.Gauge({
    name: 'token_refresher_token_expiry_seconds',
    help: 'Seconds until the access token expires; negative since it has',
    labelNames: ['token'],
    registers,
    collect() {
      this.reset();
      for (const { token, expiresAt } of view.now().surveyed) {
        if (expiresAt !== null) this.set({ token: token.name }, expiresAt - app.clock.now());
      }
    },
  });
  /** Found once: looking a counter up by its labels costs more than counting. */
  const counters = new Map<string, Counter.Internal>();
  return {
    registry,
    cycle({ took, rendering }) {
      cycles.observe(took);
      renders.observe(rendering);
    },
    request(method, route, status) {
      const key = `${method} ${route} ${status}`;
      const counter = counters.get(key) ?? requests.labels(method, route, String(status));
      counters.set(key, counter);
      counter.inc();
    },
  };
}

export function metricsRoute(api: FastifyInstance, { registry }: Metrics): void {
  const schema = { summary: 'Figures for Prometheus', response: { 200: figures } };
  api.get('/metrics', { schema, config: { polled: true } }, async (_, reply) => {
    reply.type(registry.contentType);
    return registry.metrics();
  });
}
