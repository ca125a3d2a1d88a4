import type { History } from '../ground/history.js';
import { type Asker, expiresAt, type Facts, type Plan, planFor, type Timing } from '../ground/plan.js';
import { isRecipe, type Recipe, type RecipeSources, recipeFor, type Unrefreshable } from '../ground/recipe.js';
import type { Token } from '../ground/token.js';
import type { Digest } from '../ports/digest.js';
import type { BackupStore, HistoryStore, SpentLedger, SpentTokens } from '../ports/stores.js';
import type { World } from './load.js';
import { spendsOf, spentReason, successorOf } from './spent.js';

/** One token, what is known of it, and what is to be done about it. */
export interface Surveyed {
  readonly token: Token;
  readonly recipe: Recipe | Unrefreshable;
  readonly history: History;
  readonly subject: string;
  readonly plan: Plan;
  /** Epoch seconds, on this machine's clock. */
  readonly expiresAt: number | null;
}

export interface SurveyParts {
  readonly histories: HistoryStore;
  readonly backups: BackupStore;
  readonly spentTokens: SpentTokens;
  readonly digest: Digest;
  readonly timing: Timing;
  readonly allowHttp: boolean;
  /** What this process has learnt of hosts. */
  readonly hosts: HostKnowledge;
}

export interface HostKnowledge {
  /** This machine's clock minus the host's, in seconds. */
  skewOf(host: string): number;
  /** 0 when it is not. */
  heldUntil(host: string, now: number): number;
  /** Takes over what was remembered of a host by another process, or before a restart. */
  recall(history: History): void;
}

export interface Surveyor {
  one(token: Token, world: World, now: number, asker: Asker): Surveyed;
  all(world: World, now: number, asker: Asker): Surveyed[];
  /** As `all`, with pauses, so that thousands of tokens keep nobody else waiting. */
  inTurns(world: World, now: number, asker: Asker, pause: () => Promise<void>): Promise<Surveyed[]>;
}

/** Tokens between two pauses: some milliseconds. */
const AT_ONCE = 500;

export function createSurveyor(parts: SurveyParts): Surveyor {
  const { histories, backups, spentTokens, digest, timing, allowHttp, hosts } = parts;
  const known = new WeakMap<Token, Identified>();

  const spentOf = (token: Token, spends: string, ledger: SpentLedger): Facts['spent'] => {
    const spent = token.refresh && ledger.find(spends, token);
    if (!spent) return null;
    const successor = successorOf(token, { backups, ledger, digest }) !== null;
    const reason = successor ? 'an old copy was written over it; its successor is put back' : spentReason(spent);
    return { reason, successor };
  };

  /** What is made of a token alone: only a changed token, or something else that it is made of, makes it anew. */
  const identify = (token: Token, { providers, agents, environment }: World): Identified => {
    const provider = providers.get(token.provider ?? '') ?? null;
    const agent = agents.get(token.name) ?? null;
    const before = known.get(token);
    if (before?.provider === provider && before.agent === agent && before.environment === environment) return before;
    const recipe = recipeFor(token, { provider, agent, environment, allowHttp });
    const subject = digest(...subjectOf(token, recipe));
    const identified = { provider, agent, environment, recipe, subject, spends: spendsOf(token, digest) };
    known.set(token, identified);
    return identified;
  };

  const survey = (
    token: Token,
    history: History,
    { world, ledger }: { readonly world: World; readonly ledger: SpentLedger },
    now: number,
    asker: Asker,
  ): Surveyed => {
    const { recipe, subject, spends } = identify(token, world);
    const host = isRecipe(recipe) ? recipe.endpoint.host : '';
    const skew = hosts.skewOf(host);
    const plan = planFor(token, {
      now,
      timing,
      history,
      subject,
      spends,
      spent: spentOf(token, spends, ledger),
      obstacle: isRecipe(recipe) ? null : recipe.reason,
      skew,
      hostHeldUntil: hosts.heldUntil(host, now),
      asker,
    });
    return { token, recipe, history, subject, plan, expiresAt: expiresAt(token, skew) };
  };

  /** Each step is a part of the work; the last one gives the whole. */
  function* steps(world: World, now: number, asker: Asker): Generator<undefined, Surveyed[]> {
    // First all of them: what one token's server has asked for holds for the others of its host.
    const ledger = spentTokens.load();
    const remembered: { token: Token; history: History }[] = [];
    for (const token of world.tokens) {
      const history = histories.read(token);
      hosts.recall(history);
      if (remembered.push({ token, history }) % AT_ONCE === 0) yield;
    }
    const surveyed: Surveyed[] = [];
    for (const { token, history } of remembered) {
      if (surveyed.push(survey(token, history, { world, ledger }, now, asker)) % AT_ONCE === 0) yield;
    }
    return surveyed;
  }

  return {
    one(token, world, now, asker) {
      const history = histories.read(token);
      hosts.recall(history);
      return survey(token, history, { world, ledger: spentTokens.load() }, now, asker);
    },
    all(world, now, asker) {
      const work = steps(world, now, asker);
      for (;;) {
        const { done, value } = work.next();
        if (done) return value;
      }
    },
    async inTurns(world, now, asker, pause) {
      const work = steps(world, now, asker);
      for (;;) {
        const { done, value } = work.next();
        if (done) return value;
        await pause();
      }
    },
  };
}

interface Identified extends Omit<RecipeSources, 'allowHttp'> {
  readonly recipe: Recipe | Unrefreshable;
  readonly subject: string;
  readonly spends: string;
}

/** The host that a refresh asks; '' where none is asked, and null when it can be neither refreshed nor restored. */
export function refreshHost({ recipe, plan }: Pick<Surveyed, 'recipe' | 'plan'>): string | null {
  if (plan.restores) return '';
  return isRecipe(recipe) ? recipe.endpoint.host : null;
}

/** What a verdict is passed on: it falls when any of these changes. */
function subjectOf(token: Token, recipe: Recipe | Unrefreshable): (string | null)[] {
  const tokens = [token.access?.reveal() ?? null, token.refresh?.reveal() ?? null];
  if (!isRecipe(recipe)) return tokens;
  const { endpoint, grant, clientId, clientSecret, authMethod, username, password, parameters } = recipe;
  const secrets = [clientSecret?.reveal() ?? null, username, password?.reveal() ?? null];
  return [...tokens, endpoint.href, grant, clientId, authMethod, JSON.stringify(parameters), ...secrets];
}
