import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningApi, startApi } from '../fixtures/api.js';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { randomPort } from '../fixtures/ports.js';
import { egress } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

/** Debian's package. */
const CHROMIUM = '/usr/bin/chromium';
const NAMES = '.token .name';

let browser: Browser;
beforeAll(async () => {
  const how = { executablePath: CHROMIUM, args: ['--no-sandbox'], timeout: 120_000 };
  if (existsSync(CHROMIUM)) browser = await chromium.launch(how);
});
afterAll(() => browser?.close());

interface Seen {
  readonly page: Page;
  /** What the browser complains of. */
  readonly complaints: string[];
  /** Every address that it asked for. */
  readonly asked: string[];
}

async function open({ url }: RunningApi, options: BrowserContextOptions = {}): Promise<Seen> {
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`${url}/`);
  return { page, complaints, asked };
}

async function enter(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key);
  await page.keyboard.press('Enter');
}

const hoursAhead = (hours: number): number => Math.floor(Date.now() / 1000) + hours * 3600;

/** One that is fresh, one that ends in a quarter of an hour, and one whose login has ended. */
async function three(root: Root): Promise<void> {
  const server = await FaultServer.start();
  server.next.push(...Array.from({ length: 9 }, () => refusal('invalid_grant')));
  const [path, token] = egress('acme', 'short', 'made-up-access');
  root.write('.oauth-tokens/acme-dead-egress.json', server.file());
  root.write(path, { ...token, expires_at: hoursAhead(0.25) });
  root.write(...egress('acme', 'long', 'made-up-access-too'));
}

