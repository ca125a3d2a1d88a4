import { statusOf } from '../daemon/status.js';
import type { Listing } from '../ground/entry.js';
import type { State } from '../ground/plan.js';
import type { Presence } from '../ports/instance.js';
import type { Surveyed } from '../work/survey.js';
import { type PageQuery, pageOf } from './page-of.js';
import type { View } from './view.js';

export interface OverviewQuery extends PageQuery {
  readonly search?: string;
}

export interface OverviewParts {
  readonly running: Presence;
  readonly view: Pick<View, 'world' | 'surveyed'>;
  readonly listings: readonly Listing[];
  readonly serverOf: ReadonlyMap<string, string>;
}

/** What needs attention first. */
const RANK: Readonly<Record<State, number>> = {
  needs_login: 0,
  needs_configuration: 1,
  expired: 2,
  failing: 3,
  due: 4,
  unknown: 5,
  valid: 6,
};
const TROUBLED: ReadonlySet<State> = new Set(['needs_login', 'needs_configuration', 'expired', 'failing']);
/** Problems, and servers that are left out: whoever has more of them begins with these. */
const MOST = 100;

/** The report of the status page: one page of the tokens, what needs attention first, and how many there are. */
export function overview({ running, view, listings, serverOf }: OverviewParts, query: OverviewQuery) {
  const { world, surveyed } = view;
  const search = (query.search ?? '').trim().toLowerCase();
  const has = ({ token, plan }: Surveyed): boolean =>
    [token.name, token.provider, serverOf.get(token.name), plan.state.replaceAll('_', ' ')].some(
      (text) => text?.toLowerCase().includes(search) === true,
    );
  const matching = search === '' ? [...surveyed] : surveyed.filter(has);
  const troubled = surveyed.filter(({ plan }) => TROUBLED.has(plan.state));
  const leftOut = listings.filter(({ entry }) => entry === null);
  const page = pageOf(matching.sort(byAttention), query).items;
  const report = statusOf(running, world, page, listings, []);
  const shown = new Set(leftOut.slice(0, MOST).map(({ key }) => key));
  return {
    ...report,
    servers: report.servers.filter(({ key }) => shown.has(key)),
    problems: report.problems.slice(0, MOST),
    counts: {
      tokens: surveyed.length,
      matching: matching.length,
      attention: troubled.length,
      needs_login: troubled.filter(({ plan }) => plan.state === 'needs_login').length,
      left_out: leftOut.length,
      problems: report.problems.length,
    },
  };
}

function byAttention(a: Surveyed, b: Surveyed): number {
  const states = RANK[a.plan.state] - RANK[b.plan.state];
  if (states !== 0) return states;
  const [first, second] = [a.expiresAt ?? Number.MAX_VALUE, b.expiresAt ?? Number.MAX_VALUE];
  if (first !== second) return first - second;
  return a.token.name < b.token.name ? -1 : 1;
}