describe.skipIf(!existsSync(CHROMIUM))('the page, in a browser', () => {
  it.each([
    [400, 'light'],
    [400, 'dark'],
    [1400, 'light'],
    [1400, 'dark'],
  ] as const)('fits into %i pixels, %s, and asks nobody else', async (width, colorScheme) => {
    const root = new Root();
    await three(root);
    const api = await startApi(root);
    const { page, complaints, asked } = await open(api, { viewport: { width, height: 900 }, colorScheme });
    await enter(page, api.key);
    await page.getByText('1 of 3 tokens needs a login').waitFor();
    expect(await page.locator(NAMES).allTextContents()).toEqual(['acme-dead', 'acme-short', 'acme-long']);
    expect(await page.getByRole('listitem').first().textContent()).toContain('token-refresher login fault');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    const light = /rgb\(2[45]\d/.test(String(await page.evaluate('getComputedStyle(document.body).backgroundColor')));
    expect(light).toBe(colorScheme === 'light');
    expect(new Set(asked.map((address) => new URL(address).origin))).toEqual(new Set([api.url]));
    expect(complaints).toEqual([]);
  });

  it('shows as bars how much of their lives is left', async () => {
    const root = new Root();
    await three(root);
    const api = await startApi(root);
    const { page } = await open(api);
    await enter(page, api.key);
    const share = async (name: string): Promise<number> => {
      const bar = page.getByRole('meter', { name: `Life left of ${name}` });
      const [whole, left] = await Promise.all([bar.boundingBox(), bar.locator('.left').boundingBox()]);
      const shown = (left?.width ?? -1) / (whole?.width ?? 1);
      expect(Math.abs(shown * 100 - Number(await bar.getAttribute('aria-valuenow')))).toBeLessThan(1);
      return shown;
    };
    await expect.poll(() => share('acme-long')).toBe(1);
    await expect.poll(() => share('acme-dead')).toBe(0);
    await expect.poll(() => share('acme-short')).toBeCloseTo(0.25, 1);
  });

  it('shows what changes without being loaded again', async () => {
    const root = new Root().write(...egress('acme', 'one', 'made-up-access'));
    const api = await startApi(root);
    const { page, asked } = await open(api);
    await enter(page, api.key);
    await page.getByText('The token is fresh').waitFor();
    root.write(...egress('acme', 'two', 'made-up-access-too'));
    await page.getByText('All 2 tokens are fresh').waitFor();
    const [path, token] = egress('acme', 'one', 'made-up-access-three');
    root.write(path, { ...token, expires_at: hoursAhead(3) });
    await page.getByText('expires in 3 h').waitFor();
    root.remove(path);
    await page.getByText('The token is fresh').waitFor();
    expect(asked.filter((address) => address === `${api.url}/`)).toHaveLength(1);
  });

  it('stays usable with thousands of tokens: a page of them at once, and a way to find one', async () => {
    const user_tokens = Object.fromEntries(
      Array.from({ length: 3000 }, (_, n) => [
        `user-${String(n).padStart(4, '0')}`,
        { access_token: `made-up-access-${n}`, refresh_token: `made-up-${n}`, expires_at: hoursAhead(24) + n },
      ]),
    );
    const root = new Root().write('.kroger_tokens.json', { user_tokens });
    root.write(...egress('acme', 'one', 'made-up-access'));
    for (let n = 0; n < 130; n += 1) root.write(`registry/servers/bad-${n}.json`, { path: n });
    const { page, complaints } = await open(await startApi(root, ['--api-open']));
    await page.getByText('1\u201350 of 3001').waitFor();
    expect(await page.locator(NAMES).count()).toBe(50);
    expect(await page.locator(NAMES).first().textContent()).toBe('kroger:user-0000');
    expect(await page.getByRole('button', { name: 'Previous' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('51\u2013100 of 3001').waitFor();
    await expect.poll(() => page.locator(NAMES).first().textContent()).toBe('kroger:user-0050');
    await page.getByLabel('Find').fill('USER-2999');
    await page.getByText('1\u20131 of 1').waitFor();
    expect(await page.locator(NAMES).allTextContents()).toEqual(['kroger:user-2999']);
    expect(await page.getByRole('button', { name: 'Next' }).isDisabled()).toBe(true);
    await page.getByLabel('Find').fill('nothing is called so');
    await page.getByText('No token matches.').waitFor();
    await page.getByLabel('Find').fill('');
    await page.getByText('1\u201350 of 3001').waitFor();
    await page.getByText('30 more').waitFor();
    expect(complaints).toEqual([]);
  });

  it('asks for the key once, and keeps it for the tab only', async () => {
    const root = new Root().write(...egress('acme', 'one', 'made-up-access'));
    const api = await startApi(root);
    const { page, asked } = await open(api);
    expect(asked.map((address) => new URL(address).pathname)).toEqual(['/']);
    await enter(page, 'not-the-key');
    await page.getByText('The daemon does not know this key.').waitFor();
    await enter(page, api.key);
    await page.getByText('The token is fresh').waitFor();
    expect(await page.getByRole('alert').isVisible()).toBe(false);
    await page.reload();
    await page.getByText('The token is fresh').waitFor();
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).toBe('{}');
    expect(asked.filter((address) => address.includes(api.key))).toEqual([]);
    const other = await page.context().newPage();
    await other.goto(`${api.url}/`);
    await other.getByLabel('API key').waitFor();
  });

  it('asks for no key with --api-open', async () => {
    const root = new Root().write(...egress('acme', 'one', 'made-up-access'));
    const { page, complaints } = await open(await startApi(root, ['--api-open']));
    await page.getByText('The token is fresh').waitFor();
    expect(complaints).toEqual([]);
  });

  it('says that the daemon is away, and that it is back', async () => {
    const root = new Root().write(...egress('acme', 'one', 'made-up-access'));
    const port = String(randomPort());
    const api = await startApi(root, ['--api', port]);
    const { page } = await open(api);
    await enter(page, api.key);
    await page.getByText('The token is fresh').waitFor();
    api.process.kill('SIGTERM');
    await api.ended;
    await page.getByRole('alert').getByText('The daemon does not answer.').waitFor();
    expect(await page.locator(NAMES).allTextContents()).toEqual(['acme-one']);
    root.remove('token_refresher.log');
    await startApi(root, ['--api', port]);
    await page.getByText('live', { exact: true }).waitFor();
    expect(await page.getByRole('alert').isVisible()).toBe(false);
  });

  it('takes names for text, whatever they hold', async () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const [, token] = egress('acme', 'x', 'made-up-access');
    const root = new Root().write('.oauth-tokens/acme-one-egress.json', { ...token, provider: hostile });
    root.write('registry/servers/broken.json', { path: 3, [hostile]: 1 });
    root.write('.kroger_tokens.json', { user_tokens: { [hostile]: { ...token } } });
    const api = await startApi(root, ['--api-open']);
    const { page, complaints } = await open(api);
    await page.getByText(hostile).first().waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('lets nothing in and nothing out but its own requests', async () => {
    const { page } = await open(await startApi(new Root()));
    const refused = await page.evaluate(`new Promise((done) => {
      const refused = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
        refused.push(effectiveDirective);
        if (refused.length === 4) done(refused.sort());
      });
      fetch('https://example.com/').catch(() => undefined);
      new Image().src = 'https://example.com/x.png';
      document.body.setAttribute('style', 'color: red');
      try {
        document.body.setAttribute('onclick', 'alert(1)');
      } catch {}
    })`);
    expect(refused).toEqual(['connect-src', 'img-src', 'require-trusted-types-for', 'style-src-attr']);
  });
});
